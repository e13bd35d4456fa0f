//! Secrets in a process's arguments: in no byte that is stored, served, logged or sent, unless the operator says so.

use std::fs;
use std::path::Path;

use crate::daemon::{Daemon, Setup};
use crate::faults::Fault;
use crate::peers::{self, Mood};
use crate::requires::{no_kernel_events, skip_if};

/// A process that crashes with this secret among its arguments.
fn crash(fault: &Fault, secret: &str) -> u32 {
    let url = format!("postgres://bob:{secret}@db/x");
    fault.run(&["segv", "--password", secret, &url, "--harmless"]).pid
}

/// Everything the daemon serves of the incident and its process.
async fn served(daemon: &Daemon, id: &str, pid: u32) -> String {
    let path = format!("/api/v1/incidents/{id}");
    let incident = daemon.get(&path).await.unwrap();
    let mut all = format!("{incident}{}", daemon.get("/api/v1/incidents").await.unwrap());
    for file in incident["evidence"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        all += &daemon.get(&format!("{path}/evidence/{name}")).await.unwrap().to_string();
    }
    for path in [format!("/api/v1/processes/{pid}"), "/api/v1/processes?limit=10000".into(), "/".into()] {
        all += &daemon.get(&path).await.unwrap().to_string();
    }
    all
}

/// Every byte in the data folder.
fn stored(dir: &Path) -> Vec<u8> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| fs::read(path).unwrap()).collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|it| it == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_nowhere() {
    skip_if!(no_kernel_events());
    check(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_switch_they_are_only_here() {
    skip_if!(no_kernel_events());
    check(true).await;
}

async fn check(show: bool) {
    let (model, slack) = (peers::model(Mood::Answers, "").await, peers::slack(None).await);
    let (data, log) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let daemon = Setup::new(data.path())
        .variable("AI_DEBUGGER_SHOW_SECRETS", show.to_string())
        .model(model.address)
        .slack(slack.address)
        .log(fs::File::create(log.path()).unwrap())
        .start();
    let fault = Fault::new();
    // Of this test alone: what else is on the host has arguments, too.
    let secret = &format!("hunter2-{}", fault.name);
    let mask = &format!("[redacted {} chars]", secret.len());
    let pid = crash(&fault, secret);
    let incident = daemon.wait_for_incident("crash", &fault.name).await;
    let message = slack.wait_for(&fault.name).await.body.to_string();
    let question = model.wait_for(&fault.name).await.body.to_string();
    for sent in [&message, &question] {
        assert!(!sent.contains(secret) && sent.contains(mask), "{sent}");
    }
    let path = format!("/api/v1/incidents/{}/prompt", incident["id"].as_str().unwrap());
    let shown = daemon
        .wait_until("the model's answer", async || {
            daemon.get(&path).await.filter(|it| it["answered"] == true)
        })
        .await;
    assert_eq!(shown["request"].to_string(), question, "what went, field for field");
    assert!(shown["masked"].as_object().is_some_and(|masked| !masked.is_empty()), "{shown}");
    let all = served(&daemon, incident["id"].as_str().unwrap(), pid).await;
    assert_eq!(all.contains(secret), show, "{all}");
    assert!(all.contains("--harmless"), "{all}");
    let bytes = stored(data.path());
    assert!(holds(&bytes, &fault.name) && holds(&bytes, "--harmless"));
    assert_eq!(holds(&bytes, secret), show, "in the data folder");
    let logged = fs::read(log.path()).unwrap();
    assert!(holds(&logged, &fault.name) && !holds(&logged, secret), "the log names it, and no secret");
    let status = daemon.get("/api/v1/status").await.unwrap();
    assert_eq!(status["secrets"], if show { "shown" } else { "masked" });
    assert_eq!(incident["completeness"]["masked"].is_null(), show, "{incident}");
}
