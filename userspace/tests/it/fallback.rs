//! Without the kernel's types the daemon works on with classic tracepoints, and says of each hook that it does.

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::faults::{Fault, Limited, Running};
use crate::requires::{no_kernel_events, report_skip, skip_if};

/// A daemon that finds an empty file where the kernel's types should be; or why there is no fallback here.
async fn without_types(data: &tempfile::TempDir) -> Result<Daemon, String> {
    let btf = data.path().join("btf");
    std::fs::write(&btf, "").unwrap();
    let daemon = Setup::new(data.path()).variable("AI_DEBUGGER_BTF_PATH", btf.to_string_lossy()).start();
    let status = daemon.get("/api/v1/status").await.unwrap();
    let reason = status["hooks"]["sched_process_exit"]["reason"].as_str().unwrap();
    // Where tracefs is neither mounted nor may be.
    if reason.contains("no fallback") || !reason.contains("fallback") {
        Err(reason.to_owned())
    } else {
        Ok(daemon)
    }
}

/// The record of its end, once there is one.
async fn ended(daemon: &Daemon, pid: u32, start_ticks: u64) -> Value {
    let path = format!("/api/v1/processes/{pid}-{start_ticks}");
    daemon
        .wait_until("record of an end", async || daemon.get(&path).await.filter(|it| it["exit"].is_object()))
        .await
}

/// Seen at its exec: under its real start time, with what /proc says of it.
async fn seen(daemon: &Daemon, fault: &Fault, running: Running, args: &[&str]) -> (Running, u64) {
    let start = running.start_ticks();
    let path = format!("/api/v1/processes/{}-{start}", running.pid());
    let view = daemon
        .wait_until("exec of the helper", async || {
            daemon.get(&path).await.filter(|it| it["exe"].as_str() == fault.path.to_str())
        })
        .await;
    let argv: Vec<&str> = view["argv"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(argv[1..], *args);
    assert_eq!(view["ppid"], std::process::id());
    (running, start)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn execs_and_ends_arrive_and_a_cause_that_nobody_saw_is_absent() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = match without_types(&data).await {
        Ok(daemon) => daemon,
        Err(reason) => return report_skip("execs_and_ends_arrive", &reason),
    };
    let (failing, killed, crashing) = (Fault::new(), Fault::new(), Fault::new());

    // A status is not known, neither 3 nor 0, and no ground for an incident.
    let args = ["wait-quick", "3"];
    let (mut running, start) = seen(&daemon, &failing, failing.start(&args), &args).await;
    let pid = running.pid();
    running.go();
    assert_eq!(running.wait().status.code(), Some(3));
    let view = ended(&daemon, pid, start).await;
    assert_eq!(view["exit"].get("cause"), None, "{view}");
    assert_eq!(view["exit"]["oom_killed"], false);
    for absent in ["cpu_ns", "peak_rss_bytes", "threads", "major_faults", "read_bytes"] {
        assert_eq!(view["exit"][absent], Value::Null, "{absent}");
    }

    // A signal is.
    let (running, start) = seen(&daemon, &killed, killed.start(&["sleep"]), &["sleep"]).await;
    let pid = running.pid();
    running.kill(rustix::process::Signal::KILL);
    running.wait();
    assert_eq!(ended(&daemon, pid, start).await["exit"]["cause"]["signal"], 9);

    let args = ["wait-segv"];
    let (mut running, start) = seen(&daemon, &crashing, crashing.start(&args), &args).await;
    running.go();
    let pid = running.wait().pid;
    let incident = daemon.wait_for_incident("crash", &crashing.name).await;
    assert_eq!(
        (&incident["process"]["pid"], &incident["process"]["start_ticks"]),
        (&pid.into(), &start.into())
    );
    assert_eq!(ended(&daemon, pid, start).await["exit"]["cause"]["signal"], 11);
    assert_eq!(daemon.incidents_of(&failing.name).await, Vec::<Value>::new());
    assert_eq!(daemon.incidents_of(&killed.name).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oom_kill_is_an_incident_and_every_hook_says_what_has_become_of_it() {
    skip_if!(no_kernel_events());
    let limited = match Limited::new(32 << 20) {
        Ok(limited) => limited,
        Err(reason) => return report_skip("an_oom_kill_is_an_incident", &reason),
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = match without_types(&data).await {
        Ok(daemon) => daemon,
        Err(reason) => return report_skip("an_oom_kill_is_an_incident", &reason),
    };
    let status = daemon.get("/api/v1/status").await.unwrap();
    for (hook, attached, part) in [
        ("sched_process_exec", true, "argv is read from /proc"),
        ("sched_process_exit", true, "exit status and resource use are not known"),
        ("mark_victim", true, "uses the fallback"),
        ("signal_generate", false, "not valid BTF"),
        ("sched_process_fork", true, "forks are not counted"),
    ] {
        let state = &status["hooks"][hook];
        assert_eq!(state["attached"], attached, "{hook}: {state}");
        let reason = state["reason"].as_str().unwrap();
        assert!(reason.contains(part) && reason.contains("not valid BTF"), "{hook}: {reason}");
    }
    let health = daemon.get("/healthz").await.unwrap();
    assert_eq!(health["status"], "degraded");
    let probes =
        health["degraded"].as_array().unwrap().iter().find(|it| it["component"] == "probes").unwrap();
    assert!(probes["remedy"].as_str().unwrap().contains("CONFIG_DEBUG_INFO_BTF"), "{probes}");

    let eater = Fault::new();
    let args = ["wait-eat"];
    let eating = eater.start_command(limited.command(&eater, &args));
    let (mut eating, start) = seen(&daemon, &eater, eating, &args).await;
    eating.go();
    let pid = eating.wait().pid;
    let incident = daemon.wait_for_incident("oom_kill", &eater.name).await;
    assert_eq!(
        (&incident["process"]["pid"], &incident["process"]["start_ticks"]),
        (&pid.into(), &start.into())
    );
    let exit = ended(&daemon, pid, start).await["exit"].clone();
    assert_eq!((&exit["cause"]["signal"], &exit["oom_killed"]), (&9.into(), &true.into()));
    // What was sent has come, here, too.
    assert_eq!(daemon.terminate().code(), Some(0));
}
