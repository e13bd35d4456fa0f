//! The store from outside: recording, reading back, surviving.

mod about;
mod back;
mod backlog;
mod digest;
mod harm;
mod life;
mod noise;
mod outbox;
mod raise;
mod related;
mod scale;
mod survival;
mod unreadable;
mod upgrade;

use super::handle::Store;
use super::{ActionOutcome, AlertPlan, Filter, IncidentAction};
use crate::kinds;
use crate::kinds::sample::{at, case, case_by, verdict};
use crate::model::{AlertStatus, Incident, IncidentKind, IncidentStatus, Severity, Verdict};
use crate::render;
use crate::store::sample::{host, open};

fn slack_now() -> AlertPlan {
    AlertPlan { sinks: vec!["slack"], ..AlertPlan::default() }
}

async fn get(store: &Store, id: &str) -> Incident {
    store.get(id).await.unwrap().expect("the incident is there")
}

#[tokio::test]
async fn an_incident_is_read_back_as_it_was_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let given = case("a");
    let recorded = store.record(given.clone(), verdict("Dead."), slack_now()).await.unwrap();
    assert!(recorded.new && !recorded.escalated && recorded.count == 1, "{recorded:?}");
    let it = get(&store, &recorded.id).await;
    assert_eq!((it.kind, it.severity, it.status), (given.kind, given.severity, IncidentStatus::Open));
    assert_eq!((&it.title, &it.fingerprint), (&given.title, &given.fingerprint));
    assert_eq!((it.host.as_str(), it.boot_id.as_str()), ("web-1", "boot-1"));
    assert_eq!((it.first_seen, it.last_seen, it.count), (at(0), at(0), 1));
    assert_eq!((&it.process, &it.findings), (&given.file.process, &render::findings(&given.file)));
    assert_eq!((&it.facts, &it.completeness), (&render::facts(&given.file), &given.file.completeness));
    assert_eq!(it.verdict, verdict("Dead."));
    assert_eq!(it.alerts.len(), 1);
    assert_eq!(
        (it.alerts[0].status, it.alerts[0].attempts, it.alerts[0].at),
        (AlertStatus::Pending, 0, None)
    );
    assert_eq!((it.evidence[0].name.as_str(), it.evidence[0].size_bytes), ("status", 15));
    let file = store.evidence(&it.id, "status").await.unwrap();
    assert_eq!(file.as_ref(), Some(&given.file.evidence[0]));
    assert_eq!(store.evidence(&it.id, "nothing").await.unwrap(), None);
    assert_eq!(store.evidence("nobody", "status").await.unwrap(), None);
    assert_eq!(store.get("nobody").await.unwrap(), None);
}

/// By hand, a second after what [`case`] is about.
async fn set_status(store: &Store, id: &str, status: IncidentStatus) {
    let action = match status {
        IncidentStatus::Open => return,
        IncidentStatus::Acknowledged => IncidentAction::Acknowledge,
        IncidentStatus::Resolved => IncidentAction::Resolve,
    };
    let outcome = store.act(id, action, vec!["slack"], at(1)).await.unwrap();
    assert!(matches!(outcome, ActionOutcome::Done(it) if it.status == status));
}

/// What is recorded second, after an OOM kill of pid 13674 at second 0, and what becomes of it.
#[tokio::test]
async fn repeats_are_counted_on_the_open_incident() {
    struct Row {
        what: &'static str,
        kind: IncidentKind,
        pid: u32,
        seconds: i64,
        merged: u64,
        status: IncidentStatus,
        want_new: bool,
        want_count: u64,
    }
    use IncidentKind::{Crash, CrashLoop, FdExhaustion, MemoryPressure, OomKill, ZombiePileup};
    use IncidentStatus::{Acknowledged, Open, Resolved};
    let row = |what, kind, pid, seconds, merged, status, want_new, want_count| Row {
        what,
        kind,
        pid,
        seconds,
        merged,
        status,
        want_new,
        want_count,
    };
    for row in [
        row("another process", OomKill, 7, 60, 1, Open, false, 2),
        row("an acknowledged incident", OomKill, 7, 60, 1, Acknowledged, false, 2),
        row("a resolved incident, within the window", OomKill, 7, 3599, 1, Resolved, false, 2),
        row("a resolved incident, beyond the window", OomKill, 7, 3602, 1, Resolved, true, 1),
        row("a straggler of before the end", OomKill, 7, 1, 1, Resolved, false, 2),
        row("long after, not resolved meanwhile", OomKill, 7, 36_000, 1, Open, false, 2),
        row("out of order", OomKill, 7, -60, 1, Open, false, 2),
        row("merged while it waited", OomKill, 7, 60, 5, Open, false, 6),
        row("the same death again", OomKill, 13674, 60, 1, Open, false, 1),
        row("the same crash again", Crash, 13674, 60, 1, Open, false, 1),
        row("the same death, with others merged into it", OomKill, 13674, 60, 3, Open, false, 3),
        row("the same sick process at the next scan", ZombiePileup, 13674, 60, 1, Open, false, 1),
        row("the same at the end of what is one", FdExhaustion, 13674, 300, 1, Open, false, 1),
        row("the same, sick again", MemoryPressure, 13674, 301, 1, Open, false, 2),
        row("scans merged while it waited", ZombiePileup, 13674, 60, 5, Open, false, 1),
        row("another sick process, seen by several scans", ZombiePileup, 7, 60, 5, Open, false, 2),
        row("one more death of a loop", CrashLoop, 13674, 60, 1, Open, false, 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut first = case("a");
        first.kind = row.kind;
        let first = store.record(first, verdict("1"), slack_now()).await.unwrap();
        set_status(&store, &first.id, row.status).await;
        let mut second = case_by("a", row.pid, row.seconds);
        (second.kind, second.count) = (row.kind, row.merged);
        let second = store.record(second, verdict("2"), slack_now()).await.unwrap();
        assert_eq!((second.new, second.count), (row.want_new, row.want_count), "{}", row.what);
        assert_eq!(second.id == first.id, !row.want_new, "{}", row.what);
        let it = get(&store, &first.id).await;
        let last_seen = if row.want_new { at(0) } else { at(row.seconds.max(0)) };
        assert_eq!(it.last_seen, last_seen, "{}", row.what);
        if second.shown && !row.want_new {
            assert_eq!((it.status, it.verdict), (Open, verdict("2")), "{}", row.what);
        } else {
            let same_process = row.pid == 13674;
            let words = if kinds::room(row.kind).brings_up_to_date(same_process) { "2" } else { "1" };
            assert_eq!((it.verdict, it.alerts.len()), (verdict(words), 1), "{}", row.what);
        }
    }
}

#[tokio::test]
async fn a_condition_that_lasts_is_one_occurrence_beside_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut id = String::new();
    for scan in 0..100 {
        for pid in [7, 8] {
            let mut case = case_by("a", pid, scan * 10);
            case.kind = IncidentKind::FdExhaustion;
            id = store.record(case, verdict("1"), slack_now()).await.unwrap().id;
        }
    }
    let it = get(&store, &id).await;
    assert_eq!((it.count, it.last_seen), (2, at(990)));
}

#[tokio::test]
async fn another_fingerprint_is_another_incident() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.record(case("a"), verdict("1"), slack_now()).await.unwrap();
    let second = store.record(case("b"), verdict("2"), slack_now()).await.unwrap();
    assert!(second.new && second.id > first.id);
}

#[tokio::test]
async fn a_rise_in_severity_alerts_again_and_shows_the_graver_case() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut mild = case("a");
    mild.severity = Severity::Warning;
    let id = store.record(mild.clone(), verdict("Mild."), slack_now()).await.unwrap().id;

    // While the first alert waits untried, it will do for both.
    let mut grave = case_by("a", 8, 10);
    grave.title = "Worse".into();
    grave.file.evidence.clear();
    let recorded = store.record(grave.clone(), verdict("Grave."), slack_now()).await.unwrap();
    assert!(recorded.escalated && !recorded.new);
    let it = get(&store, &id).await;
    assert_eq!((it.severity, it.title.as_str(), it.count), (Severity::Critical, "Worse", 2));
    assert_eq!((it.verdict.summary.as_str(), it.process.pid), ("Grave.", 8));
    assert_eq!((it.alerts.len(), it.evidence.len()), (1, 0));

    // Neither an equal nor a milder one changes anything but the count.
    for again in [case_by("a", 9, 20), mild] {
        let recorded = store.record(again, verdict("Again."), slack_now()).await.unwrap();
        assert!(!recorded.escalated);
    }
    let it = get(&store, &id).await;
    assert_eq!(
        (it.severity, it.alerts.len(), it.verdict.summary.as_str()),
        (Severity::Critical, 1, "Grave.")
    );

    // An alert that has been sent is not waiting: a rise needs its own.
    let mut mild = case("b");
    mild.severity = Severity::Warning;
    let id = store.record(mild, verdict("Mild."), slack_now()).await.unwrap().id;
    let due = store.due_alerts("slack", jiff::Timestamp::now(), 10).await.unwrap();
    let first = due.iter().find(|it| it.incident.id == id).unwrap().id;
    store.mark_sent(first, (crate::model::VerdictBy::Rules, None), at(1)).await.unwrap();
    store.record(case_by("b", 8, 10), verdict("Grave."), slack_now()).await.unwrap();
    let alerts = get(&store, &id).await.alerts;
    let statuses: Vec<_> = alerts.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [AlertStatus::Sent, AlertStatus::Pending]);
}

#[tokio::test]
async fn a_verdict_about_an_earlier_file_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut mild = case("a");
    mild.severity = Severity::Warning;
    let id = store.record(mild.clone(), verdict("Mild."), slack_now()).await.unwrap().id;
    store.record(case_by("a", 8, 10), verdict("Grave."), slack_now()).await.unwrap();
    assert!(!store.judge(&id, mild, verdict("Late."), slack_now()).await.unwrap());
    assert_eq!(get(&store, &id).await.verdict.summary, "Grave.");
    assert!(store.judge(&id, case_by("a", 8, 10), verdict("Right."), slack_now()).await.unwrap());
    let new = Verdict { note: Some("n".into()), ..verdict("By hand.") };
    store.set_verdict(&id, new.clone()).await.unwrap();
    assert_eq!(get(&store, &id).await.verdict, new);
    assert!(store.set_verdict("nobody", new).await.is_err());
}

#[tokio::test]
async fn pages_stay_the_same_while_incidents_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(store.record(case(&n.to_string()), verdict("1"), slack_now()).await.unwrap().id);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list(Filter { limit: 2, cursor, ..Filter::default() }).await.unwrap();
        seen.extend(page.incidents.into_iter().map(|it| it.id));
        store.record(case(&format!("in between {}", seen.len())), verdict("1"), slack_now()).await.unwrap();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(store.list(Filter::default()).await.unwrap().incidents.len(), 8);
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut crash = case_by("crash", 1, 100);
    crash.kind = IncidentKind::Crash;
    let crash = store.record(crash, verdict("1"), slack_now()).await.unwrap().id;
    let oom = store.record(case("oom"), verdict("1"), slack_now()).await.unwrap().id;
    set_status(&store, &oom, IncidentStatus::Resolved).await;
    let filter = Filter::default;
    for (filter, want) in [
        (filter(), vec![&oom, &crash]),
        (Filter { kind: Some(IncidentKind::Crash), ..filter() }, vec![&crash]),
        (Filter { status: Some(IncidentStatus::Resolved), ..filter() }, vec![&oom]),
        (Filter { status: Some(IncidentStatus::Acknowledged), ..filter() }, vec![]),
        (Filter { since: Some(at(100)), ..filter() }, vec![&crash]),
        (Filter { since: Some(at(101)), ..filter() }, vec![]),
        (Filter { limit: 1, ..filter() }, vec![&oom]),
        (Filter { limit: usize::MAX, ..filter() }, vec![&oom, &crash]),
        (Filter { cursor: Some("'; DROP TABLE incidents; --".into()), ..filter() }, vec![]),
    ] {
        let page = store.list(filter.clone()).await.unwrap();
        let ids: Vec<_> = page.incidents.iter().map(|it| &it.id).collect();
        assert_eq!(ids, want, "{filter:?}");
    }
}
