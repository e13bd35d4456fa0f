//! What becomes of the store when its file is cut, deleted or can't be written while it runs.

use std::fs::{self, OpenOptions};
use std::path::Path;

use super::*;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::store::sample::open_reporting;

const DB: &str = "incidents.db";

async fn names(store: &Store) -> String {
    let all = store.list(Filter::default()).await.unwrap().incidents;
    all.into_iter().map(|it| it.fingerprint).collect::<Vec<_>>().join("")
}

async fn due(store: &Store) -> String {
    let all = store.due_alerts("slack", jiff::Timestamp::now(), 9).await.unwrap();
    all.into_iter().map(|it| it.incident.fingerprint).collect::<Vec<_>>().join("")
}

/// Each way, and whether what was resolved is there afterwards.
#[tokio::test]
async fn what_goes_on_is_saved_to_a_new_file_and_alerts_go_out() {
    let cut = |dir: &Path, name: &str, to: u64| {
        OpenOptions::new().write(true).open(dir.join(name)).unwrap().set_len(to).unwrap();
    };
    type Harm<'a> = &'a dyn Fn(&Path);
    let harms: [(&str, Harm<'_>, bool); 5] = [
        ("cut to nothing", &|dir| cut(dir, DB, 0), false),
        ("cut in the middle", &|dir| cut(dir, DB, fs::metadata(dir.join(DB)).unwrap().len() / 2), false),
        ("deleted", &|dir| fs::remove_file(dir.join(DB)).unwrap(), true),
        (
            "all deleted",
            &|dir| {
                for name in ["incidents.db", "incidents.db-wal", "incidents.db-shm"] {
                    fs::remove_file(dir.join(name)).unwrap();
                }
            },
            true,
        ),
        (
            "replaced",
            &|dir| {
                fs::rename(dir.join(DB), dir.join("elsewhere")).unwrap();
                fs::write(dir.join(DB), "nonsense").unwrap();
            },
            true,
        ),
    ];
    for (what, harm, all_of_it) in harms {
        let dir = tempfile::tempdir().unwrap();
        let (metrics, health) = (Metrics::new(), Health::default());
        // Written to the main file, as after a while.
        let store = open_reporting(dir.path(), &metrics, &health);
        let over = store.record(case("o"), verdict("o"), AlertPlan::default()).await.unwrap().id;
        set_status(&store, &over, IncidentStatus::Resolved).await;
        let a = store.record(case("a"), verdict("a"), slack_now()).await.unwrap().id;
        drop(store);
        let store = open_reporting(dir.path(), &metrics, &health);
        store.record(case("b"), verdict("b"), slack_now()).await.unwrap();
        harm(dir.path());
        store.record(case("c"), verdict("c"), slack_now()).await.unwrap();
        assert!(store.is_in_memory(), "{what}");
        let shown = health.degraded().remove(0);
        assert!(shown.component == "store" && shown.reason.contains("kept in memory"), "{what}: {shown:?}");
        assert_eq!(due(&store).await, "abc", "{what}");
        let alert = store.begin("slack", jiff::Timestamp::now(), 1).await.unwrap().remove(0);
        assert!(alert.unstored && alert.incident.id == a, "{what}");
        store.mark_sent(alert.id, (crate::model::VerdictBy::Rules, None), at(9)).await.unwrap();

        store.tend().await.unwrap();
        assert!(!store.is_in_memory(), "{what}");
        let shown = health.degraded().remove(0);
        assert!(shown.reason.contains("3 incidents were saved"), "{what}: {shown:?}");
        store.record(case("d"), verdict("d"), slack_now()).await.unwrap();
        drop(store);
        let store = open(dir.path());
        assert_eq!(store.recovered_from(), None, "{what}: the new file is whole");
        let names = names(&store).await;
        assert!(names == "dcbao" || (!all_of_it && names == "dcba"), "{what}: {names}");
        assert_eq!(due(&store).await, "bcd", "{what}: what was told is told once");
    }
}

#[tokio::test]
async fn a_file_that_is_cut_is_noticed_with_nothing_going_on() {
    let dir = tempfile::tempdir().unwrap();
    let (metrics, health) = (Metrics::new(), Health::default());
    let store = open_reporting(dir.path(), &metrics, &health);
    store.record(case("a"), verdict("a"), slack_now()).await.unwrap();
    store.tend().await.unwrap();
    assert!(health.degraded().is_empty());
    OpenOptions::new().write(true).open(dir.path().join(DB)).unwrap().set_len(0).unwrap();
    store.tend().await.unwrap();
    let shown = health.degraded().remove(0);
    assert!(
        shown.reason.contains("1 incidents were saved") && shown.reason.contains("corrupt-"),
        "{shown:?}"
    );
    assert_eq!((names(&store).await.as_str(), due(&store).await.as_str()), ("a", "a"));
}

#[tokio::test]
async fn on_a_full_disk_all_goes_on_in_memory_and_comes_back_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (metrics, health) = (Metrics::new(), Health::default());
    let store = open_reporting(dir.path(), &metrics, &health);
    let a = store.record(case("a"), verdict("a"), slack_now()).await.unwrap().id;
    set_status(&store, &a, IncidentStatus::Acknowledged).await;
    let over = store.record(case("o"), verdict("o"), AlertPlan::default()).await.unwrap().id;
    set_status(&store, &over, IncidentStatus::Resolved).await;
    store.limit_pages(1);
    for number in 0..40 {
        let mut big = case(&format!("{number:02}"));
        big.file.evidence[0].body = vec![7; 100_000];
        store.record(big, verdict("big"), slack_now()).await.unwrap();
    }
    assert!(store.is_in_memory() && !dir.path().join("reserve").exists());
    let shown = health.degraded();
    assert!(shown.iter().any(|it| it.component == "store" && it.reason.contains("is full")), "{shown:?}");
    // The known one is known there, and so is what is only in the file.
    let again = store.record(case_by("a", 9, 9), verdict("a"), slack_now()).await.unwrap();
    assert_eq!((again.id.as_str(), again.new, again.count), (a.as_str(), false, 2));
    assert!(store.get(&over).await.unwrap().is_some());
    assert!(names(&store).await.ends_with("oa"));
    store.tend().await.unwrap();
    assert!(store.is_in_memory(), "it is still full");
    store.limit_pages(1_000_000);
    store.tend().await.unwrap();
    assert!(!store.is_in_memory() && health.degraded().iter().all(|it| it.component != "store"));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.list(Filter { limit: 99, ..Filter::default() }).await.unwrap().incidents.len(), 42);
    let it = get(&store, &a).await;
    assert_eq!((it.count, it.status, it.evidence.len()), (2, IncidentStatus::Acknowledged, 1));
    assert_eq!(store.due_alerts("slack", jiff::Timestamp::now(), 99).await.unwrap().len(), 41);
}

#[tokio::test]
async fn what_was_told_before_is_not_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c"] {
        store.record(case(name), verdict(name), slack_now()).await.unwrap();
    }
    let sent = store.begin("slack", jiff::Timestamp::now(), 1).await.unwrap().remove(0);
    store.mark_sent(sent.id, (crate::model::VerdictBy::Rules, None), at(1)).await.unwrap();
    // Over, and nobody waits for it: it is in the file alone.
    let over = store.list(Filter::default()).await.unwrap().incidents.remove(0);
    let waits = store.due_alerts("slack", jiff::Timestamp::now(), 9).await.unwrap();
    let its = waits.iter().find(|it| it.incident.id == over.id).unwrap().id;
    set_status(&store, &over.id, IncidentStatus::Resolved).await;
    store.mark_sent(its, (crate::model::VerdictBy::Rules, None), at(2)).await.unwrap();
    OpenOptions::new().write(true).open(dir.path().join(DB)).unwrap().set_len(0).unwrap();
    store.tend().await.unwrap();
    assert_eq!((due(&store).await.as_str(), names(&store).await.contains('a')), ("b", true));
}
