//! What the model's verdict may change of an incident: its severity, by one step up; and who is told of that.

use crate::kinds::case::Case;
use crate::kinds::sample::{at, case, case_by, verdict};
use crate::model::{Incident, IncidentKind, Occasion, Severity, Verdict, VerdictBy};
use crate::store::sample::open;
use crate::store::{AlertPlan, Store};

use super::{get, slack_now};

fn graded(severity: Severity) -> Case {
    Case { severity, ..case("a") }
}

fn raising(to: Option<Severity>) -> Verdict {
    Verdict { by: VerdictBy::Model, model: Some("m".into()), raised_to: to, ..verdict("By the model.") }
}

fn told(it: &Incident) -> Vec<(Occasion, &'static str)> {
    it.alerts.iter().map(|alert| (alert.occasion, alert.status.as_str())).collect()
}

/// Sends what is due.
async fn send(store: &Store) {
    for due in store.due_alerts("slack", at(999_999), 10).await.unwrap() {
        store.start_attempt(due.id, at(1)).await.unwrap();
        store.mark_sent(due.id, (VerdictBy::Rules, None), at(1)).await.unwrap();
    }
}

#[tokio::test]
async fn it_rises_by_one_step_or_stays() {
    use Severity::{Critical, Info, Warning};
    for (rules, to, want) in [
        (Info, Some(Warning), (Warning, Some(Info))),
        (Warning, Some(Critical), (Critical, Some(Warning))),
        (Warning, None, (Warning, None)),
        (Warning, Some(Warning), (Warning, None)),
        (Info, Some(Critical), (Info, None)),
        (Warning, Some(Info), (Warning, None)),
        (Critical, Some(Info), (Critical, None)),
        (Critical, Some(Warning), (Critical, None)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let id = store.record(graded(rules), verdict("Rules."), slack_now()).await.unwrap().id;
        assert!(store.judge(&id, graded(rules), raising(to), slack_now()).await.unwrap());
        let it = get(&store, &id).await;
        assert_eq!((it.severity, it.rules_severity), want, "{rules} to {to:?}");
        assert_eq!(it.verdict.by, VerdictBy::Model);
        // One that waits will say so by itself.
        assert_eq!(told(&it), [(Occasion::New, "pending")]);
    }
}

#[tokio::test]
async fn who_was_told_less_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let warning = graded(Severity::Warning);
    let id = store.record(warning.clone(), verdict("Rules."), slack_now()).await.unwrap().id;
    send(&store).await;
    for _ in 0..3 {
        store.judge(&id, warning.clone(), raising(Some(Severity::Critical)), slack_now()).await.unwrap();
        let it = get(&store, &id).await;
        assert_eq!(told(&it)[1..], [(Occasion::Escalated, "pending")], "{:?}", it.alerts);
    }
    // A verdict that says less takes nothing back.
    store.judge(&id, warning, raising(None), slack_now()).await.unwrap();
    let it = get(&store, &id).await;
    assert_eq!((it.severity, it.rules_severity), (Severity::Critical, Some(Severity::Warning)));
}

#[tokio::test]
async fn what_was_below_the_minimum_is_told_when_it_is_raised() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let info = graded(Severity::Info);
    let id = store.record(info.clone(), verdict("Rules."), AlertPlan::default()).await.unwrap().id;
    store.judge(&id, info.clone(), raising(None), slack_now()).await.unwrap();
    assert_eq!(told(&get(&store, &id).await), []);
    store.judge(&id, info, raising(Some(Severity::Warning)), slack_now()).await.unwrap();
    assert_eq!(told(&get(&store, &id).await), [(Occasion::New, "pending")]);
}

#[tokio::test]
async fn the_rules_catch_up_and_go_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let info = graded(Severity::Info);
    let id = store.record(info.clone(), verdict("Rules."), slack_now()).await.unwrap().id;
    store.judge(&id, info, raising(Some(Severity::Warning)), slack_now()).await.unwrap();
    send(&store).await;
    // Less severe again: nothing falls. As grave: shown with its own file, and no news.
    for (severity, want, pid, alerts) in [
        (Severity::Info, (Severity::Warning, Some(Severity::Info)), 13674, 1),
        (Severity::Warning, (Severity::Warning, None), 8, 1),
        (Severity::Critical, (Severity::Critical, None), 9, 2),
    ] {
        let again = Case { severity, ..case_by("a", if pid == 13674 { 7 } else { pid }, 10) };
        store.record(again, verdict("Again."), slack_now()).await.unwrap();
        let it = get(&store, &id).await;
        assert_eq!((it.severity, it.rules_severity), want);
        assert_eq!((it.process.pid, it.alerts.len()), (pid, alerts));
    }
}

#[tokio::test]
async fn a_digest_of_the_start_stays_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let digest = AlertPlan { digest_until: Some(at(120)), ..slack_now() };
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        let found = Case { severity: Severity::Warning, kind: IncidentKind::CpuSpin, ..case(name) };
        let id = store.record(found.clone(), verdict("Rules."), digest.clone()).await.unwrap().id;
        ids.push((id, found));
    }
    for (id, found) in ids.clone() {
        store.judge(&id, found, raising(Some(Severity::Critical)), digest.clone()).await.unwrap();
    }
    for ((id, _), status) in ids.iter().zip(["pending", "folded"]) {
        let it = get(&store, id).await;
        assert_eq!((it.severity, told(&it)), (Severity::Critical, vec![(Occasion::Digest, status)]));
    }
}

#[tokio::test]
async fn what_is_over_is_not_raised() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let warning = graded(Severity::Warning);
    let id = store.record(warning.clone(), verdict("Rules."), slack_now()).await.unwrap().id;
    super::set_status(&store, &id, crate::model::IncidentStatus::Resolved).await;
    store.judge(&id, warning, raising(Some(Severity::Critical)), slack_now()).await.unwrap();
    assert_eq!(get(&store, &id).await.severity, Severity::Warning);
}
