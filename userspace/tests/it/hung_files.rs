//! Crashes of programs on file systems that hang: nobody of the daemon's threads enters those, and what of its helpers
//! does is left behind. It goes on, says why there are no names, and ends when it is told to.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::daemon::{Daemon, SOON, Setup};
use crate::requires::{no_kernel_events, skip_if};

/// Crashes when it gets SIGUSR2, two calls below its handler.
const SOURCE: &str = "#include <signal.h>\n\
    #include <unistd.h>\n\
    int *volatile nowhere = (int *)8;\n\
    void inner(void) { *nowhere = 1; }\n\
    void outer(void) { inner(); }\n\
    void on_signal(int number) { (void)number; outer(); }\n\
    int main(void) { signal(SIGUSR2, on_signal); for (;;) pause(); }\n";
/// From a signal to the end of the daemon: the operator's promise, and what the kernel needs for SIGKILL.
const TERMINATED: Duration = Duration::from_secs(5);
const KILLED: Duration = Duration::from_secs(1);

/// A mount namespace with a file system that hangs when it is told to, and programs that run from it.
struct Container {
    root: Child,
    server: u32,
    folder: tempfile::TempDir,
}

impl Container {
    fn start(names: &[String]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["mnt", "low", "merged"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
        // Its own name, so that it is told from those of tests beside this one.
        let server_name = format!("hang{}", std::process::id() % 100_000);
        let server = folder.path().join(&server_name);
        compile(&sources.join("hang.c"), &server, &[]);
        let program = program(folder.path(), "program");
        let mut root = Command::new("unshare")
            .args(["-m", "-p", "-f", "--kill-child", "--propagation", "private", "/bin/sh"])
            .arg(sources.join("hang.sh"))
            .arg(&server)
            .arg(folder.path())
            .arg(&program)
            .args(names)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(root.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let server = wait_for_process(&server_name);
        Self { root, server, folder }
    }

    fn hang(&self) {
        signal(self.server, Signal::USR1);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The server's end aborts its file system: whoever waits for it is let go.
        signal(self.server, Signal::KILL);
        self.root.kill().ok();
        self.root.wait().ok();
    }
}

fn compile(source: &Path, program: &Path, flags: &[&str]) {
    let status = Command::new("cc").args(flags).arg("-o").arg(program).arg(source).status();
    assert!(status.unwrap().success(), "{}", source.display());
}

fn program(folder: &Path, name: &str) -> PathBuf {
    let source = folder.join("program.c");
    fs::write(&source, SOURCE).unwrap();
    let program = folder.join(name);
    compile(&source, &program, &["-g", "-O0", "-static"]);
    program
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).ok();
}

/// The process of this name that runs its own program, not its parent's any more.
fn wait_for_process(name: &str) -> u32 {
    let deadline = Instant::now() + SOON;
    loop {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = all.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
        let runs =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it.trim_end() == name);
        if let Some(pid) = pids.find(runs) {
            return pid;
        }
        assert!(Instant::now() < deadline, "no process {name}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether SIGUSR2 would be handled: before that it only ends the program.
fn wait_until_ready(pid: u32) {
    let deadline = Instant::now() + SOON;
    let handles = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() & (1 << 11) != 0
    };
    while !handles() {
        assert!(Instant::now() < deadline, "{pid} does not become ready");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A crash of a program on an ordinary file system has its names.
async fn honest_crash(daemon: &Daemon, folder: &Path, name: &str) {
    let mut child = Command::new(program(folder, name)).spawn().unwrap();
    wait_until_ready(child.id());
    signal(child.id(), Signal::USR2);
    child.wait().unwrap();
    let stack = daemon.stack_of(name).await;
    assert!(stack.contains(" in inner at ") && stack.contains(" in outer at "), "{stack}");
}

async fn number(daemon: &Daemon, line: &str) -> u64 {
    let Some(Value::String(text)) = daemon.get("/metrics").await else { panic!("no metrics") };
    text.lines().find_map(|it| it.strip_prefix(line)?.trim().parse().ok()).unwrap_or(0)
}

const OPENERS_HUNG: &str = r#"ai_debugger_helper_jobs_total{helper="opener",outcome="deadline"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_file_system_hangs_no_daemon() {
    skip_if!(no_kernel_events());
    skip_if!(no_fuse());
    let data = tempfile::tempdir().unwrap();
    let own = std::process::id() % 100_000;
    let names: Vec<_> = (0..3).map(|number| format!("fuse{own}n{number}")).collect();
    let over: Vec<_> = (0..6).map(|number| format!("over{own}n{number}")).collect();
    let container = Container::start(&[names.clone(), over.clone()].concat());
    let pids: Vec<_> = names.iter().chain(&over).map(|name| wait_for_process(name)).collect();
    pids.iter().for_each(|pid| wait_until_ready(*pid));
    let daemon = Setup::new(data.path()).start();
    // Seen once by the scan, with what it reads of each.
    let scanned = async || (number(&daemon, "ai_debugger_scan_seconds_count").await > 0).then_some(());
    daemon.wait_until("scan", scanned).await;
    container.hang();
    for (name, pid) in names.iter().zip(&pids) {
        signal(*pid, Signal::USR2);
        let stack = daemon.stack_of(name).await;
        assert!(stack.contains("network or user-space file system (fuse)"), "{stack}");
        assert!(stack.starts_with("#0") && !stack.contains(" in inner"), "{stack}");
    }
    assert_eq!(number(&daemon, OPENERS_HUNG).await, 0, "a mount that may hang was entered");
    honest_crash(&daemon, container.folder.path(), &format!("honest{own}a")).await;
    // An overlay does not look as if it could hang. Three, as many as once held all stacks up.
    for (name, pid) in over.iter().zip(&pids[3..]).take(3) {
        signal(*pid, Signal::USR2);
        let stack = daemon.stack_of(name).await;
        assert!(stack.contains("could not be opened in time") && stack.starts_with("#0"), "{stack}");
    }
    // Each is counted after its stack was told. Fewer: nobody hung, and this test shows nothing.
    let hung = async || (number(&daemon, OPENERS_HUNG).await >= 3).then_some(());
    daemon.wait_until("three hung helpers", hung).await;
    honest_crash(&daemon, container.folder.path(), &format!("honest{own}b")).await;
    drop(daemon);
    for (number, how) in [Signal::TERM, Signal::KILL, Signal::TERM].into_iter().enumerate() {
        end_with_hung_helpers(data.path(), &over[3 + number], pids[6 + number], how).await;
    }
    let daemon = Setup::new(data.path()).start();
    honest_crash(&daemon, container.folder.path(), &format!("honest{own}c")).await;
}

/// The figures of the bar: `cargo test --release --test it -- --ignored --nocapture twenty_ends`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; with --release it shows the figures to reach"]
async fn twenty_ends_with_hung_helpers() {
    skip_if!(no_kernel_events());
    skip_if!(no_fuse());
    let data = tempfile::tempdir().unwrap();
    let own = std::process::id() % 100_000;
    let over: Vec<_> = (0..40).map(|number| format!("over{own}n{number}")).collect();
    let container = Container::start(&over);
    let pids: Vec<_> = over.iter().map(|name| wait_for_process(name)).collect();
    pids.iter().for_each(|pid| wait_until_ready(*pid));
    container.hang();
    let mut slowest = [Duration::ZERO; 2];
    for (number, (name, pid)) in over.iter().zip(&pids).enumerate() {
        let how = [Signal::TERM, Signal::KILL][number % 2];
        let took = end_with_hung_helpers(data.path(), name, *pid, how).await;
        slowest[number % 2] = slowest[number % 2].max(took);
    }
    println!("SIGTERM: ended within {:?}; SIGKILL: within {:?}", slowest[0], slowest[1]);
}

fn no_fuse() -> Option<String> {
    (!Path::new("/dev/fuse").exists()).then(|| "no /dev/fuse".to_owned())
}

/// Starts the daemon, at once after the last one's end, hangs a helper of its, and ends it: how long that took.
async fn end_with_hung_helpers(data: &Path, name: &str, pid: u32, how: Signal) -> Duration {
    let daemon = Setup::new(data).start();
    signal(pid, Signal::USR2);
    let stack = daemon.stack_of(name).await;
    assert!(stack.contains("could not be opened in time"), "{stack}");
    let hung = async || (number(&daemon, OPENERS_HUNG).await > 0).then_some(());
    daemon.wait_until("hung helper", hung).await;
    let begun = Instant::now();
    let within = if how == Signal::KILL {
        // Dropped, it is killed and waited for.
        drop(daemon);
        KILLED
    } else {
        assert!(daemon.terminate().success());
        TERMINATED
    };
    let took = begun.elapsed();
    println!("{how:?}: ended after {took:?}");
    assert!(took <= within, "{how:?}: {took:?}");
    took
}
