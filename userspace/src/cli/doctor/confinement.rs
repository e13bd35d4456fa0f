//! What the daemon and its helpers give up on this host: each is tried, in a process that ends right after.

use std::path::PathBuf;

use super::report::Check;
use crate::children::{self, Confined};
use crate::sandbox::Step;

/// The program that runs, whatever its file is by now (proc_pid_exe(5)).
const OWN_PROGRAM: &str = "/proc/self/exe";
/// What not every kernel and not every way of starting has: said, and no reason to warn.
const AT_BEST: &str = "files";

pub(super) async fn checks() -> Vec<Check> {
    let tried = tokio::task::spawn_blocking(|| children::check(PathBuf::from(OWN_PROGRAM))).await;
    tried.unwrap_or_default().into_iter().map(judge).collect()
}

/// Pure: what was tried to a line.
fn judge((name, tried): Confined) -> Check {
    let what = format!("confinement of the {name}");
    let remedy = "see SECURITY.md for what that leaves open";
    let steps = match tried {
        Ok(steps) => steps,
        Err(reason) => return Check::warn(&what, format!("cannot be tried: {reason}"), remedy),
    };
    let (held, missing): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|it| it.in_force);
    let shown = |it: &&Step| match &it.detail {
        Some(detail) => format!("{} ({detail})", it.name),
        None => it.name.clone(),
    };
    let mut detail = format!("in force: {}", held.iter().map(shown).collect::<Vec<_>>().join(", "));
    for step in &missing {
        let reason = step.reason.as_deref().unwrap_or("the kernel did not say why");
        detail.push_str(&format!("; not in force: {}: {reason}", step.name));
    }
    if missing.iter().all(|it| it.name == AT_BEST) {
        Check::ok(&what, detail)
    } else {
        Check::warn(&what, detail, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    fn step(name: &str, reason: Option<&str>, detail: Option<&str>) -> Step {
        let owned = |it: Option<&str>| it.map(str::to_owned);
        Step { name: name.into(), in_force: reason.is_none(), reason: owned(reason), detail: owned(detail) }
    }

    #[test]
    fn a_line_says_what_is_in_force_and_what_not() {
        let held = step("capabilities", None, Some("none is kept"));
        let files = step("files", Some("no landlock"), None);
        let calls = step("system_calls", Some("EINVAL"), None);
        for (steps, status, want) in [
            (Ok(vec![held.clone()]), Status::Ok, "in force: capabilities (none is kept)"),
            (
                Ok(vec![held.clone(), files]),
                Status::Ok,
                "in force: capabilities (none is kept); not in force: files: no landlock",
            ),
            (
                Ok(vec![held, calls]),
                Status::Warn,
                "in force: capabilities (none is kept); not in force: system_calls: EINVAL",
            ),
            (Err("no process can be had"), Status::Warn, "cannot be tried: no process can be had"),
        ] {
            let check = judge(("parser", steps));
            assert_eq!((check.status, check.detail.as_str()), (status, want));
            assert_eq!(check.what, "confinement of the parser");
        }
    }
}
