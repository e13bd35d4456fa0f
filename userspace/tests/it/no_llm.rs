//! `--no-llm`: not one connection to the model, beside the same run without it, which makes one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::daemon::Setup;
use crate::faults::Fault;
use crate::requires::{no_kernel_events, skip_if};

/// Where the model should be; whoever connects stays in its backlog.
fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback address is free");
    listener.set_nonblocking(true).unwrap();
    listener
}

/// A model that knows no key: with it, nobody has to wait for a deadline.
struct Refusal {
    address: SocketAddr,
    done: Arc<AtomicBool>,
    thread: JoinHandle<bool>,
}

impl Refusal {
    fn start() -> Self {
        let (listener, done) = (listener(), Arc::new(AtomicBool::new(false)));
        let (address, all_came) = (listener.local_addr().unwrap(), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            loop {
                // Asked first: who has come by then is still seen.
                let last = all_came.load(Ordering::SeqCst);
                match listener.accept() {
                    Ok((mut connection, _)) => {
                        connection.set_nonblocking(false).unwrap();
                        let mut request = [0; 4096];
                        assert!(connection.read(&mut request).unwrap() > 0);
                        connection.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").unwrap();
                        return true;
                    }
                    Err(_) if last => return false,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self { address, done, thread }
    }

    fn was_asked(self) -> bool {
        self.done.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

#[test]
fn analyze_sends_no_byte() {
    let fault = Fault::new();
    let process = fault.start(&["sleep"]);
    let pid = process.pid().to_string();
    for (args, connects) in [(&["--no-llm"][..], false), (&["--prompt"], false), (&[], true)] {
        let model = Refusal::start();
        let output = Command::new(env!("CARGO_BIN_EXE_ai-debugger"))
            .args(["analyze", &pid])
            .args(args)
            .env_clear()
            .env("GROQ_API_KEY", "gsk_integration_tests_only")
            .env("AI_DEBUGGER_LLM_DEADLINE", "1m")
            .env("AI_DEBUGGER_LLM_BASE_URL", format!("http://{}/v1", model.address))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(&fault.name), "{args:?}: {said}");
        assert_eq!(model.was_asked(), connects, "{args:?}");
        if args == ["--prompt"] {
            assert!(said.contains("<<<UNTRUSTED DATA") && said.contains("nothing was sent"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_sends_no_byte() {
    skip_if!(no_kernel_events());
    let model = listener();
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path())
        .variable("AI_DEBUGGER_NO_LLM", "true")
        .model(model.local_addr().unwrap())
        .start();
    let fault = Fault::new();
    fault.run(&["segv", "--password", "hunter2-in-argv"]);
    let incident = daemon.wait_for_incident("crash", &fault.name).await;
    assert_eq!(incident["verdict"]["by"], "rules");
    let id = incident["id"].as_str().unwrap();
    let prompt = daemon.get(&format!("/api/v1/incidents/{id}/prompt")).await.unwrap();
    assert_eq!((&prompt["answered"], prompt.get("request")), (&serde_json::json!(false), None));
    assert!(prompt["user"].as_str().unwrap().contains("[redacted 15 chars]"), "{prompt}");
    let (status, asked) =
        daemon.post("/analyze", &serde_json::json!({"pid": std::process::id(), "prompt": true})).await;
    assert_eq!(status, 200, "{asked}");
    assert!(asked["user"].as_str().unwrap().contains("UNTRUSTED DATA"), "{asked}");
    daemon.terminate();
    assert!(model.accept().is_err(), "nobody connected");
}
