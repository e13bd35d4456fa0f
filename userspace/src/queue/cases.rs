//! The queue from the monitor to the store: which case goes first, and how two of the same fault become one.

use super::rank::{RankInputs, rank};
use super::{Queue, QueueEntry};
use crate::kinds::case::Case;
use crate::kinds::room;
use crate::metrics::Metrics;

/// Cases that may wait for the store, each with its evidence.
const CASES: usize = 512;

/// Cases that may wait beside them, without: still an incident each, with the rules' verdict on its facts.
const THIN_CASES: usize = 2048;

/// What stands in a case for the evidence it had.
const GIVEN_UP: &str = "evidence: dropped, too many cases were waiting for the store";

/// An empty queue of cases, with its limits.
pub fn case_queue(metrics: &Metrics) -> Queue<Case> {
    Queue::new("cases", CASES, merge, metrics).with_thin("case_evidence", THIN_CASES, thin, metrics)
}

/// A case as it is pushed.
pub fn entry(case: Case) -> QueueEntry<Case> {
    let priority = rank(&RankInputs::of(&case));
    QueueEntry { fingerprint: case.fingerprint.clone(), priority, item: case }
}

/// Drops what takes the room: the frozen files.
fn thin(case: &mut Case) {
    case.file.evidence = Vec::new();
    case.file.completeness.missing.push(GIVEN_UP.to_owned());
}

/// The more severe case stays, of equals the first; it stands for both. Where the later one has the numbers of now, the
/// first says those.
fn merge(waiting: &mut Case, newer: Case) {
    let same_event = room(newer.kind).happens_once()
        && waiting.kind == newer.kind
        && waiting.file.process.key() == newer.file.process.key();
    let count = waiting.count.saturating_add(if same_event { 0 } else { newer.count });
    let events_lost =
        waiting.file.completeness.events_lost.saturating_add(newer.file.completeness.events_lost);
    let same_process = waiting.file.process.key() == newer.file.process.key();
    if newer.severity > waiting.severity {
        *waiting = newer;
    } else if newer.severity == waiting.severity && room(newer.kind).brings_up_to_date(same_process) {
        (waiting.file.facts, waiting.file.findings) = (newer.file.facts, newer.file.findings);
    }
    waiting.count = count;
    waiting.file.completeness.events_lost = events_lost;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::sample::case_by;
    use crate::model::{IncidentKind, Severity};
    use crate::queue::Pushed;

    #[tokio::test(start_paused = true)]
    async fn what_a_full_queue_has_no_room_for_loses_its_evidence_and_not_its_place() {
        let metrics = Metrics::new();
        let queue = case_queue(&metrics);
        let graded = |name: String, severity| Case { severity, ..case_by(&name, 1, 0) };
        for n in 0..CASES {
            assert_eq!(queue.push(entry(graded(format!("grave {n}"), Severity::Critical))), Pushed::Queued);
        }
        for n in 0..THIN_CASES {
            assert_eq!(queue.push(entry(graded(format!("mild {n}"), Severity::Warning))), Pushed::Queued);
        }
        // One more that is critical thins a critical one; then there is no room for one more that is not.
        let late = entry(graded("late".into(), Severity::Warning));
        assert!(matches!(queue.push(late), Pushed::Refused(_)));
        let graver = queue.push(entry(graded("last".into(), Severity::Critical)));
        let Pushed::Evicted(lost) = graver else { panic!("{graver:?}") };
        assert_eq!(lost.fingerprint, format!("mild {}", THIN_CASES - 1));
        let text = metrics.render();
        let counted = format!("turned_away_total{{limit=\"case_evidence\"}} {}", THIN_CASES + 1);
        assert!(text.contains(&counted), "{text}");
        let (mut whole, mut bare) = (0, 0);
        while !queue.is_empty() {
            let case = queue.pop().await.unwrap();
            let given_up = case.file.completeness.missing == [GIVEN_UP];
            assert_eq!(case.file.evidence.is_empty(), given_up, "{}", case.fingerprint);
            assert!(given_up || case.severity == Severity::Critical);
            *(if given_up { &mut bare } else { &mut whole }) += 1;
        }
        assert_eq!((whole, bare), (CASES, THIN_CASES));
    }

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
