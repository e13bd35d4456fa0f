//! The command line of the real binary: exit codes, and what a person or a program reads.

use std::path::Path;
use std::process::{Command, Output};

use crate::daemon::{KEY, Setup};
use crate::faults::Fault;
use crate::requires::{no_kernel_events, skip_if};

fn ask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ai-debugger")).args(args).env_clear().output().expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_use_is_exit_2_and_says_everything_that_is_wrong() {
    let bad = ask(&["run", "--listen", "nowhere", "--scan-interval", "soon"]);
    assert_eq!(bad.status.code(), Some(2));
    let said = stderr(&bad);
    assert!(said.contains("listen") && said.contains("scan-interval"), "{said}");
    assert_eq!(ask(&["fly"]).status.code(), Some(2));
    assert_eq!(ask(&["--help"]).status.code(), Some(0));
    assert_eq!(ask(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_daemon_that_is_not_there_is_exit_1_and_says_how_to_start_it() {
    let output = ask(&["ps", "--url", "http://127.0.0.1:9", "--key", KEY]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("ai-debugger run"), "{}", stderr(&output));
}

#[test]
fn a_process_is_analysed_without_a_daemon() {
    let fault = Fault::new();
    let process = fault.start(&["sleep"]);
    let pid = process.pid().to_string();
    let output = ask(&["analyze", &pid]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(&fault.name), "{}", stdout(&output));
    let json: serde_json::Value = serde_json::from_slice(&ask(&["analyze", &pid, "--json"]).stdout).unwrap();
    assert_eq!(json["verdict"]["by"], "rules", "{json}");
    let gone = ask(&["analyze", "4194999"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("4194999"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ps_and_incidents_show_what_the_daemon_knows() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    fault.run(&["segv"]);
    let incident = daemon.wait_for_incident("crash", &fault.name).await;
    let url = format!("http://{}", daemon.address);
    let connection = ["--url", &url, "--key", KEY];
    let list = stdout(&ask(&[&["incidents"], &connection[..]].concat()));
    let id = incident["id"].as_str().unwrap();
    assert!(list.contains(id) && list.contains("crash"), "{list}");
    let one = stdout(&ask(&[&["incidents", id], &connection[..]].concat()));
    assert!(one.contains("SIGSEGV") && one.contains(&fault.name), "{one}");
    let table = stdout(&ask(&[&["ps"], &connection[..]].concat()));
    assert!(table.lines().count() > 1 && table.contains("PID"), "{table}");
    let wrong = ask(&["ps", "--url", &url, "--key", "wrong"]);
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn the_doctor_says_whether_the_main_job_can_run() {
    let data = tempfile::tempdir().unwrap();
    let output = ask(&["doctor", "--data-dir", data.path().to_str().unwrap()]);
    let said = stdout(&output);
    for line in ["BTF", "sched_process_exec", "mark_victim", "CAP_BPF", "cgroup"] {
        assert!(said.contains(line), "{line} is missing in\n{said}");
    }
    let can_run = no_kernel_events().is_none() && Path::new("/proc/self/stat").exists();
    assert_eq!(output.status.code(), Some(i32::from(!can_run)), "{said}");
}
