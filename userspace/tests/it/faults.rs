//! Making faults: the helper program under a name of its own, so that tests do not see each other's faults,
//! and memory cgroups with a limit.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, OnceLock};

use ai_debugger::cgroup::Hierarchy;
use ai_debugger::evidence::start_ticks;

/// The helper, under a name that no other test uses.
pub(crate) struct Fault {
    pub(crate) path: PathBuf,
    /// The file's name, at most 15 bytes: also its `comm`.
    pub(crate) name: String,
    _directory: tempfile::TempDir,
}

impl Fault {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flt{}x{number}", std::process::id());
        let directory = tempfile::tempdir_in(helpers()).expect("a temporary directory");
        let path = directory.path().join(&name);
        // Not a copy: while one test writes it, another that forks would hold it open, and it could not be run.
        fs::hard_link(compiled(), &path).expect("the helper can be linked");
        Self { path, name, _directory: directory }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        quiet(command.args(args));
        command
    }

    /// Starts it, waits for its end, says who it was.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Running::spawn(self.command(args)).wait()
    }

    /// Starts a prepared command; it is killed when dropped.
    #[expect(clippy::unused_self, reason = "the command is made from this helper, which must outlive it")]
    pub(crate) fn start_command(&self, command: Command) -> Running {
        Running::spawn(command)
    }

    /// Starts it; it is killed when dropped.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::spawn(self.command(args))
    }
}

/// A child of ours.
pub(crate) struct Running(pub(crate) Child);

/// Who ended, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) status: std::process::ExitStatus,
}

impl Running {
    fn spawn(mut command: Command) -> Self {
        Self(command.spawn().expect("the helper can be started"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn start_ticks(&self) -> u64 {
        start_ticks(&Path::new("/proc").join(self.pid().to_string())).expect("a child has a start time")
    }

    /// Lets a `wait-` mode go on.
    pub(crate) fn go(&mut self) {
        self.0.stdin.take().expect("stdin is a pipe").write_all(b"go\n").expect("the helper reads");
    }

    pub(crate) fn kill(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("a child can be killed");
    }

    pub(crate) fn wait(mut self) -> Ended {
        let status = self.0.wait().expect("a child can be waited for");
        Ended { pid: self.0.id(), status }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A memory cgroup with a limit, on v1 or v2; removed when dropped.
pub(crate) struct Limited {
    directory: PathBuf,
    /// Its path in the hierarchy.
    pub(crate) path: String,
}

impl Limited {
    /// `Err`: why there can be none here.
    pub(crate) fn new(limit_bytes: u64) -> Result<Self, String> {
        Self::numbered(limit_bytes, "")
    }

    /// As a service unit would have it; the unit's name is its path without the slash.
    pub(crate) fn service() -> Result<Self, String> {
        Self::numbered(1 << 30, ".service")
    }

    fn numbered(limit_bytes: u64, suffix: &str) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::named(limit_bytes, &format!("ai-debugger-it-{}-{number}{suffix}", std::process::id()))
    }

    /// One of this name.
    pub(crate) fn named(limit_bytes: u64, name: &str) -> Result<Self, String> {
        let hierarchy = Hierarchy::detect(Path::new("/sys/fs/cgroup"));
        let path = format!("/{name}");
        let directory = hierarchy.directory(&path).ok_or("no memory controller is mounted")?;
        let because = |what: &str, error: std::io::Error| format!("{what} {}: {error}", directory.display());
        fs::create_dir(&directory).map_err(|error| because("cannot create", error))?;
        let it = Self { directory: directory.clone(), path };
        let files: &[(&str, &str)] = match hierarchy {
            Hierarchy::Unified(_) => &[("memory.swap.max", "0"), ("memory.max", "")],
            _ => &[("memory.limit_in_bytes", "")],
        };
        for (name, value) in files {
            let value = if value.is_empty() { limit_bytes.to_string() } else { (*value).to_owned() };
            let written = fs::write(directory.join(name), value);
            // A kernel without swap has no swap limit.
            if *name != "memory.swap.max" {
                written.map_err(|error| because("cannot limit", error))?;
            }
        }
        Ok(it)
    }

    /// The command that joins the cgroup and becomes the helper.
    pub(crate) fn command(&self, fault: &Fault, args: &[&str]) -> Command {
        let mut command = Command::new(&fault.path);
        command.args(args);
        self.joined(&command)
    }

    /// The command that joins the cgroup and becomes this one.
    pub(crate) fn joined(&self, then: &Command) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo $$ > "$1" && shift && exec "$@""#, "sh"]);
        command.arg(self.directory.join("cgroup.procs")).arg(then.get_program()).args(then.get_args());
        quiet(&mut command);
        command
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // Its last process may still be leaving: the kernel refuses until it has.
        for _ in 0..200 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// Nothing on the terminal, and core files where they litter nothing.
fn quiet(command: &mut Command) {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.current_dir(helpers());
}

/// The folder for helpers: the build's own, which is not one that anybody may write to; for who may not write to it
/// either, because another user has built the tests, the system's temporary one.
pub(crate) fn helpers() -> &'static Path {
    static HELPERS: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let is_writable = rustix::fs::access(&built, rustix::fs::Access::WRITE_OK).is_ok();
        if is_writable { built } else { std::env::temp_dir() }
    });
    &HELPERS
}

/// The helper, compiled once a run with the C compiler that the build needs anyway.
fn compiled() -> &'static Path {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let target = helpers().join(format!("fault-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fault.c");
        let status = Command::new("cc")
            .args(["-O1", "-static", "-pthread", "-o"])
            .args([&target, &source])
            .status()
            .expect("a C compiler, `cc`, is there: the build of SQLite needs it too");
        assert!(status.success(), "the helper does not compile");
        target
    })
}
