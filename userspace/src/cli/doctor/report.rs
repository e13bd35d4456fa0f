//! Checks as lines for people and JSON for programs. Pure.

use serde::Serialize;
use serde_json::json;

use crate::text;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// It works as it should.
    Ok,
    /// The main job can run, with less.
    Warn,
    /// The main job cannot run.
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) status: Status,
    pub(super) what: String,
    pub(super) detail: String,
    /// What to do about it; empty when there is nothing to do.
    pub(super) remedy: String,
}

impl Check {
    pub(super) fn new(
        status: Status,
        what: &str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status, what: what.to_owned(), detail: detail.into(), remedy: remedy.into() }
    }

    pub(super) fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self::new(Status::Ok, what, detail, "")
    }

    pub(super) fn warn(what: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Status::Warn, what, detail, remedy)
    }

    pub(super) fn fail(what: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Status::Fail, what, detail, remedy)
    }
}

/// Whether nothing stands in the way.
pub(super) fn main_job_can_run(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.status != Status::Fail)
}

/// `ok|warn|FAIL  what — detail — what to do`.
pub(super) fn as_text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let word = match check.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let parts = [&check.what, &check.detail, &check.remedy];
        let parts: Vec<_> =
            parts.into_iter().filter(|it| !it.is_empty()).map(|it| text::printable(it)).collect();
        out.push_str(&format!("{word}  {}\n", parts.join(" — ")));
    }
    out.push_str(if main_job_can_run(checks) {
        "ai-debugger can run on this host.\n"
    } else {
        "ai-debugger cannot run on this host: see FAIL above.\n"
    });
    out
}

/// The same for programs.
pub(super) fn as_json(checks: &[Check]) -> String {
    format!("{}\n", json!({ "ok": main_job_can_run(checks), "checks": checks }))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn lines_for_people_and_programs() {
        let mut checks = vec![
            Check::ok("kernel", "6.18.0"),
            Check::warn("hook mark_victim", "no such\ntracepoint \x1b[2J", "use a newer kernel"),
        ];
        expect![[r#"
            ok    kernel — 6.18.0
            warn  hook mark_victim — no such tracepoint �[2J — use a newer kernel
            ai-debugger can run on this host.
        "#]]
        .assert_eq(&as_text(&checks));
        checks.push(Check::fail("/proc", "hidepid=2", ""));
        expect![[r#"
            FAIL  /proc — hidepid=2
            ai-debugger cannot run on this host: see FAIL above.
        "#]]
        .assert_eq(&as_text(&checks[2..]));
        expect![[r#"
            {"checks":[{"detail":"no such\ntracepoint \u001b[2J","remedy":"use a newer kernel","status":"warn","what":"hook mark_victim"},{"detail":"hidepid=2","remedy":"","status":"fail","what":"/proc"}],"ok":false}
        "#]].assert_eq(&as_json(&checks[1..]));
    }
}
