//! Programs that begin strangely, on the real kernel, and the near misses of each.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ai_debugger::config::ExecLimits;

use crate::break_ins::SHELLS;
use crate::daemon::{Daemon, Setup};
use crate::faults::{Fault, Running};
use crate::requires::{no_kernel_events, skip_if};

const KIND: &str = "suspicious_exec";

/// Python that runs `script` with these arguments, quietly.
fn python(script: &str, arguments: &[&Path]) -> Running {
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-c").arg(script).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// Runs `program sleep` where no build and no test runner is above it: only init.
const DETACHED: &str = "import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
me = os.getpid()
if os.fork(): os._exit(0)
while os.getppid() == me: time.sleep(0.01)
os.execv(sys.argv[1], [sys.argv[1], 'live', '3000'])";

/// The incident of our kind about this pid.
async fn of_pid(daemon: &Daemon, pid: u32) -> serde_json::Value {
    daemon
        .wait_until(&format!("an incident of pid {pid}"), async || {
            let list = daemon.get(&format!("/api/v1/incidents?limit=500&kind={KIND}")).await?;
            let found = list["incidents"].as_array()?.iter().find(|it| it["process"]["pid"] == pid)?.clone();
            daemon.get(&format!("/api/v1/incidents/{}", found["id"].as_str()?)).await
        })
        .await
}

/// A warning; critical where another test of this process listens, for then it is a service that was broken into.
fn assert_told(incident: &serde_json::Value) {
    assert!(incident["severity"] == "warning" || incident["severity"] == "critical", "{incident}");
}

/// A copy of the helper under `root`, with a name of its own.
fn copy(fault: &Fault, root: &str, name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("exec").tempdir_in(root).unwrap();
    let path = folder.path().join(name);
    fs::copy(&fault.path, &path).unwrap();
    (folder, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_from_memory_and_from_deleted_files_are_named() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    let memory = "import os, sys
fd = os.memfd_create('payload-' + sys.argv[1].split('/')[-1], 0)
os.write(fd, open(sys.argv[1], 'rb').read())
os.execv(f'/proc/self/fd/{fd}', ['payload', 'sleep'])";
    let other = memory.replace("'payload-'", "'marker-'");
    let from_memory = python(memory, &[&fault.path]);
    let incident = of_pid(&daemon, from_memory.pid()).await;
    assert_told(&incident);
    let memfd = format!("the memfd payload-{},", fault.name);
    assert!(incident["facts"].to_string().contains(&memfd), "{}", incident["facts"]);

    let deleted = "import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
os.unlink(sys.argv[1])
os.execve(fd, ['gone', 'sleep'], {})";
    let (_folder, path) = copy(&fault, env!("CARGO_TARGET_TMPDIR"), &format!("gone-{}", fault.name));
    let from_deleted = python(deleted, &[&path]);
    let incident = of_pid(&daemon, from_deleted.pid()).await;
    let facts = incident["facts"].to_string();
    assert!(facts.contains("was deleted right after it started"), "{facts}");

    // A program that is replaced while it runs has a file in its place.
    let (_folder, path) = copy(&fault, env!("CARGO_TARGET_TMPDIR"), &format!("new-{}", fault.name));
    let replaced = "import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
new = sys.argv[1] + '.new'
open(new, 'wb').write(b'new')
os.rename(new, sys.argv[1])
os.execve(fd, ['replaced', 'sleep'], {})";
    let updated = python(replaced, &[&path]);
    let marker = python(&other, &[&fault.path]);
    of_pid(&daemon, marker.pid()).await;
    let list = daemon.get(&format!("/api/v1/incidents?limit=500&kind={KIND}")).await.unwrap();
    let wrong = list["incidents"].as_array().unwrap().iter().any(|it| it["process"]["pid"] == updated.pid());
    assert!(!wrong, "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_in_temporary_places_are_told_apart_by_their_signs() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let folders = ExecLimits::default().exec_folders.join(",");
    let daemon = Setup::new(data.path()).variable("AI_DEBUGGER_DETECT_EXEC_FOLDERS", folders).start();
    let fault = Fault::new();
    let shm = format!("s{}", fault.name);
    let (_shm, in_shm) = copy(&fault, "/dev/shm", &shm);
    let (_package, packaged) = copy(&fault, "/dev/shm", &format!("p{}", fault.name));
    let dpkg = fault.path.with_file_name("dpkg");
    fs::hard_link(&fault.path, &dpkg).unwrap();
    let mut script = Command::new(&dpkg);
    script.args(["run", "0"]).arg(&packaged).args(["live", "300"]);
    assert!(script.status().unwrap().success());
    assert!(python(DETACHED, &[&in_shm]).wait().status.success());
    let incident = daemon.wait_for_incident(KIND, &shm).await;
    assert_eq!(incident["severity"], "warning", "{}", incident["facts"]);
    assert!(daemon.incidents_of(&format!("p{}", fault.name)).await.is_empty(), "a package's script");
    // /tmp alone is no incident, however many run there; and not all of them are looked at.
    let (_tmp, in_tmp) = copy(&fault, "/tmp", &format!("t{}", fault.name));
    for _ in 0..300 {
        assert!(Command::new(&in_tmp).args(["quick", "0"]).status().unwrap().success());
    }
    let (_shm, hidden) = copy(&fault, "/tmp", &format!(".h{}", fault.name));
    assert!(python(DETACHED, &[&hidden]).wait().status.success());
    daemon.wait_for_incident(KIND, &format!(".h{}", fault.name)).await;
    assert!(daemon.incidents_of(&format!("t{}", fault.name)).await.is_empty(), "only the place");
    let metrics = daemon.get("/metrics").await.unwrap();
    let metrics = metrics.as_str().unwrap();
    let left = metrics
        .lines()
        .find_map(|it| it.strip_prefix("ai_debugger_turned_away_total{limit=\"exec_looks\"} "));
    assert!(left.is_some_and(|it| it.parse::<u64>().unwrap() > 0), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_threads_name_is_seen_at_the_exec_and_later() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    let at_exec = "import os, sys\nos.execv(sys.argv[1], ['[kworker/0:1]', 'sleep'])";
    let posing = python(at_exec, &[&fault.path]);
    let incident = of_pid(&daemon, posing.pid()).await;
    assert!(incident["facts"].to_string().contains("[kworker/0:1]"), "{}", incident["facts"]);
    let renamed = Fault::new();
    let posing = renamed.start(&["pose", "kworker/u8:3"]);
    let incident = of_pid(&daemon, posing.pid()).await;
    assert_eq!(incident["process"]["name"], "kworker/u8:3");
    assert_told(&incident);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reverse_shell_is_critical_and_a_shell_on_a_local_socket_is_not() {
    skip_if!(no_kernel_events());
    let _shells = SHELLS.lock().await;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let reverse = "import os, socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
[os.dup2(s.fileno(), fd) for fd in (0, 1, 2)]
os.execv('/bin/sh', ['sh'])";
    let port = PathBuf::from(listener.local_addr().unwrap().port().to_string());
    let shell = python(reverse, &[&port]);
    let (mut connection, _) = listener.accept().unwrap();
    connection.write_all(b"echo in\n").unwrap();
    let mut answer = [0; 3];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"in\n", "it takes commands");
    let incident = of_pid(&daemon, shell.pid()).await;
    assert_eq!(incident["severity"], "critical");
    assert!(incident["facts"].to_string().contains("a network socket"), "{}", incident["facts"]);

    // What node does for each command, and what an editor does for its terminal.
    let local = "import os, socket, sys
a, b = socket.socketpair()
os.set_inheritable(b.fileno(), True)
os.dup2(a.fileno(), 0)
os.execv('/bin/sh', ['sh'] + sys.argv[1:])";
    let bare = python(local, &[]);
    let command = python(local, &[Path::new("-c"), Path::new("sleep 2; :")]);
    let incident = of_pid(&daemon, bare.pid()).await;
    assert_eq!(incident["severity"], "info");
    let list = daemon.get(&format!("/api/v1/incidents?limit=500&kind={KIND}")).await.unwrap();
    assert!(!list.to_string().contains(&format!("(pid {})", command.pid())), "{list}");
}
