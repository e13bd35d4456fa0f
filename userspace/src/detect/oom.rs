//! OOM kill: the kernel's OOM killer chose this process, in a memory cgroup or on the host.
//!
//! To an operator: the work it did is lost, and the memory it was refused will be wanted again.
//! Proof: `signal->oom_mm` was set when it died of SIGKILL. Near miss: a plain `kill -9`, which leaves
//! `oom_mm` empty, whatever the cgroup's memory looks like; a process that ended by itself just as it was chosen.

use super::{Draft, Ended, OomTrigger, Statement};
use crate::kinds::shared::ending::chosen_by_oom_killer;
use crate::model::{ExitCause, IncidentKind, ProcessInfo, Severity};
use crate::text;

const SIGKILL: u8 = 9;

pub(super) fn detect(ended: &Ended<'_>) -> Option<Draft> {
    if !ended.exit.oom_killed || ended.exit.cause != ExitCause::Signal(SIGKILL) {
        return None;
    }
    let name = text::printable(&ended.process.name);
    let held = ended.exit.peak_rss_bytes.map(|peak| format!(", which held {} at its peak", text::size(peak)));
    let limit = ended.memory.map_or_else(String::new, |memory| {
        format!("; its memory cgroup {} is limited to {}", memory.path, text::size(memory.limit_bytes))
    });
    let mut facts = vec![chosen_by_oom_killer()];
    facts.extend(ended.oom_trigger.map(|trigger| triggered_by(trigger, ended.process)));
    facts.extend(ended.facts());
    Some(Draft {
        kind: IncidentKind::OomKill,
        severity: Severity::Critical,
        summary: format!("The OOM killer ended {name}{}{limit}.", held.unwrap_or_default()),
        facts,
        site: String::new(),
    })
}

/// The finding on a victim that was chosen but has not ended: it may be stuck, holding the memory that was to
/// be freed.
pub fn not_ended(process: &ProcessInfo, trigger: OomTrigger<'_>) -> Draft {
    Draft {
        kind: IncidentKind::OomKill,
        severity: Severity::Critical,
        summary: format!("The OOM killer chose {}, which has not ended yet.", text::printable(&process.name)),
        facts: vec![
            Statement::new("kernel:mark_victim", "the OOM killer chose it, and its end was not reported"),
            triggered_by(trigger, process),
        ],
        site: String::new(),
    }
}

fn triggered_by(trigger: OomTrigger<'_>, victim: &ProcessInfo) -> Statement {
    let who = if trigger.pid == victim.pid {
        "its own allocation".to_owned()
    } else {
        format!("an allocation of {} (pid {})", text::printable(trigger.name), trigger.pid)
    };
    Statement::new("kernel:mark_victim", format!("{who} triggered the OOM killer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::shared::ending::fixture::{ended, exit, process};
    use crate::model::ExitRecord;
    use crate::observation::CgroupMemory;

    #[test]
    fn only_a_victim_of_the_oom_killer_is_one() {
        for (oom_killed, cause, want) in [
            (true, ExitCause::Signal(9), true),
            (false, ExitCause::Signal(9), false),
            (true, ExitCause::Status(0), false),
            (true, ExitCause::Signal(15), false),
            (false, ExitCause::Signal(11), false),
        ] {
            let process = process();
            let exit = ExitRecord { oom_killed, ..exit(cause) };
            assert_eq!(detect(&ended(&process, &exit, &[])).is_some(), want, "{oom_killed} {cause:?}");
        }
    }

    #[test]
    fn it_says_who_grew_and_whose_limit() {
        let process = process();
        let exit = ExitRecord { oom_killed: true, ..exit(ExitCause::Signal(9)) };
        let memory =
            CgroupMemory { path: "/app".into(), usage_bytes: 1 << 20, file_bytes: 0, limit_bytes: 24 << 20 };
        let other = OomTrigger { pid: 43, name: "grower" };
        let draft =
            detect(&Ended { memory: Some(&memory), oom_trigger: Some(other), ..ended(&process, &exit, &[]) })
                .unwrap();
        assert_eq!(
            draft.summary,
            "The OOM killer ended worker, which held 24.0 MiB at its peak; its memory cgroup /app is limited to 24.0 MiB."
        );
        assert_eq!(draft.facts[1].text(), "an allocation of grower (pid 43) triggered the OOM killer");
        let own = OomTrigger { pid: 42, name: "worker" };
        let draft = detect(&Ended { oom_trigger: Some(own), ..ended(&process, &exit, &[]) }).unwrap();
        assert_eq!(draft.facts[1].text(), "its own allocation triggered the OOM killer");
    }
}
