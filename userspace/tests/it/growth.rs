//! What only many scans of /proc can see: leaks of memory, descriptors and threads, and families that fill their
//! limit of tasks; each beside one that is as large and does not grow.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::daemon::{Daemon, Setup};
use crate::faults::{Fault, Running};
use crate::requires::{no_kernel_events, report_skip, skip_if};

fn daemon(data: &tempfile::TempDir) -> Daemon {
    Setup::new(data.path())
        .scanning()
        .variable("AI_DEBUGGER_DETECT_GROWTH_WINDOW", "2s")
        .variable("AI_DEBUGGER_DETECT_GROWTH_STARTUP", "1s")
        .start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaks_is_named_and_what_is_merely_large_is_not() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = daemon(&data);
    let mut running = Vec::new();
    let mut start = |what: &str, leak: &str, plateau: &str| {
        let (leaks, large) = (Fault::new(), Fault::new());
        running.push(leaks.start(&["leak", what, leak]));
        let pid = running[running.len() - 1].pid();
        running.push(large.start(&["plateau", what, plateau]));
        (leaks, pid, large)
    };
    let leaks = [
        ("memory_growth", start("m", "2", "200"), "anonymous memory grew"),
        ("fd_exhaustion", start("f", "4", "300"), "/dev/null"),
        ("thread_explosion", start("t", "4", "300"), "they grew from"),
    ];
    for (kind, (leak, pid, _), fact) in &leaks {
        let incident = daemon.wait_for_incident(kind, &leak.name).await;
        assert_eq!(incident["process"]["pid"], *pid);
        assert!(incident["facts"].to_string().contains(fact), "{}", incident["facts"]);
        assert!(incident["verdict"]["next_steps"].to_string().contains(&pid.to_string()), "{incident}");
    }
    for (kind, (_, _, large), _) in &leaks {
        let found = daemon.incidents_of(&large.name).await;
        assert!(found.is_empty(), "{kind}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_that_fills_its_limit_of_tasks_is_named_by_its_head() {
    skip_if!(no_kernel_events());
    let (bomb, pool) = match (LimitedTasks::new("bomb", 40), LimitedTasks::new("pool", 40)) {
        (Ok(bomb), Ok(pool)) => (bomb, pool),
        (Err(reason), _) | (_, Err(reason)) => {
            return report_skip("a_family_that_fills_its_limit_of_tasks_is_named", &reason);
        }
    };
    let data = tempfile::tempdir().unwrap();
    let daemon = daemon(&data);
    let (runaway, warm) = (Fault::new(), Fault::new());
    let process = bomb.start(&runaway, &["leak", "c", "2"]);
    let _warm = pool.start(&warm, &["plateau", "c", "30"]);
    let incident = daemon.wait_for_incident("fork_storm", &runaway.name).await;
    assert_eq!(incident["process"]["pid"], process.pid());
    assert!(
        incident["facts"].to_string().contains(&format!("pids.max of {} is 40", bomb.path)),
        "{incident}"
    );
    let of_pool = daemon.incidents_of(&warm.name).await;
    assert!(of_pool.is_empty(), "{of_pool:?}");
}

/// A cgroup with a limit of tasks, on v1 or v2; whoever is in it is killed when it is dropped.
struct LimitedTasks {
    directory: PathBuf,
    path: String,
}

impl LimitedTasks {
    /// `Err`: why there can be none here.
    fn new(name: &str, limit: u32) -> Result<Self, String> {
        let root = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(PathBuf::from);
        let root = root.into_iter().find(|root| root.join("cgroup.procs").exists());
        let path = format!("/ai-debugger-it-{name}-{}", std::process::id());
        let directory = root.ok_or("no pids controller is mounted")?.join(path.trim_start_matches('/'));
        fs::create_dir(&directory)
            .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        let it = Self { directory, path };
        fs::write(it.directory.join("pids.max"), limit.to_string())
            .map_err(|error| format!("cannot limit {}: {error}", it.directory.display()))?;
        Ok(it)
    }

    fn start(&self, fault: &Fault, args: &[&str]) -> Running {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo $$ > "$1" && shift && exec "$@""#, "sh"]);
        command.arg(self.directory.join("cgroup.procs")).arg(&fault.path).args(args);
        fault.start_command(command)
    }

    fn members(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for LimitedTasks {
    fn drop(&mut self) {
        // Children are born while they are killed: until there is none, and the kernel lets the directory go.
        for _ in 0..500 {
            for pid in self.members().into_iter().filter_map(rustix::process::Pid::from_raw) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
