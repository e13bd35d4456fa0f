//! More than a receiver can be told one by one; and a receiver that comes late.

use super::*;
use crate::model::Occasion;
use crate::store::{Backlog, Greeting};

const FEW: Backlog = Backlog { above: 3, singly: 2 };

async fn record(store: &Store, name: &str, severity: Severity) -> String {
    let mut it = case(name);
    it.severity = severity;
    store.record_at(it, verdict("1"), slack_now(), at(0)).await.unwrap().id
}

async fn names(store: &Store, seconds: i64) -> Vec<(Occasion, String)> {
    let begun = store.begin("slack", at(seconds), 100).await.unwrap();
    for alert in &begun {
        store.mark_sent(alert.id, (crate::model::VerdictBy::Rules, None), at(seconds)).await.unwrap();
    }
    begun.into_iter().map(|it| (it.occasion, it.incident.fingerprint)).collect()
}

#[tokio::test]
async fn a_few_are_told_one_by_one_and_more_in_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c"] {
        record(&store, name, Severity::Warning).await;
    }
    store.summarise("slack", FEW, at(1), at(9)).await.unwrap();
    assert_eq!(store.due_alerts("slack", at(1), 9).await.unwrap().len(), 3, "not too much");
    for name in ["d", "e", "f"] {
        record(&store, name, Severity::Critical).await;
    }
    store.summarise("slack", FEW, at(1), at(9)).await.unwrap();
    let new = |name: &str| (Occasion::New, name.to_owned());
    assert_eq!(names(&store, 1).await, [new("d"), new("e")]);
    // What comes until it is sent is in it; what is critical is told all the same.
    record(&store, "g", Severity::Warning).await;
    record(&store, "h", Severity::Critical).await;
    store.summarise("slack", Backlog { above: 9, singly: 2 }, at(2), at(99)).await.unwrap();
    let alert = store.due_alerts("slack", at(2), 9).await.unwrap().remove(0);
    assert_eq!((alert.occasion, alert.incident.fingerprint.as_str()), (Occasion::New, "h"));
    let begun = store.begin("slack", at(9), 9).await.unwrap();
    let summary = begun.iter().find(|it| it.occasion == Occasion::Summary).unwrap();
    assert_eq!((summary.incident.fingerprint.as_str(), summary.also_count), ("f", 4), "the worst leads");
    let also: Vec<_> = summary.also.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(also.len(), 4);
    let tally: Vec<_> = summary.tally.iter().map(|it| (it.severity, it.count)).collect();
    assert_eq!(tally, [(Severity::Critical, 1), (Severity::Warning, 4)]);
    store.mark_sent(summary.id, (crate::model::VerdictBy::Rules, None), at(9)).await.unwrap();
    // An incident says in which message it was told.
    let id = &store.list(Filter { limit: 9, ..Filter::default() }).await.unwrap().incidents;
    let a = id.iter().find(|it| it.fingerprint == "a").unwrap();
    assert_eq!((a.alerts[0].status, a.alerts[0].occasion), (AlertStatus::Grouped, Occasion::Summary));
    assert_eq!(a.alerts[0].folded_into.as_ref(), Some(&summary.incident.id));
}

#[tokio::test]
async fn an_incident_that_led_a_summary_explains_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c", "d"] {
        record(&store, name, Severity::Warning).await;
    }
    store.summarise("slack", FEW, at(1), at(1)).await.unwrap();
    let summary = store.begin("slack", at(1), 9).await.unwrap().remove(0);
    store.mark_sent(summary.id, (crate::model::VerdictBy::Rules, Some("C1/7".into())), at(1)).await.unwrap();
    let mut grave = case_by("a", 8, 5);
    grave.severity = Severity::Critical;
    store.record_at(grave, verdict("2"), slack_now(), at(5)).await.unwrap();
    let graver = store.begin("slack", at(5), 9).await.unwrap().remove(0);
    assert_eq!((graver.occasion, graver.also_count, graver.also.len()), (Occasion::Escalated, 0, 0));
    assert_eq!(graver.first_receipt, None, "the summary is no message of its own");
}

#[tokio::test]
async fn a_receiver_that_comes_late_is_told_of_all_that_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let greeting = |sinks: &[&'static str]| Greeting {
        sinks: sinks.to_vec(),
        level: vec!["alertmanager"],
        min_severity: Severity::Warning,
    };
    store.greet(greeting(&[]), at(0)).await.unwrap();
    for (name, severity) in [("a", Severity::Warning), ("b", Severity::Critical), ("c", Severity::Info)] {
        let mut it = case(name);
        it.severity = severity;
        store.record(it, verdict("1"), AlertPlan::default()).await.unwrap();
    }
    let over = store.record(case("over"), verdict("1"), AlertPlan::default()).await.unwrap().id;
    set_status(&store, &over, IncidentStatus::Resolved).await;
    for _ in 0..2 {
        store.greet(greeting(&["slack", "alertmanager"]), at(9)).await.unwrap();
    }
    let due = store.begin("slack", at(9), 9).await.unwrap();
    assert_eq!((due.len(), due[0].occasion, due[0].also_count), (1, Occasion::Summary, 1));
    assert_eq!(due[0].incident.fingerprint, "b", "the worst leads");
    let due = store.begin("alertmanager", at(9), 9).await.unwrap();
    let told: Vec<_> = due.iter().map(|it| (it.occasion, it.incident.fingerprint.as_str())).collect();
    assert_eq!(told, [(Occasion::New, "b"), (Occasion::New, "a")], "each: it groups by itself");
    // One that is gone for a while is new again.
    store.greet(greeting(&["slack"]), at(10)).await.unwrap();
    store.settle_all("alertmanager").await;
    store.greet(greeting(&["slack", "alertmanager"]), at(11)).await.unwrap();
    assert_eq!(store.begin("alertmanager", at(11), 9).await.unwrap().len(), 2);
}

impl Store {
    async fn settle_all(&self, sink: &'static str) {
        for due in self.due_alerts(sink, at(999), 99).await.unwrap() {
            self.mark_sent(due.id, (crate::model::VerdictBy::Rules, None), at(9)).await.unwrap();
        }
    }
}
