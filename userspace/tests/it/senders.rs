//! Who sent the signal that ended a process: by each way that the kernel has for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use ai_debugger::model::SignalWay;
use ai_debugger::observation::{FatalSignal, Observation};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::daemon::Setup;
use crate::faults::{Running, helpers};
use crate::kernel::{ProbeWatch, ROOMY};
use crate::requires::{no_kernel_events, skip_if};

/// The program, compiled once.
fn ending() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ending.c");
        let path = helpers().join(format!("ending-{}", std::process::id()));
        // Static: reading the C library's own debug information would be most of the work.
        let compiled = Command::new("cc")
            .args(["-g", "-O1", "-fno-omit-frame-pointer", "-static", "-pthread", "-o"])
            .arg(&path)
            .arg(&source)
            .status();
        assert!(compiled.expect("cc can be started").success());
        path
    })
}

/// The program under a name of its own, which goes with the folder.
fn named(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(helpers()).unwrap();
    let path = folder.path().join(name);
    fs::hard_link(ending(), &path).unwrap();
    (folder, path)
}

fn mode(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(arguments: &[&str]) -> Running {
    Running(mode(ending(), arguments).spawn().unwrap())
}

/// Starts one that waits to be ended, and waits until it ignores no signal any more.
fn start_waiting() -> Running {
    let victim = start(&["wait"]);
    let status = format!("/proc/{}/status", victim.pid());
    let ignores_none = || {
        let text = fs::read_to_string(&status).unwrap();
        let ignored = text.lines().find_map(|it| it.strip_prefix("SigIgn:"));
        // Signals 32 and 33 are the C library's own: it lets nobody change them (signal(7)).
        u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap() & !(0b11 << 31) == 0
    };
    while !ignores_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    victim
}

fn run(arguments: &[&str]) -> u32 {
    start(arguments).wait().pid
}

/// What a program of its own sends: its pid.
fn sent_by(program: &str, arguments: &[&str]) -> u32 {
    let mut child = Command::new(program).args(arguments).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    child.id()
}

/// The last signal that was generated for the process.
fn signal(seen: &[Observation], pid: u32) -> &FatalSignal {
    let mut signals = seen.iter().filter_map(|it| match it {
        Observation::Signal(signal) if signal.key.pid == pid => Some(&**signal),
        _ => None,
    });
    signals.next_back().unwrap_or_else(|| panic!("no signal for {pid}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_send_a_signal_is_told_apart() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let (sent, raised) = tokio::task::spawn_blocking(|| {
        let mut sent = Vec::new();
        for number in [9, 15, 10, 1, 40] {
            let victim = start_waiting();
            let pid = victim.pid().to_string();
            let by = sent_by("/bin/kill", &[&format!("-{number}"), &pid]);
            sent.push((victim.wait().pid, number, by, SignalWay::Kill));
        }
        let victim = start_waiting();
        let by = sent_by(ending().to_str().unwrap(), &["forge", &victim.pid().to_string(), "6"]);
        sent.push((victim.wait().pid, 6, by, SignalWay::Queue));
        let raised = [
            (run(&["raise", "15"]), 15, SignalWay::Itself),
            (run(&["raise", "9"]), 9, SignalWay::Itself),
            (run(&["timer"]), 6, SignalWay::Timer),
            (run(&["alarm"]), 14, SignalWay::Timer),
            (run(&["cpu-limit"]), 24, SignalWay::CpuLimit),
            (run(&["file-limit"]), 25, SignalWay::FileSizeLimit),
        ];
        (sent, raised)
    })
    .await
    .unwrap();
    let (seen, metrics) = watch.finish().await;
    assert_eq!(metrics.coverage.lost_total(), 0);
    for (pid, number, by, way) in sent {
        let it = signal(&seen, pid);
        assert_eq!((it.signal, it.way(), it.sender.key.pid), (number, way, by));
    }
    for (pid, number, way) in raised {
        let it = signal(&seen, pid);
        assert_eq!((it.signal, it.way()), (number, way), "{it:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_with_another_is_told_whose_end_it_was() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let ((parent, child), namespace) = tokio::task::spawn_blocking(|| {
        let parent = mode(ending(), &["with-parent"]).stdout(Stdio::piped()).spawn().unwrap();
        let pid = parent.id();
        let told = parent.wait_with_output().unwrap().stdout;
        let child: u32 = String::from_utf8(told).unwrap().trim().parse().unwrap();
        // A pid namespace whose first process ends while another is there.
        let script = r#""$1" wait & echo started"#;
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc", "/bin/sh", "-c", script, "sh"]).arg(ending());
        ((pid, child), unshare.output().is_ok_and(|it| it.status.success()))
    })
    .await
    .unwrap();
    let (seen, _) = watch.finish().await;
    let it = signal(&seen, child);
    assert_eq!((it.signal, it.way(), it.sender.key.pid), (9, SignalWay::ParentDeath, parent));
    if namespace {
        let ended = |it: &&FatalSignal| it.way() == SignalWay::NamespaceEnd;
        let signals = seen.iter().filter_map(|it| match it {
            Observation::Signal(signal) => Some(&**signal),
            _ => None,
        });
        assert!(signals.filter(ended).count() >= 1, "the namespace's end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_ended_by_it_makes_no_event() {
    skip_if!(no_kernel_events());
    let watch = ProbeWatch::start(ROOMY, 4096).await;
    let shells = tokio::task::spawn_blocking(|| {
        // Handled, ignored, of no effect, and a pipe that nobody reads.
        let script = r#"trap : TERM USR1; trap '' INT; kill -TERM $$; kill -USR1 $$; kill -INT $$; kill -WINCH $$; yes | head -1 >/dev/null"#;
        let mut child = Command::new("/bin/bash").args(["-c", script]).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        child.id()
    })
    .await
    .unwrap();
    let (seen, _) = watch.finish().await;
    let of_shell = seen.iter().filter(|it| match it {
        Observation::Signal(signal) => signal.key.pid == shells || signal.signal == 13,
        _ => false,
    });
    assert_eq!(of_shell.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_sends_its_signal_again_has_crashed_where_it_came_first() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    for (which, number, want) in [
        ("resend", 11, &["parse_order", "handle_request", "main"][..]),
        ("resend-elsewhere", 11, &["parse_order", "handle_request", "request"]),
        ("resend-abort", 6, &["abort", "main"]),
    ] {
        let name = format!("again{}{number}{}", std::process::id() % 10_000, which.len());
        let (_folder, path) = named(&name);
        let status = mode(&path, &[which]).status().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number), "{which}");
        let incident = daemon.wait_for_incident("crash", &name).await;
        let stack = daemon.stack_of(&name).await;
        let mut lines = stack.lines();
        assert!(want.iter().all(|want| lines.any(|it| it.contains(want))), "{which}: {stack}");
        if number == 11 {
            assert!(stack.lines().next().unwrap().contains("parse_order"), "{which}: {stack}");
            assert!(incident["facts"].to_string().contains("null_pointer"), "{which}: {}", incident["facts"]);
        }
        assert!(incident["facts"].to_string().contains("signal_again"), "{}", incident["facts"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sender_is_named_with_what_is_above_it() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let (_folder, path) = named(&format!("sent{}", std::process::id()));
    let supervisor = path.with_file_name("runsv");
    fs::hard_link(crate::faults::Fault::new().path, &supervisor).unwrap();
    let mut keeper =
        Running(mode(&supervisor, &["run", "0", path.to_str().unwrap(), "wait"]).spawn().unwrap());
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let list = format!("/api/v1/processes?limit=10&q={name}");
    let waiting = |list: Value| {
        let all = list["processes"].as_array()?.clone();
        // As the kernel reported its exec: the name is that of its file.
        all.iter().find(|it| it["name"] == name.as_str())?["pid"].as_u64()
    };
    let victim = daemon.wait_until("the process", async || waiting(daemon.get(&list).await?)).await;
    let shell =
        Command::new("/bin/bash").args(["-c", &format!("/bin/kill -9 {victim}; exit 0")]).spawn().unwrap();
    let shell_pid = shell.id();
    assert!(shell.wait_with_output().unwrap().status.success());
    keeper.0.wait().unwrap();
    let incident = daemon.wait_for_incident("abnormal_exit", &name).await;
    assert_eq!(incident["severity"], "warning", "nobody who looks after it");
    let sent = incident["facts"].as_array().unwrap().iter().find(|it| it["data"]["type"] == "signal_sent");
    let by = &sent.unwrap_or_else(|| panic!("{}", incident["facts"]))["data"]["by"];
    assert_eq!((&by["name"], &by["uid"]), (&"kill".into(), &rustix::process::getuid().as_raw().into()));
    assert!(by["command"].as_str().unwrap().ends_with(&format!("kill -9 {victim}")), "{by}");
    assert_eq!(
        (&by["above"][0]["name"], &by["above"][0]["pid"]),
        (&"bash".into(), &shell_pid.into()),
        "{by}"
    );
    let cause = incident["verdict"]["probable_cause"].as_str().unwrap();
    assert!(cause.contains("kill (pid") && cause.contains("on purpose"), "{cause}");

    // The one that no incident tells of, too.
    let asked = start_waiting();
    let pid = asked.pid();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::TERM).unwrap();
    asked.wait();
    let path = format!("/api/v1/processes/{pid}");
    let exit = daemon.wait_until("its end", async || {
        let process = daemon.get(&path).await?;
        process.get("exit").filter(|it| it.is_object()).cloned()
    });
    let exit = exit.await;
    let sender = &exit["signal"]["sender"];
    assert_eq!(
        (&exit["signal"]["way"], &sender["pid"]),
        (&"kill".into(), &std::process::id().into()),
        "{exit}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_only_passes_a_childs_on_is_no_incident_of_its_own() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = crate::faults::Fault::new();
    let supervisor = fault.path.with_file_name("runsv");
    fs::hard_link(&fault.path, &supervisor).unwrap();
    // The shell stays, for there is something after it.
    let script = r#""$1" segv; exit $?"#;
    let mut command =
        mode(&supervisor, &["run", "0", "/bin/sh", "-c", script, &format!("sh-of-{}", fault.name)]);
    assert!(command.arg(&fault.path).status().unwrap().success());
    daemon.wait_for_incident("crash", &fault.name).await;
    // A service of its own right, whose status is that of a child that nobody was told of.
    let script = r#""$1" quick 7; exit $?"#;
    let mut command =
        mode(&supervisor, &["run", "0", "/bin/sh", "-c", script, &format!("sh-to-{}", fault.name)]);
    assert!(command.arg(&fault.path).status().unwrap().success());
    let list = "/api/v1/incidents?limit=500";
    let find = |list: &Value, argument: &str| -> Option<Value> {
        let all = list["incidents"].as_array()?;
        all.iter()
            .find(|it| it["process"]["argv"].as_array().is_some_and(|it| it.iter().any(|it| it == argument)))
            .cloned()
    };
    let second = format!("sh-to-{}", fault.name);
    let told = daemon.wait_until("the incident", async || find(&daemon.get(list).await?, &second)).await;
    let id = told["id"].as_str().unwrap();
    let told = daemon.get(&format!("/api/v1/incidents/{id}")).await.unwrap();
    assert!(told["facts"].to_string().contains("child_ended"), "{}", told["facts"]);
    let cause = told["verdict"]["probable_cause"].as_str().unwrap();
    assert!(cause.contains(&fault.name) && cause.contains("exit status 7"), "{cause}");
    let all = daemon.get(list).await.unwrap();
    assert_eq!(find(&all, &format!("sh-of-{}", fault.name)), None, "the crash tells it");
}
