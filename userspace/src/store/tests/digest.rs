//! A quiet start: what was there before the daemon is one message.

use super::super::Watched;
use super::*;
use crate::model::Occasion;

const UNTIL: i64 = 120;

fn at_start() -> AlertPlan {
    AlertPlan { sinks: vec!["slack"], digest_until: Some(at(UNTIL)), ..AlertPlan::default() }
}

fn zombies(name: &str, severity: Severity) -> kinds::case::Case {
    kinds::case::Case { kind: IncidentKind::ZombiePileup, severity, title: name.into(), ..case(name) }
}

#[tokio::test]
async fn what_was_there_before_is_one_message_and_the_kernels_events_are_not_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, severity) in [(0, Severity::Warning), (1, Severity::Warning), (2, Severity::Critical)] {
        let case = zombies(&n.to_string(), severity);
        store.record_at(case, verdict("1"), at_start(), at(n)).await.unwrap();
    }
    store.record_at(case("oom"), verdict("1"), slack_now(), at(3)).await.unwrap();
    let due = store.due_alerts("slack", at(4), 9).await.unwrap();
    assert_eq!(due.iter().map(|it| it.incident.fingerprint.as_str()).collect::<Vec<_>>(), ["oom"]);

    // A verdict does not hurry it, and a restart does not lose it.
    let ids: Vec<_> =
        store.list(Filter::default()).await.unwrap().incidents.into_iter().map(|it| it.id).collect();
    store.set_verdict(&ids[3], verdict("By the model.")).await.unwrap();
    std::mem::forget(store);
    let store = open(dir.path());
    assert_eq!(store.due_alerts("slack", at(UNTIL - 1), 9).await.unwrap().len(), 1);
    let due = store.due_alerts("slack", at(UNTIL), 9).await.unwrap();
    assert_eq!(due.len(), 2);
    let digest = due.into_iter().find(|it| it.occasion == Occasion::Digest).unwrap();
    let digest = store.start_attempt(digest.id, at(UNTIL)).await.unwrap().unwrap();
    assert_eq!((digest.incident.title.as_str(), digest.also_count), ("0", 2));
    let also: Vec<_> = digest.also.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(also, ["2", "1"], "worst first");
    store.mark_sent(digest.id, (crate::model::VerdictBy::Rules, None), at(UNTIL)).await.unwrap();

    // The others say whose message told of them.
    let page = store.list(Filter::default()).await.unwrap();
    let folded: Vec<_> = page.incidents.iter().filter(|it| it.alerts[0].folded_into.is_some()).collect();
    assert_eq!(folded.len(), 2);
    for it in folded {
        assert_eq!(it.alerts[0].status, AlertStatus::Grouped);
        assert_eq!(it.alerts[0].folded_into.as_ref(), Some(&digest.incident.id));
        assert_eq!(it.alerts[0].occasion, Occasion::Digest);
    }
    // They go on: one message tells of all that do, ever more seldom. One that escalates is news.
    let go_on = async |names: &[i32], seconds| {
        for n in names {
            let mut case = zombies(&n.to_string(), Severity::Warning);
            case.file.observed_at = at(seconds);
            store.record_at(case, verdict("1"), at_start(), at(seconds)).await.unwrap();
        }
        store.advance(Watched::default(), vec!["slack"], at(seconds)).await.unwrap().alerts
    };
    let reminded = async |seconds| {
        let due = store.due_alerts("slack", at(seconds), 9).await.unwrap();
        let due = due.into_iter().find(|it| it.occasion == Occasion::Reminder).unwrap();
        let it = store.start_attempt(due.id, at(seconds)).await.unwrap().unwrap();
        store.mark_sent(due.id, (crate::model::VerdictBy::Rules, None), at(seconds)).await.unwrap();
        let also: Vec<_> = it.also.iter().map(|it| it.title.clone()).collect();
        assert_eq!(it.also_count, u64::try_from(also.len()).unwrap());
        (it.incident.title, also.join(" "))
    };
    assert_eq!(go_on(&[0, 1, 2], UNTIL + 599).await, 0, "ten minutes from the digest");
    assert_eq!(go_on(&[0, 1, 2], UNTIL + 600).await, 1);
    assert_eq!(go_on(&[0, 1, 2], UNTIL + 601).await, 0, "it waits to be sent");
    assert_eq!(reminded(UNTIL + 601).await, ("2".into(), "0 1".into()), "the worst leads");
    assert_eq!(go_on(&[0, 1], UNTIL + 4_200).await, 0, "then an hour");
    assert_eq!(go_on(&[0, 1], UNTIL + 4_201).await, 1);
    assert_eq!(reminded(UNTIL + 4_201).await, ("0".into(), "1".into()), "without what has been silent since");
    // One that ends before its message is sent takes nobody's reminder with it.
    assert_eq!(go_on(&[0, 1], UNTIL + 4_201 + 36 * 600).await, 1);
    store.act(&ids[3], IncidentAction::Resolve, vec!["slack"], at(UNTIL + 26_000)).await.unwrap();
    assert_eq!(go_on(&[1], UNTIL + 26_001).await, 1);
    assert_eq!(reminded(UNTIL + 26_001).await, ("1".into(), String::new()));
    let graver = zombies("1", Severity::Critical);
    store.record_at(graver, verdict("1"), slack_now(), at(100_001)).await.unwrap();
    let due = store.due_alerts("slack", at(100_001), 9).await.unwrap();
    let due: Vec<_> = due.iter().filter(|it| it.incident.title == "1").map(|it| it.occasion).collect();
    assert_eq!(due, [Occasion::Escalated], "it led a reminder, so it was told of");
}
