//! /proc over HTTP: paths that must not lead anywhere, and real processes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::*;

#[tokio::test]
async fn raw_paths_lead_where_they_should_and_nowhere_else() {
    let root = fixture();
    let server = HttpSetup::new(root.path()).start().await;
    for (target, want) in [
        ("/proc", 200),
        ("/proc?x=/../..", 200),
        ("/proc/42", 200),
        ("/proc/42/cmdline", 200),
        ("/proc/0000000042/cmdline", 200),
        ("/proc/42/cmdline?file=../../etc/passwd", 200),
        ("http://localhost/proc/42/cmdline", 200),
        // No pid.
        ("/proc/", 400),
        ("/proc//", 400),
        ("/proc//version", 400),
        ("/proc//kallsyms", 400),
        ("/proc//kmsg", 400),
        ("/proc//kcore", 400),
        ("/proc//42/status", 400),
        ("/proc/self", 400),
        ("/proc/self/environ", 400),
        ("/proc/thread-self/status", 400),
        ("/proc/version", 400),
        ("/proc/kmsg", 400),
        ("/proc/sys/kernel/core_pattern", 400),
        ("/proc/0", 400),
        ("/proc/0/status", 400),
        ("/proc/-1/status", 400),
        ("/proc/4294967296/status", 400),
        ("/proc/99999999999/status", 400),
        ("/proc/012345678901", 400),
        ("/proc/4294967338/status", 400),
        // Dots, escapes, empty parts.
        ("/proc/..", 400),
        ("/proc/../etc/passwd", 400),
        ("/proc/42/..", 400),
        ("/proc/42/../../etc/passwd", 400),
        ("/proc/42/../version", 400),
        ("/proc/42/./cmdline", 400),
        ("/proc/%2e%2e/etc/passwd", 400),
        ("/proc/42/%2e%2e/version", 400),
        ("/proc/42/..%2fversion", 400),
        ("/proc/42/%2E%2E%2Fversion", 400),
        ("/proc/42%2fcmdline", 400),
        ("/proc/%34%32/cmdline", 400),
        ("/proc/42/%63mdline", 400),
        ("/proc/42/cmdline%00", 400),
        ("/proc/42/cmdline%", 400),
        ("/proc/42/", 400),
        ("/proc/42//cmdline", 400),
        ("/proc/42/cmdline/", 400),
        // There, and never served.
        ("/proc/42/mem", 403),
        ("/proc/42/root", 403),
        ("/proc/42/exe", 403),
        ("/proc/42/cwd", 403),
        ("/proc/42/fd", 403),
        ("/proc/42/fd/0", 403),
        ("/proc/42/root/etc/shadow", 403),
        ("/proc/42/task/42/mem", 403),
        ("/proc/42/map_files/0-1", 403),
        ("/proc/42/pagemap", 403),
        ("/proc/42/clear_refs", 403),
        ("/proc/42/kcore", 403),
        ("/proc/42/kmsg", 403),
        ("/proc/99/mem", 403),
        ("http://localhost/proc/42/mem", 403),
        // A link or a directory where a file or a process should be.
        ("/proc/42/comm", 403),
        ("/proc/42/limits", 403),
        ("/proc/7", 403),
        ("/proc/7/cmdline", 403),
        // Not there, or not a route.
        ("/proc/42/nothing", 404),
        ("/proc/42/Cmdline", 404),
        ("/proc/42/cmdline/x", 404),
        ("/proc/42/io", 404),
        ("/proc/43", 404),
        ("/proc/43/cmdline", 404),
        ("/proc/4294967295/cmdline", 404),
        ("/proc/9/cmdline", 404),
        ("//proc/42/cmdline", 404),
        ("/proc%2f42/cmdline", 404),
        ("/%70roc/42/cmdline", 404),
        ("/PROC/42/cmdline", 404),
        ("/../etc/passwd", 404),
        ("/etc/passwd", 404),
    ] {
        let answer = server.get(target).await;
        assert_eq!(answer.status, want, "{target}: {answer:?}");
        if want != 200 {
            assert!(!answer.error().is_empty());
        }
    }
}

#[tokio::test]
async fn bytes_are_served_as_they_are_and_values_of_environ_are_not() {
    let root = fixture();
    let server = HttpSetup::new(root.path()).start().await;
    let cmdline = server.get("/proc/42/cmdline").await;
    assert_eq!(cmdline.body, b"nginx\0-g\0caf\xe9\0");
    assert_eq!(cmdline.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(server.get("/proc/42/wchan").await.body, b"");

    let environ = server.get("/proc/42/environ").await;
    assert_eq!(environ.body, b"HOME=***\0TOKEN=***\0");
    assert_eq!(environ.header("x-masked"), Some("true"));

    let mut open = HttpSetup::new(root.path());
    open.config.show_environ = true;
    let environ = open.start().await.get("/proc/42/environ").await;
    assert_eq!(environ.body, b"HOME=/root\0TOKEN=hunter2\0");
    assert_eq!(environ.header("x-masked"), None);
}

#[tokio::test]
async fn a_file_beyond_the_cap_is_cut_and_says_so() {
    let root = fixture();
    let server = HttpSetup::new(root.path()).start().await;
    let maps = server.get("/proc/42/maps").await;
    assert_eq!(maps.body.len(), 4 * 1024 * 1024);
    assert_eq!(maps.header("x-truncated"), Some("true"));
    assert_eq!(server.get("/proc/42/cmdline").await.header("x-truncated"), None);
}

/// A child that is killed and reaped whatever becomes of the test.
struct Sleeper(Child);

impl Sleeper {
    fn spawn() -> Self {
        let mut command = Command::new("sleep");
        command.arg0(OsStr::from_bytes(b"sl\xffeep\n")).arg("1000").env_clear().env("TOKEN", "hunter2");
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn a_real_process_is_read_while_it_lives_and_gone_after() {
    let server = HttpSetup::new("/proc").start().await;
    let mut child = Sleeper::spawn();
    let pid = child.pid();

    let pids = server.get("/proc").await.json();
    assert!(pids["pids"].as_array().unwrap().contains(&pid.to_string().into()), "{pids}");
    let files = server.get(&format!("/proc/{pid}")).await.json();
    for name in ["cmdline", "status", "fd", "exe", "mem"] {
        assert!(files["files"].as_array().unwrap().contains(&name.into()), "{files}");
    }
    assert_eq!(server.get(&format!("/proc/{pid}/cmdline")).await.body, b"sl\xffeep\n\x001000\0");
    assert_eq!(server.get(&format!("/proc/{pid}/environ")).await.body, b"TOKEN=***\0");
    let status = server.get(&format!("/proc/{pid}/status")).await.json();
    assert_eq!(status["Pid"], pid.to_string());
    assert_eq!(status["PPid"], std::process::id().to_string());
    for name in ["exe", "mem", "fd/0", "root/etc/passwd"] {
        assert_eq!(server.get(&format!("/proc/{pid}/{name}")).await.status, 403, "{name}");
    }

    // A zombie still has its status, but no mounts: the kernel says EINVAL.
    child.0.kill().unwrap();
    let id = WaitId::Pid(Pid::from_child(&child.0));
    waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    assert_eq!(server.get(&format!("/proc/{pid}/status")).await.json()["State"], "Z (zombie)");
    assert_eq!(server.get(&format!("/proc/{pid}/mounts")).await.status, 404);

    child.0.wait().unwrap();
    for target in [format!("/proc/{pid}"), format!("/proc/{pid}/status"), format!("/proc/{pid}/cmdline")] {
        assert_eq!(server.get(&target).await.status, 404, "{target}");
    }
}
