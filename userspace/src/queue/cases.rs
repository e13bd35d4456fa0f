//! The queue from the monitor to the store: which case goes first, and how two of the same fault become one.

use super::{Entry, Queue};
use crate::metrics::Metrics;
use crate::model::{Case, Severity};

/// Cases that may wait for the store, each with its evidence.
const CASES: usize = 512;

/// An empty one.
pub fn case_queue(metrics: &Metrics) -> Queue<Case> {
    Queue::new("cases", CASES, merge, metrics)
}

/// A case as it is pushed.
pub fn entry(case: Case) -> Entry<Case> {
    Entry { fingerprint: case.fingerprint.clone(), priority: priority(case.severity), item: case }
}

/// Far enough apart that it takes a minute of waiting to be served before something graver.
pub const fn priority(severity: Severity) -> u32 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 60,
        Severity::Critical => 120,
    }
}

/// The graver case stays, of equals the first; it stands for both.
fn merge(waiting: &mut Case, newer: Case) {
    let same_event = newer.kind.happens_once()
        && waiting.kind == newer.kind
        && waiting.file.process.key() == newer.file.process.key();
    let count = waiting.count.saturating_add(if same_event { 0 } else { newer.count });
    let events_lost =
        waiting.file.completeness.events_lost.saturating_add(newer.file.completeness.events_lost);
    if newer.severity > waiting.severity {
        *waiting = newer;
    }
    waiting.count = count;
    waiting.file.completeness.events_lost = events_lost;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incidents::sample::case_by;
    use crate::model::IncidentKind;

    #[test]
    fn waiting_cases_merge_into_the_graver_one() {
        use Severity::{Critical, Warning};
        let build = |severity, pid, count, kind| {
            let mut it = case_by("a", pid, 0);
            (it.severity, it.count, it.kind) = (severity, count, kind);
            it
        };
        let (oom, zombies) = (IncidentKind::OomKill, IncidentKind::ZombiePileup);
        for (waiting, newer, want) in [
            ((Warning, 1, 1, oom), (Warning, 2, 1, oom), (Warning, 1, 2)),
            ((Warning, 1, 1, oom), (Critical, 2, 4, oom), (Critical, 2, 5)),
            ((Critical, 1, 3, oom), (Warning, 2, 1, oom), (Critical, 1, 4)),
            // The same death, reported twice.
            ((Warning, 1, 1, oom), (Critical, 1, 1, oom), (Critical, 1, 1)),
            ((Warning, 1, 1, zombies), (Warning, 1, 1, zombies), (Warning, 1, 2)),
            ((Warning, 1, u64::MAX, zombies), (Warning, 1, 1, zombies), (Warning, 1, u64::MAX)),
        ] {
            let mut it = build(waiting.0, waiting.1, waiting.2, waiting.3);
            merge(&mut it, build(newer.0, newer.1, newer.2, newer.3));
            assert_eq!((it.severity, it.file.process.pid, it.count), want, "{waiting:?} {newer:?}");
        }
    }
}
