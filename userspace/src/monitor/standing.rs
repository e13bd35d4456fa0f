//! What each live process is known for: the findings that still stand, for who asks about one. A condition stands until
//! a whole scan did not find it; what happened stands for as long as the process lives.

use std::collections::HashMap;
use std::time::Duration;

use crate::kinds::case::Draft;
use crate::metrics::Metrics;
use crate::model::{IncidentKind, ProcessKey};

/// Most processes with a finding.
const PROCESSES: usize = 4096;

/// The findings that stand, by process.
#[derive(Default)]
pub(super) struct Standing {
    processes: HashMap<ProcessKey, Vec<Known>>,
    /// When the last scan began.
    last_scan: Duration,
}

struct Known {
    draft: Draft,
    at: Duration,
}

impl Standing {
    /// A finding on a process, which takes the place of an earlier one of its kind.
    pub(super) fn note(&mut self, key: ProcessKey, draft: &Draft, at: Duration, metrics: &Metrics) {
        if self.processes.len() >= PROCESSES && !self.processes.contains_key(&key) {
            metrics.count_turned_away("standing_findings", 1);
            return;
        }
        let known = self.processes.entry(key).or_default();
        known.retain(|it| it.draft.kind != draft.kind);
        known.push(Known { draft: draft.clone(), at });
    }

    /// The process ended or runs another program now.
    pub(super) fn forget(&mut self, key: ProcessKey) {
        self.processes.remove(&key);
    }

    /// A scan is over: a condition that neither it nor the one before found is none any more.
    pub(super) fn scanned(&mut self, began: Duration, lasts: impl Fn(IncidentKind) -> bool) {
        let since = std::mem::replace(&mut self.last_scan, began);
        self.processes.retain(|_, known| {
            known.retain(|it| it.at >= since || !lasts(it.draft.kind));
            !known.is_empty()
        });
    }

    /// What stands about a process.
    pub(super) fn of(&self, key: ProcessKey) -> Vec<Draft> {
        self.processes.get(&key).into_iter().flatten().map(|it| it.draft.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::model::Severity;

    const KEY: ProcessKey = ProcessKey { pid: 42, start_ticks: 1 };

    fn draft(kind: IncidentKind) -> Draft {
        Draft { kind, severity: Severity::Warning, facts: Vec::new(), site: String::new() }
    }

    #[test]
    fn a_condition_stands_until_a_whole_scan_did_not_find_it() {
        let (mut standing, metrics, secs) = (Standing::default(), Metrics::new(), Duration::from_secs);
        let lasts = |kind| kind == IncidentKind::CpuSpin;
        let kinds = |standing: &Standing| standing.of(KEY).iter().map(|it| it.kind).collect::<Vec<_>>();
        standing.note(KEY, &draft(IncidentKind::CpuSpin), secs(11), &metrics);
        standing.note(KEY, &draft(IncidentKind::CpuSpin), secs(12), &metrics);
        standing.note(KEY, &draft(IncidentKind::SuspiciousExec), secs(12), &metrics);
        standing.scanned(secs(10), lasts);
        assert_eq!(kinds(&standing), [IncidentKind::CpuSpin, IncidentKind::SuspiciousExec], "each kind once");
        standing.scanned(secs(20), lasts);
        assert_eq!(kinds(&standing).len(), 2, "the scan under way when it was found may have found it late");
        standing.scanned(secs(30), lasts);
        assert_eq!(kinds(&standing), [IncidentKind::SuspiciousExec]);
        standing.forget(KEY);
        assert!(kinds(&standing).is_empty());
    }
}
