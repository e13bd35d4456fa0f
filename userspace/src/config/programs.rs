//! Programs of a site's own and their roles or languages, one as `NAME=ROLE`.

use super::problem::{Rejected, quoted};
use crate::languages;
use crate::programs::{self, ExtendError};

/// A role or a language, and the program that has it.
pub(super) fn own(text: &str) -> Result<(String, String), Rejected> {
    let (name, role) = text.rsplit_once('=').unwrap_or((text, ""));
    let checked = match languages::check(role, name) {
        Err(languages::ExtendError::UnknownLanguage { .. }) => programs::check(role, name),
        Err(_) => Err(ExtendError::NoName(name.to_owned())),
        Ok(()) => Ok(()),
    };
    let Err(error) = checked else { return Ok((role.to_owned(), name.to_owned())) };
    let (what, accepted) = match error {
        ExtendError::UnknownRole { known, .. } => {
            let roles = known.join(", ");
            let languages = languages::known().collect::<Vec<_>>().join(", ");
            (
                "does not give a known role",
                format!("with one of these roles: {roles}; or one of these languages: {languages}"),
            )
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
            ("ledger=go", Some(("go", "ledger"))),
            ("a=b=c++", Some(("c++", "a=b"))),
            ("ledger=golang", None),
            ("/opt/ledger=go", None),
            ("=go", None),
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
        assert!(error.accepted.contains("languages: jvm, node, cpython, go,"), "{error:?}");
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
        let sources = Sources {
            flags: BTreeMap::new(),
            env: BTreeMap::from([("AI_DEBUGGER_PROGRAMS".to_owned(), "x=shell, y=go, z=go".into())]),
            default_file: default_file.clone(),
        };
        let config = crate::config::load(&sources).unwrap().config;
        let group = |name: &str, of: &[&str]| {
            BTreeMap::from([(name.to_owned(), of.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())])
        };
        assert_eq!(config.own_programs(), group("shell", &["x"]));
        assert_eq!(config.own_languages(), group("go", &["y", "z"]));
        let env = load(&[("AI_DEBUGGER_PROGRAMS", "x=shell, y=shell")]);
        assert_eq!(env, Ok(BTreeMap::from([("shell".to_owned(), vec!["x".to_owned(), "y".to_owned()])])));
        let errors = load(&[("AI_DEBUGGER_PROGRAMS", "x=shells,/y=shell,z=shell")]).unwrap_err();
        assert_eq!(errors.0.len(), 2, "{errors}");
        assert!(errors.0.iter().all(|problem| problem.origin == "AI_DEBUGGER_PROGRAMS"), "{errors}");
    }
}
