//! The HTTP contract of a real daemon, byte by byte: who may ask, what is never served, what seed clients get.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::daemon::{Daemon, KEY, SOON, Setup};
use crate::faults::Fault;
use crate::requires::{no_kernel_events, skip_if};

/// Sends the request line as it is; the status, the head and the body of the answer.
async fn raw(daemon: &Daemon, target: &[u8], key: Option<&str>) -> (u16, String, Vec<u8>) {
    let mut request = b"GET ".to_vec();
    request.extend_from_slice(target);
    request.extend_from_slice(
        format!(" HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", daemon.address).as_bytes(),
    );
    if let Some(key) = key {
        request.extend_from_slice(format!("Authorization: Bearer {key}\r\n").as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(daemon.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(SOON, exchange).await.expect("an answer");
    let split = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), answer[split + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_asked_for_and_dangerous_paths_are_refused_at_once() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let me = std::process::id();
    for (key, want) in [(None, 401), (Some("wrong"), 403), (Some(KEY), 200)] {
        assert_eq!(raw(&daemon, b"/proc", key).await.0, want, "{key:?}");
    }
    assert_eq!(raw(&daemon, format!("/proc?key={KEY}").as_bytes(), None).await.0, 200);
    assert_eq!(raw(&daemon, b"/proc?key=wrong", None).await.0, 403);
    assert_eq!(raw(&daemon, b"/healthz", None).await.0, 200);
    for (path, want) in [
        ("/proc//version", 400),
        ("/proc//kmsg", 400),
        ("/proc/../etc/shadow", 400),
        ("/proc/%2e%2e/etc/shadow", 400),
        ("/proc/..%2fetc%2fshadow", 400),
        ("/proc/99999999999999999999/status", 400),
        ("/proc/0/status", 400),
        ("/proc/self/status", 400),
        ("/proc/4294967295/status", 404),
        ("/proc/ME/mem", 403),
        ("/proc/ME/pagemap", 403),
        ("/proc/ME/root", 403),
        ("/proc/ME/exe", 403),
        ("/proc/ME/kmsg", 403),
        ("/proc/ME/nonsense", 404),
        ("/proc/ME/status", 200),
    ] {
        let path = path.replace("ME", &me.to_string());
        let (status, head, body) = raw(&daemon, path.as_bytes(), Some(KEY)).await;
        assert_eq!(status, want, "{path}: {head}");
        if want != 200 {
            let error: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{path}: not JSON"));
            assert!(error["error"].as_str().is_some_and(|it| !it.is_empty()), "{path}");
        }
    }
    for path in ["root/etc/shadow", "fd/0", "%2e%2e/%2e%2e/etc/shadow", "..", "cwd/x", "task/1/mem"] {
        let (status, ..) = raw(&daemon, format!("/proc/{me}/{path}").as_bytes(), Some(KEY)).await;
        assert!(matches!(status, 400 | 403 | 404), "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_in_force_after_sighup() {
    const NEW: &str = "another-key-9876543210";
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("given-key");
    let write = |key: &str| {
        std::fs::write(&file, key).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    write(KEY);
    let daemon = Setup::new(data.path()).key_file(&file).start();
    assert_eq!(raw(&daemon, b"/proc", Some(KEY)).await.0, 200);
    write(NEW);
    assert_eq!(raw(&daemon, b"/proc", Some(KEY)).await.0, 200, "nobody has told it");
    let pid = rustix::process::Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    daemon
        .wait_until("the new key", async || (raw(&daemon, b"/proc", Some(NEW)).await.0 == 200).then_some(()))
        .await;
    assert_eq!(raw(&daemon, b"/proc", Some(KEY)).await.0, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_utf_8_is_served_as_it_is_and_secrets_in_the_environment_are_not() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let argument = OsStr::from_bytes(b"\xff\xfe60");
    let mut child = Command::new("/bin/sleep")
        .arg0(argument)
        .arg("60")
        .env("PLANTED_TOKEN", "planted-secret-value")
        .spawn()
        .unwrap();
    let target = format!("/proc/{}/cmdline", child.id());
    // The kernel closes what tells the parent of the exec before it sets up argv.
    let (head, body) = daemon
        .wait_until("argv of the child", async || {
            let (status, head, body) = raw(&daemon, target.as_bytes(), Some(KEY)).await;
            (status == 200 && !body.is_empty()).then_some((head, body))
        })
        .await;
    let environ = raw(&daemon, format!("/proc/{}/environ", child.id()).as_bytes(), Some(KEY)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(&*body, b"\xff\xfe60\x0060\0");
    assert!(head.contains("content-type: text/plain"), "{head}");
    let environ = String::from_utf8(environ.2).unwrap();
    assert!(environ.contains("PLANTED_TOKEN") && !environ.contains("planted-secret-value"), "{environ}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_the_seed_find_what_they_know() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    let process = fault.start(&["sleep"]);
    let pid = process.pid();
    let pids = daemon.get("/proc").await.unwrap();
    assert!(pids["pids"].as_array().unwrap().contains(&json!(pid.to_string())));
    let files = daemon.get(&format!("/proc/{pid}")).await.unwrap();
    assert!(files["files"].as_array().unwrap().contains(&json!("status")));
    let status = daemon.get(&format!("/proc/{pid}/status")).await.unwrap();
    assert_eq!(status["Name"], fault.name);
    assert_eq!(status["Pid"], pid.to_string());
    let row = daemon
        .wait_until("row for the process", async || {
            let list = daemon.get("/").await?;
            list["processes"].as_array()?.iter().find(|it| it["pid"] == pid).cloned()
        })
        .await;
    assert_eq!(row["name"], fault.name);
    assert!(row["mem_kb"].is_u64() && (row["cpu"].is_number() || row["cpu"].is_null()), "{row}");
    for asked in [json!(pid), json!(pid.to_string())] {
        let (status, answer) = daemon.post("/analyze", &json!({"pid": asked})).await;
        assert_eq!((status, &answer["pid"], &answer["name"]), (200, &asked, &json!(fault.name)));
        let analysis = answer["analysis"].as_str().unwrap();
        assert!(analysis.starts_with("OK:"), "{analysis}");
        assert_eq!(answer["verdict"]["by"], "rules");
    }
    assert_eq!(daemon.post("/analyze", &json!({"pid": 4_294_967_295_u32})).await.0, 404);
    assert!(matches!(daemon.post("/analyze", &json!({"process": 1})).await.0, 400 | 422));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_are_listed_searched_and_kept_after_their_end() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    let process = fault.start(&["sleep"]);
    let (pid, start_ticks) = (process.pid(), process.start_ticks());
    let found = daemon
        .wait_until("process by its name", async || {
            let list = daemon.get(&format!("/api/v1/processes?q={}", fault.name)).await?;
            list["processes"].as_array()?.first().cloned()
        })
        .await;
    assert_eq!((&found["pid"], &found["start_ticks"]), (&json!(pid), &json!(start_ticks)));
    assert_eq!(found["argv"][1], "sleep");
    assert_eq!(found["ppid"], std::process::id());
    assert!(found["rss_bytes"].as_u64().unwrap() > 0);
    assert_eq!(daemon.get(&format!("/api/v1/processes/{pid}-{}", start_ticks + 1)).await, None);
    drop(process);
    let gone = daemon
        .wait_until("end of the process", async || {
            let list = daemon.get(&format!("/api/v1/processes?q={}", fault.name)).await?;
            list["processes"].as_array()?.is_empty().then_some(())?;
            daemon.get(&format!("/api/v1/processes/{pid}-{start_ticks}")).await
        })
        .await;
    assert_eq!(gone["argv"][1], "sleep");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_configured_is_said_and_is_no_failure() {
    for (no_llm, want) in [("false", &["analyst", "alerts"][..]), ("true", &["alerts"])] {
        let data = tempfile::tempdir().unwrap();
        let daemon = Setup::new(data.path()).variable("AI_DEBUGGER_NO_LLM", no_llm).start();
        // `get` takes nothing but a success: a probe must not restart what only lacks a key.
        let health = daemon
            .wait_until("word on the alerts", async || {
                let health = daemon.get("/healthz").await?;
                health["degraded"].as_array()?.iter().any(|it| it["component"] == "alerts").then_some(health)
            })
            .await;
        assert_eq!(health["status"], "degraded");
        let degraded = health["degraded"].as_array().unwrap();
        let analyst = degraded.iter().find(|it| it["component"] == "analyst");
        assert_eq!(analyst.is_some(), want.contains(&"analyst"), "{health}");
        if let Some(analyst) = analyst {
            assert!(analyst["remedy"].as_str().unwrap().contains("GROQ_API_KEY"), "{analyst}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_is_answered_before_the_daemon_ends() {
    // The daemon waits three seconds for a client. Where others keep this one off the CPU for as long, nothing can be
    // said of the daemon, and there is another try.
    for _ in 0..10 {
        if was_answered_while_ending().await {
            return;
        }
    }
    panic!("this machine let the client wait at each try");
}

/// `false`: the client itself was late.
async fn was_answered_while_ending() -> bool {
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let address = daemon.address;
    let body = json!({"pid": std::process::id()}).to_string();
    let head = format!(
        "POST /analyze HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 12];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100", "the request is under way");
    let told = Instant::now();
    let ending = tokio::task::spawn_blocking(move || daemon.terminate());
    timeout(SOON, async { while TcpStream::connect(address).await.is_ok() {} })
        .await
        .expect("no new connections");
    // Longer than all else takes to end.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let written = stream.write_all(body.as_bytes()).await;
    let was_late = told.elapsed() > Duration::from_millis(2500);
    let mut answer = String::new();
    let read = timeout(SOON, stream.read_to_string(&mut answer)).await.expect("an answer or an end");
    let status = ending.await.unwrap();
    if was_late {
        return false;
    }
    written.and(read.map(drop)).unwrap();
    assert!(answer.contains("HTTP/1.1 200") && answer.contains("\"analysis\""), "{answer}");
    assert_eq!(status.code(), Some(0));
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_metrics_tell_what_is_attached_and_what_was_lost() {
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let status = daemon.get("/api/v1/status").await.unwrap();
    for hook in ["sched_process_exec", "sched_process_exit", "mark_victim"] {
        assert!(status["hooks"][hook]["attached"].is_boolean(), "{hook}: {status}");
    }
    assert!(status["losses"].is_array() && status["losses_total"].is_u64(), "{status}");
    let metrics = daemon.get("/metrics").await.unwrap();
    assert!(metrics.as_str().unwrap().contains("ai_debugger_scans_total"));
    daemon
        .wait_until("readiness", async || (raw(&daemon, b"/readyz", None).await.0 == 200).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watcher_is_served_before_what_it_watches_and_killed_after_it() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let process = std::path::Path::new("/proc").join(daemon.pid().to_string());
    // capabilities(7): CAP_SYS_NICE, CAP_SYS_RESOURCE.
    let (may_nice, may_adjust) = (has_capability(23), has_capability(24));
    // An operator's own choice stays; ours is inherited.
    let given = rustix::process::getpriority_process(None).unwrap();
    let want = if given == 0 && may_nice { -10 } else { given }.to_string();
    for thread in std::fs::read_dir(process.join("task")).unwrap() {
        let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
        // After the name come state, ppid, …; nice is field 19 of proc_pid_stat(5).
        let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16);
        assert_eq!(nice, Some(want.as_str()), "{stat}");
    }
    let adjusted = std::fs::read_to_string(process.join("oom_score_adj")).unwrap();
    let given = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(adjusted.trim(), if given.trim() == "0" && may_adjust { "-900" } else { given.trim() });
}

fn has_capability(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    u64::from_str_radix(effective, 16).unwrap() >> number & 1 == 1
}
