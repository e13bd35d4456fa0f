//! What is back before its end was told, and the end that is no longer true: never sent.

use jiff::Timestamp;

use super::*;
use crate::model::Occasion;

const SINKS: [&str; 2] = ["slack", "alertmanager"];

fn both() -> AlertPlan {
    AlertPlan { sinks: SINKS.to_vec(), level: vec!["alertmanager"], ..AlertPlan::default() }
}

async fn send(store: &Store, sink: &'static str, seconds: i64) -> Vec<Occasion> {
    let begun = store.begin(sink, at(seconds), 100).await.unwrap();
    for alert in &begun {
        store.mark_sent(alert.id, (crate::model::VerdictBy::Rules, None), at(seconds)).await.unwrap();
    }
    begun.into_iter().map(|it| it.occasion).collect()
}

async fn happens(store: &Store, pid: u32, seconds: i64) -> String {
    let mut it = case_by("a", pid, seconds);
    it.kind = IncidentKind::Crash;
    store.record_at(it, verdict("1"), both(), at(seconds)).await.unwrap().id
}

async fn resolve(store: &Store, id: &str, seconds: i64) {
    let action = IncidentAction::Resolve;
    assert!(matches!(
        store.act(id, action, SINKS.to_vec(), at(seconds)).await.unwrap(),
        ActionOutcome::Done(_)
    ));
}

/// Resolved by hand and back a second later, while the end waits behind others, and after Alertmanager had it.
#[tokio::test]
async fn an_end_that_is_not_true_any_more_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = happens(&store, 1, 0).await;
    for sink in SINKS {
        assert_eq!(send(&store, sink, 5).await, [Occasion::New]);
    }
    resolve(&store, &id, 10).await;
    assert_eq!(send(&store, "alertmanager", 10).await, [Occasion::Resolved]);
    happens(&store, 2, 11).await;
    assert_eq!(send(&store, "slack", 75).await, [], "it was never told of the end");
    assert_eq!(
        send(&store, "alertmanager", 15).await,
        [Occasion::Reopened],
        "its alert is gone: it fires again at once"
    );
}

#[tokio::test]
async fn who_may_have_been_told_of_the_end_is_told_that_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = happens(&store, 1, 0).await;
    send(&store, "slack", 5).await;
    resolve(&store, &id, 10).await;
    // On its way as it comes back, and then no answer.
    let begun = store.begin("slack", at(10), 1).await.unwrap().remove(0);
    happens(&store, 2, 11).await;
    let failure =
        crate::store::DeliveryFailure { at: at(20), error: "timeout".into(), may_have_arrived: true };
    store.mark_retry(begun.id, failure, at(21)).await.unwrap();
    assert_eq!(send(&store, "slack", 60).await, [Occasion::Reopened]);
    assert_eq!(send(&store, "slack", 61).await, []);
    let alerts = get(&store, &id).await.alerts;
    let end = alerts.iter().find(|it| it.occasion == Occasion::Resolved).unwrap();
    assert_eq!(
        (end.status, end.error.as_deref()),
        (AlertStatus::Failed, Some(crate::store::truth::TAKEN_BACK))
    );
    assert_eq!(store.due_alerts("slack", Timestamp::MAX, 9).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_said_that_it_goes_on_is_not_sent_after_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut mild = case("a");
    (mild.kind, mild.severity) = (IncidentKind::Crash, Severity::Warning);
    let id = store.record_at(mild, verdict("1"), both(), at(0)).await.unwrap().id;
    send(&store, "slack", 5).await;
    happens(&store, 2, 6).await;
    let graver = store.begin("slack", at(20), 1).await.unwrap().remove(0);
    assert_eq!(graver.occasion, Occasion::Escalated);
    let failure = crate::store::DeliveryFailure { at: at(20), error: "down".into(), may_have_arrived: false };
    store.mark_retry(graver.id, failure, at(21)).await.unwrap();
    resolve(&store, &id, 30).await;
    assert_eq!(send(&store, "slack", 60).await, [Occasion::Resolved]);
    // Never told at all: told that it was, and that it is over by now.
    let begun = store.begin("alertmanager", at(60), 9).await.unwrap();
    let stands: Vec<_> = begun.iter().map(|it| (it.occasion, it.incident.status)).collect();
    assert_eq!(stands, [(Occasion::New, IncidentStatus::Resolved)]);
}
