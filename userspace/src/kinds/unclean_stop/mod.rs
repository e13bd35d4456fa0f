//! Unclean stop: the daemon before this one was killed, aborted, or went down with its host.
//!
//! To an operator: somebody or something felled the watcher, and in the gap nothing was seen. Found at a start, by a
//! note that an end in order takes away. Near miss: an end in order, also while much waits; the first start of all; a
//! data folder without a note, as of an earlier version.

pub mod facts;
pub mod verdict;
pub mod words;

use std::time::Duration;

use crate::kinds::case::{Draft, Statement};
use crate::kinds::room::{Nature, Room, at_once};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use facts::{HowEnded, StopFact};

/// This kind.
pub const ROOM: Room = Room {
    label: "Monitor stopped uncleanly",
    nature: Nature::HappensOnce,
    of_cgroup: false,
    of_unit: None,
    explains: &[],
    patience: at_once,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// What is known of the daemon before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// How it ended.
    pub how: HowEnded,
    /// From its start to its last sign of life.
    pub ran: Duration,
    /// From then to this start.
    pub gap: Duration,
    /// Whether it had incidents in memory alone.
    pub unstored: bool,
}

/// The daemon before, as far as it is known.
pub fn process(pid: u32, start_ticks: u64) -> ProcessInfo {
    ProcessInfo {
        pid,
        start_ticks,
        ppid: 0,
        name: env!("CARGO_PKG_NAME").to_owned(),
        exe: None,
        argv: Vec::new(),
        uid: None,
        cgroup: None,
        container_id: None,
        unit: None,
        pod_uid: None,
        container: None,
    }
}

/// The finding.
pub fn detect(before: Before) -> Draft {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let Before { how, ran, gap, unstored } = before;
    let mut facts = vec![
        Statement::new("monitor:note", StopFact::MonitorEnded { how, ran_ms: ms(ran) }),
        Statement::new("monitor:note", StopFact::Unwatched { gap_ms: ms(gap) }),
    ];
    if unstored {
        facts.push(Statement::new("monitor:note", StopFact::UnstoredLost {}));
    }
    Draft { kind: IncidentKind::UncleanStop, severity: Severity::Warning, facts, site: String::new() }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::kinds::fixture;

    const BEFORE: Before = Before {
        how: HowEnded::OomKilled,
        ran: Duration::from_secs(3600),
        gap: Duration::from_secs(7),
        unstored: true,
    };

    pub(super) fn sample() -> (ProcessInfo, Draft) {
        (fixture::healthy().process, detect(BEFORE))
    }

    #[test]
    fn it_says_how_it_ended_and_what_was_lost() {
        let draft = detect(BEFORE);
        let statements: Vec<_> = draft.facts.iter().map(|it| it.data.clone()).collect();
        fixture::check_statements(
            &statements,
            &expect![[r#"
                {"type":"monitor_ended","how":"oom_killed","ran_ms":3600000}
                  the monitor before this one was killed by the OOM killer, after 60 min
                {"type":"unwatched","gap_ms":7000}
                  nothing was watched for 7.0 s, from its last sign of life to this start
                {"type":"unstored_lost"}
                  its database could not be written: the incidents it had in memory alone are lost
            "#]],
        );
        let told = fixture::told(&draft).summary;
        let want =
            "This monitor, python3 (pid 13674), was killed by the OOM killer; nothing was watched for 7.0 s.";
        assert_eq!(told, want);
        assert_eq!(detect(Before { unstored: false, ..BEFORE }).facts.len(), 2);
    }

    #[test]
    fn the_verdict_follows_how_it_ended() {
        for (how, want) in [
            (HowEnded::WithTheHost, "lost its power"),
            (HowEnded::OomKilled, "memory limit"),
            (HowEnded::Faulted, "has a bug"),
            (HowEnded::ByItself, "stages stopped"),
            (HowEnded::Unknown, "SIGKILL"),
        ] {
            let file = fixture::case_of(&detect(Before { how, ..BEFORE }));
            let opinion = verdict::judge(&file, &file.findings[0]);
            assert!(opinion.cause.contains(want), "{how:?}: {}", opinion.cause);
        }
    }
}
