//! The daemon under test: the real binary in a process of its own, asked over HTTP.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ai_debugger::config::ExecLimits;
use serde_json::Value;

use crate::faults::helpers;

/// How long what must come is waited for. It costs nothing where it comes; on a machine that has other work, and where
/// these tests are the nicest of all, seconds become a minute.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// The key every test daemon has.
pub(crate) const KEY: &str = "integration-tests-only-0123456789";

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    child: Child,
    client: reqwest::Client,
}

/// How to start one.
pub(crate) struct Setup<'a> {
    data_dir: &'a Path,
    variables: Vec<(&'static str, String)>,
    user: Option<u32>,
    cgroup: Option<&'a Path>,
    log: Option<File>,
    key_file: Option<&'a Path>,
    /// What a shell does in a mount namespace of its own before it becomes the daemon.
    script: Option<&'static str>,
    /// Whether it runs as the shipped unit has systemd run it.
    by_unit: bool,
}

impl<'a> Setup<'a> {
    /// Scans every second, no model, no Slack. The helpers' folder is no suspicious place, wherever the checkout is: of
    /// those places the tests that are about them make their own.
    pub(crate) fn new(data_dir: &'a Path) -> Self {
        let interval = ("AI_DEBUGGER_SCAN_INTERVAL", "1s".to_owned());
        let variables = [interval, ("AI_DEBUGGER_DETECT_EXEC_FOLDERS", suspicious_folders())].into();
        Self {
            data_dir,
            variables,
            user: None,
            cgroup: None,
            log: None,
            key_file: None,
            script: None,
            by_unit: false,
        }
    }

    /// Five scans a second, for what takes several of them to be seen.
    pub(crate) fn scanning(self) -> Self {
        self.variable("AI_DEBUGGER_SCAN_INTERVAL", "200ms")
    }

    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// With budgets that the crashes of all other tests, which it sees too, do not use up.
    pub(crate) fn model(self, address: SocketAddr) -> Self {
        self.variable("GROQ_API_KEY", "gsk_integration_tests_only")
            .variable("AI_DEBUGGER_LLM_BASE_URL", format!("http://{address}/openai/v1"))
            .variable("AI_DEBUGGER_LLM_REQUESTS_PER_MINUTE", "10000")
            .variable("AI_DEBUGGER_LLM_TOKENS_PER_MINUTE", "100000000")
    }

    pub(crate) fn slack(self, address: SocketAddr) -> Self {
        self.variable("SLACK_WEBHOOK_URL", format!("http://{address}/services/T/B/X"))
    }

    pub(crate) fn user(mut self, uid: u32) -> Self {
        self.user = Some(uid);
        self
    }

    /// It reads its key, [`KEY`] at first, from this file.
    pub(crate) fn key_file(mut self, file: &'a Path) -> Self {
        self.key_file = Some(file);
        self
    }

    /// In this memory cgroup from its first instruction on.
    pub(crate) fn cgroup(mut self, directory: &'a Path) -> Self {
        self.cgroup = Some(directory);
        self
    }

    /// On a disk of 16 MiB that only it sees: a tmpfs over its data folder, in a mount namespace of its own.
    pub(crate) fn on_small_disk(mut self) -> Self {
        self.script = Some("mount -t tmpfs -o size=16m,mode=700 tmpfs \"$0\" && exec \"$@\"");
        self
    }

    /// Its standard input is the kernel's log, and there is no other way to it.
    pub(crate) fn kernel_log_as_input(mut self) -> Self {
        self.script = Some("exec 0</dev/kmsg && mount --bind /dev/null /dev/kmsg && exec \"$@\"");
        self
    }

    /// As the shipped unit has systemd run it: a user of its own with four capabilities, and system calls that are
    /// answered as its filters do.
    pub(crate) fn by_unit(mut self) -> Self {
        self.by_unit = true;
        self
    }

    /// Its log goes into this file instead of the tests' own.
    pub(crate) fn log(mut self, file: File) -> Self {
        self.log = Some(file);
        self
    }

    /// Starts it and waits for the line that says it is ready.
    pub(crate) fn start(self) -> Daemon {
        let program = env!("CARGO_BIN_EXE_ai-debugger");
        let mut command = match (self.cgroup, self.script) {
            (Some(directory), _) => {
                let mut shell = Command::new("/bin/sh");
                let enter = r#"echo $$ > "$1/cgroup.procs" && shift && exec "$@""#;
                shell.args(["-c", enter, "sh"]).arg(directory).arg(program);
                shell
            }
            (None, Some(script)) => {
                let mut command = Command::new("unshare");
                // `exec`, so that the daemon is this process's child.
                command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
                command.arg(self.data_dir).arg(program);
                command
            }
            (None, None) if self.by_unit => {
                std::os::unix::fs::chown(self.data_dir, Some(UNIT_USER), Some(UNIT_USER))
                    .expect("root's folder");
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--reuid", &UNIT_USER.to_string(), "--regid", &UNIT_USER.to_string()]);
                command.args(["--clear-groups", "--no-new-privs"]);
                for set in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
                    command.arg(format!("{set}=-all,+bpf,+perfmon,+sys_ptrace,+dac_read_search"));
                }
                command.arg(program);
                command
            }
            (None, None) => Command::new(program),
        };
        command
            .args(["run", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(self.data_dir)
            .env_clear()
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log.map_or_else(Stdio::inherit, Stdio::from));
        match self.key_file {
            Some(file) => command.arg("--key-file").arg(file),
            None => command.args(["--key", KEY]),
        };
        if self.script.is_some() {
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let spawned = if self.by_unit { filtered(&mut command) } else { command.spawn() };
        let mut child = spawned.expect("the daemon can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the daemon's output can be read");
        let url = line
            .strip_prefix("ai-debugger is ready: http://")
            .unwrap_or_else(|| panic!("not ready: {line:?}"));
        let address = url.split('/').next().unwrap().parse().expect("the line names the address");
        let client = ai_debugger::outbound::client(SOON);
        Daemon { address, child, client: client.expect("a client") }
    }
}

impl Daemon {
    /// The JSON at `path`; `None` on 404.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let request = self.client.get(format!("http://{}{path}", self.address)).bearer_auth(KEY);
        let answer = request.send().await.expect("the daemon answers");
        let status = answer.status();
        let body = answer.text().await.expect("the daemon finishes its answer");
        if status == 404 {
            return None;
        }
        assert!(status.is_success(), "{path}: {status} {body}");
        Some(serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// What `POST path` with this JSON answers.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("http://{}{path}", self.address)).bearer_auth(KEY).json(body);
        let answer = request.send().await.expect("the daemon answers");
        (answer.status().as_u16(), answer.json().await.expect("every answer is JSON"))
    }

    /// The incidents whose process has this name, with all they hold.
    pub(crate) async fn incidents_of(&self, name: &str) -> Vec<Value> {
        let list = self.get("/api/v1/incidents?limit=500").await.expect("a list");
        let mut found = Vec::new();
        for incident in list["incidents"].as_array().expect("an array") {
            if incident["process"]["name"] == name {
                let path = format!("/api/v1/incidents/{}", incident["id"].as_str().expect("an id"));
                found.push(self.get(&path).await.expect("an incident that is listed exists"));
            }
        }
        found
    }

    /// Waits for the incident of this kind about the process of this name.
    pub(crate) async fn wait_for_incident(&self, kind: &str, name: &str) -> Value {
        let what = format!("an incident {kind} of {name}");
        self.wait_until(&what, async || {
            self.incidents_of(name).await.into_iter().find(|it| it["kind"] == kind)
        })
        .await
    }

    /// The stack of the crash of the process of this name, as text.
    pub(crate) async fn stack_of(&self, name: &str) -> String {
        let incident = self.wait_for_incident("crash", name).await;
        let path = format!("/api/v1/incidents/{}/evidence/stack.txt", incident["id"].as_str().unwrap());
        match self.get(&path).await {
            Some(Value::String(stack)) => stack,
            other => panic!("no stack of {incident}: {other:?}"),
        }
    }

    /// Asks until there is an answer.
    pub(crate) async fn wait_until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(Instant::now() < deadline, "no {what} within {SOON:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for its end, and says how it ended.
    pub(crate) fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// Ends it as an operator would, and says how it ended: with 0 only if it kept its own deadline for that.
    pub(crate) fn terminate(self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the daemon runs");
        self.wait()
    }
}

/// Anybody but root, and nobody of this machine.
const UNIT_USER: u32 = 61_235;

/// Starts it by a thread that has a filter of system calls, as systemd makes one of RestrictSUIDSGID=, which can't see
/// the mode that openat2(2) is given in memory, and of RestrictNamespaces=, to which clone3(2) is as blind.
fn filtered(command: &mut Command) -> std::io::Result<Child> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
    use syscalls::Sysno;

    let absent = SeccompAction::Errno(rustix::io::Errno::NOSYS.raw_os_error().unsigned_abs());
    let calls = [Sysno::openat2, Sysno::clone3].map(|call| (i64::from(call.id()), vec![]));
    let filter = SeccompFilter::new(calls.into(), SeccompAction::Allow, absent, TargetArch::x86_64);
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            apply_filter(&program).unwrap();
            command.spawn()
        });
        thread.join().expect("it does not panic")
    })
}

/// The daemon's own list, less what the helpers are below.
fn suspicious_folders() -> String {
    let helpers = helpers();
    let mut folders = ExecLimits::default().exec_folders;
    folders.retain(|folder| !helpers.starts_with(folder));
    folders.join(",")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SIGKILL: what was not stored by now must not be relied on.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
