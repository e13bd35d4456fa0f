//! Signals: none ends the daemon out of order but SIGKILL, and SIGHUP puts in force what can change under way.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::daemon::{Daemon, Setup};
use crate::faults::Fault;
use crate::peers;
use crate::requires::{no_kernel_events, skip_if};

/// By their numbers of x86-64 and arm64 (signal(7)), the last three real-time ones.
const IGNORED: [&str; 12] =
    ["USR1", "USR2", "ALRM", "STKFLT", "XFSZ", "VTALRM", "PROF", "IO", "PWR", "34", "50", "64"];

fn send(daemon: &Daemon, signal: &str) {
    let kill = Command::new("/bin/kill").args([&format!("-{signal}"), &daemon.pid().to_string()]).status();
    assert!(kill.unwrap().success(), "{signal}");
}

async fn wait_for_line(daemon: &Daemon, log: &Path, line: &str) {
    daemon
        .wait_until(&format!("line in the log: {line}"), async || {
            fs::read_to_string(log).unwrap().contains(line).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stray_signal_ends_nothing_and_those_that_stop_do_it_in_order() {
    let data = tempfile::tempdir().unwrap();
    let log = data.path().join("log");
    let start = || Setup::new(data.path()).log(fs::File::create(&log).unwrap()).start();
    let daemon = start();
    for signal in IGNORED {
        send(&daemon, signal);
    }
    send(&daemon, "HUP");
    for said in [
        "SIGUSR1: ignored",
        "SIGPWR: ignored",
        "SIGRTMIN+0: ignored",
        "SIGRTMIN+30: ignored",
        "SIGHUP: reading",
    ] {
        wait_for_line(&daemon, &log, said).await;
    }
    assert!(daemon.get("/healthz").await.is_some(), "it lives");
    let mut daemon = daemon;
    for stops in ["QUIT", "XCPU", "INT", "TERM"] {
        send(&daemon, stops);
        assert!(daemon.wait().success(), "{stops}");
        assert!(!data.path().join("running").exists(), "{stops}");
        daemon = start();
    }
    let list = daemon.get("/api/v1/incidents?kind=unclean_stop").await.unwrap();
    assert!(list["incidents"].as_array().unwrap().is_empty(), "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_puts_receivers_in_force_and_names_what_takes_a_restart() {
    skip_if!(no_kernel_events());
    let slack = peers::slack(None).await;
    let data = tempfile::tempdir().unwrap();
    let (log, file) = (data.path().join("log"), data.path().join("ai-debugger.toml"));
    fs::write(&file, "").unwrap();
    let daemon = Setup::new(data.path())
        .variable("AI_DEBUGGER_CONFIG", file.to_str().unwrap())
        .log(fs::File::create(&log).unwrap())
        .start();
    let fault = Fault::new();
    fault.run(&["segv"]);
    daemon.wait_for_incident("crash", &fault.name).await;
    assert!(slack.mentioning(&fault.name).is_empty());

    let receiver = format!("slack_webhook_url = \"http://{}/services/T/B/X\"\n", slack.address);
    fs::write(&file, format!("{receiver}allowed_hosts = [\"other.example\"]\n")).unwrap();
    send(&daemon, "HUP");
    for said in ["alerts go to slack now", "--allowed-host has changed: that takes a restart"] {
        wait_for_line(&daemon, &log, said).await;
    }
    // What is open is told to who is new, and what comes later.
    slack.wait_for(&fault.name).await;
    let later = Fault::new();
    later.run(&["segv"]);
    slack.wait_for(&later.name).await;
    let degraded = |health: &serde_json::Value| health["degraded"].to_string();
    let health = daemon.get("/healthz").await.unwrap();
    assert!(!degraded(&health).contains("no receiver is configured"), "{health}");

    // What cannot be read changes nothing, and is said; what is mended is read.
    fs::write(&file, format!("{receiver}incident_quiet = \"never\"\nalert_min_severity = \"critical\"\n"))
        .unwrap();
    send(&daemon, "HUP");
    wait_for_line(&daemon, &log, "the configuration stays as it was: ").await;
    assert!(degraded(&daemon.get("/healthz").await.unwrap()).contains("configuration has errors"));
    fs::write(&file, format!("{receiver}alert_min_severity = \"critical\"\n")).unwrap();
    send(&daemon, "HUP");
    wait_for_line(&daemon, &log, "alerts begin with severity critical now").await;
    assert!(!degraded(&daemon.get("/healthz").await.unwrap()).contains("configuration has errors"));
    assert!(daemon.terminate().success());
}
