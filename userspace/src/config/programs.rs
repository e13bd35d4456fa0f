//! Programs of a site's own and their roles, one as `NAME=ROLE`.

use super::problem::{Rejected, quoted};
use crate::programs::{self, ExtendError};

/// A role, and the program that has it.
pub(super) fn own(text: &str) -> Result<(String, String), Rejected> {
    let (name, role) = text.rsplit_once('=').unwrap_or((text, ""));
    let Err(error) = programs::check(role, name) else { return Ok((role.to_owned(), name.to_owned())) };
    let (what, accepted) = match error {
        ExtendError::UnknownRole { known, .. } => {
            ("does not give a known role", format!("with one of these roles: {}", known.join(", ")))
        }
        ExtendError::NoName(_) | ExtendError::Twice => {
            ("does not give a program name", "the name alone, without a path".to_owned())
        }
    };
    let accepted = format!("give NAME=ROLE, such as ci-agent=builder, {accepted}");
    Err(Rejected::new(format!("{} {what}", quoted(text)), accepted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Sources;

    #[test]
    fn programs_have_a_name_and_a_known_role() {
        for (text, want) in [
            ("ci-agent=builder", Some(("builder", "ci-agent"))),
            ("a=b=supervisor", Some(("supervisor", "a=b"))),
            ("nvmet-wq/=kernel_thread", Some(("kernel_thread", "nvmet-wq/"))),
            ("ci-agent=builders", None),
            ("ci-agent=BUILDER", None),
            ("ci-agent=", None),
            ("ci-agent", None),
            ("=builder", None),
            ("/opt/ci-agent=builder", None),
            ("ci agent=builder", None),
            ("", None),
        ] {
            let got = own(text);
            let got = got.as_ref().map(|(role, name)| (role.as_str(), name.as_str()));
            assert_eq!(got.ok(), want, "{text:?}");
        }
        let error = own("ci-agent=\x1bbuilders").unwrap_err();
        assert!(error.accepted.contains("supervisor, container_runtime, sandbox, relay,"), "{error:?}");
        assert!(!error.what.contains('\x1b'), "{error:?}");
        assert!(own("/opt/x=builder").unwrap_err().accepted.contains("without a path"));
    }
    #[test]
    fn they_are_given_in_the_file_or_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let default_file = dir.path().join("ai-debugger.toml");
        std::fs::write(&default_file, r#"programs = ["a=builder", "b=supervisor", "c=builder"]"#).unwrap();
        let load = |env: &[(&str, &str)]| {
            let env = env.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
            let sources = Sources { flags: BTreeMap::new(), env, default_file: default_file.clone() };
            crate::config::load(&sources).map(|draft| draft.config.own_programs())
        };
        let want = [("builder", vec!["a", "c"]), ("supervisor", vec!["b"])];
        let want =
            want.map(|(role, names)| (role.to_owned(), names.into_iter().map(str::to_owned).collect()));
        assert_eq!(load(&[]), Ok(BTreeMap::from(want)));
        let env = load(&[("AI_DEBUGGER_PROGRAMS", "x=shell, y=shell")]);
        assert_eq!(env, Ok(BTreeMap::from([("shell".to_owned(), vec!["x".to_owned(), "y".to_owned()])])));
        let errors = load(&[("AI_DEBUGGER_PROGRAMS", "x=shells,/y=shell,z=shell")]).unwrap_err();
        assert_eq!(errors.0.len(), 2, "{errors}");
        assert!(errors.0.iter().all(|problem| problem.origin == "AI_DEBUGGER_PROGRAMS"), "{errors}");
    }
}
