//! The outbox as the alert worker sees it.

use jiff::{SignedDuration, Timestamp};

use super::super::{DeliveryFailure, DueAlert};
use super::*;

fn failure(seconds: i64, may_have_arrived: bool) -> DeliveryFailure {
    DeliveryFailure { at: at(seconds), error: "HTTP 500".into(), may_have_arrived }
}

async fn due(store: &Store) -> Vec<DueAlert> {
    store.due_alerts("slack", Timestamp::now(), 10).await.unwrap()
}

fn held() -> AlertPlan {
    let hold_until = Timestamp::now() + SignedDuration::from_secs(3600);
    AlertPlan { sinks: vec!["slack"], hold_until: Some(hold_until), ..AlertPlan::default() }
}

#[tokio::test]
async fn a_held_alert_waits_for_its_time_a_verdict_or_a_release() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let plan = held();
    let hold_until = plan.hold_until.unwrap();
    let id = store.record(case("a"), verdict("1"), plan).await.unwrap().id;
    let next = store.next_due("slack").await.unwrap().unwrap();
    assert_eq!(next.as_millisecond(), hold_until.as_millisecond());
    assert!(due(&store).await.is_empty());
    assert_eq!(store.due_alerts("slack", hold_until, 10).await.unwrap().len(), 1);

    store.set_verdict(&id, verdict("By the model.")).await.unwrap();
    assert_eq!(due(&store).await[0].incident.verdict.summary, "By the model.");

    let id = store.record(case("b"), verdict("1"), held()).await.unwrap().id;
    assert_eq!(due(&store).await.len(), 1);
    store.release_alerts(&id).await.unwrap();
    assert_eq!(due(&store).await.len(), 2);
    store.release_alerts("nobody").await.unwrap();
}

#[tokio::test]
async fn a_release_does_not_hurry_a_retry() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.record(case("a"), verdict("1"), slack_now()).await.unwrap().id;
    let alert = due(&store).await[0].id;
    store.start_attempt(alert, at(1)).await.unwrap().unwrap();
    let later = Timestamp::now() + SignedDuration::from_secs(60);
    store.mark_retry(alert, failure(2, false), later).await.unwrap();
    store.release_alerts(&id).await.unwrap();
    assert!(due(&store).await.is_empty());
}

#[tokio::test]
async fn deliveries_show_on_the_incident() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.record(case("a"), verdict("1"), slack_now()).await.unwrap().id;
    let alert = due(&store).await[0].id;
    assert_eq!(store.start_attempt(alert, at(1)).await.unwrap().unwrap().attempts, 0);
    store.mark_retry(alert, failure(2, false), at(3)).await.unwrap();
    let shown = get(&store, &id).await.alerts.remove(0);
    assert_eq!((shown.status, shown.attempts, shown.at), (AlertStatus::Pending, 1, Some(at(2))));
    assert_eq!((shown.sink.as_str(), shown.error.as_deref()), ("slack", Some("HTTP 500")));
    assert_eq!(store.start_attempt(alert, at(4)).await.unwrap().unwrap().attempts, 1);
    store.mark_sent(alert, (crate::model::VerdictBy::Rules, None), at(5)).await.unwrap();
    let shown = get(&store, &id).await.alerts.remove(0);
    assert_eq!((shown.status, shown.attempts, shown.at), (AlertStatus::Sent, 2, Some(at(5))));
    assert_eq!(shown.error, None);
    // What is settled is not tried again.
    assert!(store.start_attempt(alert, at(6)).await.unwrap().is_none());
    assert_eq!(get(&store, &id).await.alerts[0].attempts, 2);
    assert_eq!(store.next_due("slack").await.unwrap(), None);

    let id = store.record(case("b"), verdict("1"), slack_now()).await.unwrap().id;
    let alert = due(&store).await[0].id;
    store.mark_failed(alert, failure(7, false)).await.unwrap();
    let shown = get(&store, &id).await.alerts.remove(0);
    assert_eq!((shown.status, shown.error.as_deref()), (AlertStatus::Failed, Some("HTTP 500")));
    assert!(due(&store).await.is_empty());
}

/// How the tries before went (`None`: no answer was recorded, as after a crash), and whether the next one
/// may repeat what was seen already.
#[tokio::test]
async fn a_try_without_an_answer_makes_the_next_a_possible_repeat() {
    for (tries, want) in [
        (&[][..], false),
        (&[Some(false)], false),
        (&[Some(true)], true),
        (&[None], true),
        (&[Some(true), Some(false)], true),
        (&[None, Some(false), Some(false)], true),
        (&[Some(false), Some(false)], false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.record(case("a"), verdict("1"), slack_now()).await.unwrap();
        let alert = due(&store).await[0].id;
        for outcome in tries {
            store.start_attempt(alert, at(1)).await.unwrap().unwrap();
            if let Some(may_have_arrived) = *outcome {
                store.mark_retry(alert, failure(2, may_have_arrived), at(3)).await.unwrap();
            }
        }
        let store = open(dir.path());
        let next = store.start_attempt(alert, at(4)).await.unwrap().unwrap();
        assert_eq!(next.may_repeat, want, "{tries:?}");
    }
}

#[tokio::test]
async fn the_longest_due_comes_first_and_a_retry_goes_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c"] {
        store.record(case(name), verdict("1"), slack_now()).await.unwrap();
    }
    let names = async |limit| {
        let due =
            store.due_alerts("slack", Timestamp::now() + SignedDuration::from_secs(9), limit).await.unwrap();
        due.into_iter().map(|it| it.incident.fingerprint).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(10).await, "abc");
    assert_eq!(names(2).await, "ab");
    let first = due(&store).await[0].id;
    let next = Timestamp::now() + SignedDuration::from_secs(5);
    store.mark_retry(first, failure(1, false), next).await.unwrap();
    assert_eq!(names(10).await, "bca");
}

#[tokio::test]
async fn the_worker_is_woken_by_what_it_has_to_send() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut changes = store.alerts_changes();
    let mut woken = || {
        let changed = changes.has_changed().unwrap();
        changes.mark_unchanged();
        changed
    };
    assert!(!woken());
    let id = store.record(case("a"), verdict("1"), held()).await.unwrap().id;
    assert!(woken());
    store.record(case_by("a", 2, 2), verdict("1"), held()).await.unwrap();
    assert!(!woken(), "a repeat alerts nobody");
    store.set_verdict(&id, verdict("2")).await.unwrap();
    assert!(woken());
    store.release_alerts(&id).await.unwrap();
    assert!(woken());
}
