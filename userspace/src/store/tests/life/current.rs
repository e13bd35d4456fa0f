//! An incident that goes on is shown with its numbers of now.

use super::*;
use crate::kinds::case::{Case, Draft, Statement, numbered};
use crate::kinds::crash_loop::facts::CrashLoopFact;
use crate::kinds::pieces::Who;

/// A loop's report at its so many deaths: the number, and whether it goes faster, which makes a second statement.
fn loop_case(pid: u32, deaths: u64, started_again: bool) -> Case {
    let mut case = case_by("a", pid, 0);
    case.kind = IncidentKind::CrashLoop;
    let count = CrashLoopFact::Deaths { count: deaths, within_ms: 9, apart_ms: 3, pace: None };
    let by = Who { name: "sh".into(), pid: 1 };
    let again = CrashLoopFact::StartedAgain { by, times: deaths, pause_ms: 1 };
    let facts = [Some(count), started_again.then_some(again)];
    let facts = facts.into_iter().flatten().map(|fact| Statement::new("monitor:history", fact)).collect();
    let draft = Draft { kind: case.kind, severity: case.severity, facts, site: String::new() };
    (case.file.findings, case.file.facts) = numbered(vec![draft]);
    case
}

#[tokio::test]
async fn a_loop_is_shown_with_its_numbers_of_now() {
    let rig = Rig::new();
    let record = async |case: Case, words: &str, seconds| {
        rig.store.record_at(case, verdict(words), slack_now(), at(seconds)).await.unwrap()
    };
    let shown = async || {
        let it = rig.the_one().await;
        let counts = it.facts.iter().map(|fact| {
            let json = serde_json::to_value(&fact.data).unwrap();
            json["count"].as_u64().or(json["times"].as_u64()).unwrap()
        });
        (counts.collect::<Vec<_>>(), it.verdict.summary, it.process.pid)
    };
    let id = record(loop_case(1, 3, false), "three", 0).await.id;
    assert!(!record(loop_case(61, 61, false), "sixty-one", 60).await.new);
    assert_eq!(shown().await, (vec![61], "sixty-one".to_owned(), 1), "its evidence is the first's");
    record(loop_case(62, 62, true), "another statement", 61).await;
    assert_eq!(shown().await, (vec![62, 62], "another statement".to_owned(), 1));
    // What a model said of the first report holds no more; of this one it does, whatever the numbers become.
    let by_model = || Verdict { by: VerdictBy::Model, ..verdict("By the model.") };
    let judge = async |case| rig.store.judge(&id, case, by_model(), slack_now()).await.unwrap();
    assert!(!judge(loop_case(1, 3, false)).await && judge(loop_case(62, 62, true)).await);
    record(loop_case(63, 63, true), "by rules", 62).await;
    assert_eq!(shown().await, (vec![63, 63], "By the model.".to_owned(), 1));
    record(loop_case(64, 64, false), "by rules", 63).await;
    assert_eq!(shown().await.0, [63, 63], "the model speaks of both");
}

#[tokio::test]
async fn what_comes_late_brings_no_old_numbers_back() {
    let rig = Rig::new();
    for (seconds, words) in [(60, "later"), (0, "earlier")] {
        let mut case = case_by("a", 1, seconds);
        case.kind = IncidentKind::CrashLoop;
        rig.store.record_at(case, verdict(words), slack_now(), at(60)).await.unwrap();
    }
    assert_eq!(rig.the_one().await.verdict.summary, "later");
}

#[tokio::test]
async fn a_state_is_shown_with_its_numbers_of_now_and_what_happens_as_it_happened() {
    for (kind, pid, want) in [
        (IncidentKind::MemoryGrowth, 1, "now"),
        (IncidentKind::MemoryGrowth, 2, "first"),
        (IncidentKind::SuspiciousExec, 1, "first"),
        (IncidentKind::OomKill, 1, "first"),
    ] {
        let rig = Rig::new();
        for (pid, words) in [(1, "first"), (pid, "now")] {
            let mut case = case_by("a", pid, 0);
            case.kind = kind;
            rig.store.record_at(case, verdict(words), slack_now(), at(0)).await.unwrap();
        }
        assert_eq!(rig.the_one().await.verdict.summary, want, "{kind} {pid}");
    }
}
