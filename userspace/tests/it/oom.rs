//! OOM kills with the kernel's own report: one line says who was killed, who had grown, and whose limit it was.

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::faults::{Fault, Limited, Running};
use crate::requires::{no_kernel_events, report_skip, skip_if};

/// What the tests' cgroups may use.
const LIMIT_BYTES: u64 = 32 << 20;

/// Why the kernel's log cannot be had here; `None` where it can.
fn no_kernel_log() -> Option<String> {
    std::fs::File::open("/dev/kmsg").err().map(|error| format!("/dev/kmsg cannot be read: {error}"))
}

/// A process of the cgroup, once scans of /proc have seen that it holds at least this much: only they remember,
/// and only the second one can tell of CPU use.
async fn measured(daemon: &Daemon, running: Running, at_least_bytes: u64) -> Running {
    let path = format!("/api/v1/processes/{}-{}", running.pid(), running.start_ticks());
    daemon
        .wait_until("process that holds its memory", async || {
            let view = daemon.get(&path).await?;
            (view["rss_bytes"].as_u64()? > at_least_bytes && view["cpu_percent"].is_number()).then_some(())
        })
        .await;
    running
}

fn texts(incident: &Value, source: &str) -> Vec<String> {
    let facts = incident["facts"].as_array().unwrap().iter();
    facts.filter(|it| it["source"] == source).map(|it| it["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_victim_that_grew_itself_is_told_with_its_limit_and_a_plain_kill_9_is_nothing() {
    skip_if!(no_kernel_events().or_else(no_kernel_log));
    let limited = match Limited::new(LIMIT_BYTES) {
        Ok(limited) => limited,
        Err(reason) => return report_skip("a_victim_that_grew_itself", &reason),
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().start();
    let (small, killed, eater) = (Fault::new(), Fault::new(), Fault::new());
    let hold = |fault: &Fault| fault.start_command(limited.command(fault, &["hold", "4"]));
    let _small = measured(&daemon, hold(&small), 4 << 20).await;
    let plain = measured(&daemon, hold(&killed), 4 << 20).await;
    plain.kill(rustix::process::Signal::KILL);
    plain.wait();
    let eating = eater.start_command(limited.command(&eater, &["wait-eat"]));
    let mut eating = measured(&daemon, eating, 0).await;
    eating.go();
    let pid = eating.wait().pid;

    let incident = daemon.wait_for_incident("oom_kill", &eater.name).await;
    let summary = incident["findings"][0]["summary"].as_str().unwrap();
    let (path, name) = (&limited.path, &eater.name);
    for part in [
        format!("The OOM killer ended {name}, which held "),
        format!(
            "memory cgroup {path} was at its memory limit of 32.0 MiB, {name} itself was the largest task"
        ),
        "and its own allocation triggered it.".to_owned(),
    ] {
        assert!(summary.contains(&part), "{part} is not in {summary}");
    }
    let facts = texts(&incident, "kernel:kmsg");
    assert!(facts.iter().any(|it| it.contains("resident (") && it.contains("anonymous")), "{facts:?}");
    let ranking = format!("the largest of the 2 tasks in the report: {name} (pid {pid})");
    assert!(facts.iter().any(|it| it.starts_with(&ranking) && it.contains(&small.name)), "{facts:?}");
    let grew = texts(&incident, "scan");
    assert!(grew.iter().any(|it| it.starts_with(&format!("{name} (pid {pid}) held "))), "{grew:?}");
    let verdict = &incident["verdict"];
    let cause = verdict["probable_cause"].as_str().unwrap();
    assert!(cause.contains(&format!("Cgroup {path} had used up its memory limit of 32 MiB")), "{cause}");
    assert!(verdict["evidence"].as_array().unwrap().len() >= 4, "{verdict}");

    let id = incident["id"].as_str().unwrap();
    let report = daemon.get(&format!("/api/v1/incidents/{id}/evidence/oom-report.txt")).await.unwrap();
    let report = report.as_str().unwrap();
    for part in
        [&format!("oom_memcg={path},"), &format!("Killed process {pid} ({name})"), "invoked oom-killer"]
    {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    assert_eq!(daemon.incidents_of(&killed.name).await, Vec::<Value>::new(), "a plain kill -9");
    assert_eq!(daemon.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_victim_of_a_neighbour_is_told_with_the_neighbour() {
    skip_if!(no_kernel_events().or_else(no_kernel_log));
    let limited = match Limited::new(LIMIT_BYTES) {
        Ok(limited) => limited,
        Err(reason) => return report_skip("a_victim_of_a_neighbour", &reason),
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).scanning().start();
    let (small, eater) = (Fault::new(), Fault::new());
    let victim = small.start_command(limited.command(&small, &["hold", "4"]));
    let victim = measured(&daemon, victim, 4 << 20).await;
    std::fs::write(format!("/proc/{}/oom_score_adj", victim.pid()), "1000").unwrap();
    let eating = eater.start_command(limited.command(&eater, &["wait-eat"]));
    let mut eating = measured(&daemon, eating, 0).await;
    eating.go();
    let pid = victim.wait().pid;
    let neighbour = format!("{} (pid {})", eater.name, eating.wait().pid);

    let incident = daemon.wait_for_incident("oom_kill", &small.name).await;
    assert_eq!(incident["process"]["pid"], pid);
    let summary = incident["findings"][0]["summary"].as_str().unwrap();
    for part in [
        format!("memory cgroup {} was at its memory limit of 32.0 MiB, ", limited.path),
        format!("the largest task was {neighbour} with 2"),
        format!(" before) and an allocation of {neighbour} triggered it."),
    ] {
        assert!(summary.contains(&part), "{part} is not in {summary}");
    }
    let facts = texts(&incident, "kernel:kmsg");
    assert!(facts.iter().any(|it| it.ends_with("its oom_score_adj was 1000")), "{facts:?}");
    let cause = incident["verdict"]["probable_cause"].as_str().unwrap();
    for part in [&format!("Its neighbour {neighbour}") as &str, "had most of it", "the victim, not the cause"]
    {
        assert!(cause.contains(part), "{part} is not in {cause}");
    }
    // Without its neighbour the eater came to the limit alone.
    let own = daemon.wait_for_incident("oom_kill", &eater.name).await;
    assert!(own["verdict"]["probable_cause"].as_str().unwrap().contains("as the only task"), "{own}");
}
