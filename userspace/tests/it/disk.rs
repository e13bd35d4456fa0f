//! The store's file in other hands: a full disk, a file that is deleted or cut, a daemon that is killed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Setup};
use crate::faults::Fault;
use crate::peers;
use crate::requires::{no_kernel_events, skip_if};

/// From the event to the message, whatever the disk does.
const DEADLINE: Duration = Duration::from_secs(10);

async fn is_told_in_time(slack: &peers::Running, fault: &Fault) -> String {
    fault.run(&["segv"]);
    let began = Instant::now();
    let message = slack.wait_for(&fault.name).await;
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    message.body.to_string()
}

async fn degraded(daemon: &Daemon) -> String {
    daemon.get("/api/v1/status").await.unwrap()["degraded"].to_string()
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_alerts_go_out_and_all_is_stored_when_there_is_room() {
    skip_if!(no_kernel_events());
    let slack = peers::slack(None).await;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).slack(slack.address).on_small_disk().start();
    // The daemon's own view of its folder.
    let inside = PathBuf::from(format!("/proc/{}/root{}", daemon.pid(), data.path().display()));
    assert!(inside.join("incidents.db").exists() && !data.path().join("incidents.db").exists());
    // Whoever fills the disk fills what the reserve leaves, too.
    fill(&inside.join("filler"));
    fs::remove_file(inside.join("reserve")).ok();
    fill(&inside.join("more"));
    let fault = Fault::new();
    let said = is_told_in_time(&slack, &fault).await;
    assert!(said.contains("Not stored yet"), "{said}");
    let incident = daemon.wait_for_incident("crash", &fault.name).await;
    let shown = degraded(&daemon).await;
    assert!(shown.contains("full") && shown.contains("memory"), "{shown}");
    fs::remove_file(inside.join("filler")).unwrap();
    fs::remove_file(inside.join("more")).unwrap();
    daemon
        .wait_until("the database in use again", async || {
            (!degraded(&daemon).await.contains("memory")).then_some(())
        })
        .await;
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&inside).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    drop(daemon);
    let again = Setup::new(copy.path()).start();
    let kept = again.incidents_of(&fault.name).await;
    assert_eq!((kept.len(), &kept[0]["id"]), (1, &incident["id"]));
    assert_eq!(kept[0]["alerts"][0]["status"], "sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_deleted_or_cut_costs_nothing_that_goes_on() {
    skip_if!(no_kernel_events());
    for cut in [false, true] {
        let slack = peers::slack(None).await;
        let data = tempfile::tempdir().unwrap();
        let daemon = Setup::new(data.path()).slack(slack.address).start();
        let (before, after) = (Fault::new(), Fault::new());
        is_told_in_time(&slack, &before).await;
        let file = data.path().join("incidents.db");
        if cut {
            OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        is_told_in_time(&slack, &after).await;
        daemon
            .wait_until("a word of it", async || {
                let shown = degraded(&daemon).await;
                (shown.contains("saved from") && shown.contains("new file")).then_some(())
            })
            .await;
        assert_eq!(daemon.terminate().code(), Some(0));
        let daemon = Setup::new(data.path()).start();
        for fault in [&before, &after] {
            assert_eq!(daemon.incidents_of(&fault.name).await.len(), 1, "cut: {cut}");
        }
        for fault in [&before, &after] {
            assert_eq!(slack.mentioning(&fault.name).len(), 1, "told once");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_killed_is_an_incident_of_the_next_and_one_that_ended_is_none() {
    let data = tempfile::tempdir().unwrap();
    let ended = Setup::new(data.path()).start();
    assert_eq!(ended.terminate().code(), Some(0));
    let killed = Setup::new(data.path()).start();
    assert!(killed.incidents_of("ai-debugger").await.is_empty());
    let pid = killed.pid();
    drop(killed);
    let next = Setup::new(data.path()).start();
    let incident = next.wait_for_incident("unclean_stop", "ai-debugger").await;
    assert_eq!(incident["process"]["pid"], pid);
    let fact = &incident["facts"][0]["data"];
    assert_eq!((&fact["type"], &fact["how"]), (&"monitor_ended".into(), &"unknown".into()));
}
