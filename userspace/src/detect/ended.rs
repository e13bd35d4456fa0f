//! A process's end, as the detectors see it, and the facts that every finding about an end shares.

use std::time::Duration;

use super::Statement;
use crate::model::{ExitCause, ExitRecord, ProcessInfo, signal_name};
use crate::observation::{CgroupMemory, KernelCrash};
use crate::text;

/// Parents that start a program again when it ends, by `comm` (cut to 15 bytes by the kernel).
const SUPERVISORS: [&str; 16] = [
    "systemd",
    "init",
    "runsv",
    "s6-supervise",
    "supervisord",
    "containerd-shim",
    "conmon",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
    "circusd",
    "monit",
    "supervise",
    "perpd",
    "kubelet",
];

/// Those of them that run containers: the parent of the first process and of every command run beside it.
const CONTAINER_RUNTIMES: [&str; 2] = ["containerd-shim", "conmon"];

/// A process's end and what surrounds it.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// Who.
    pub process: &'a ProcessInfo,
    /// The parent's `comm`; empty where unknown.
    pub parent_name: &'a str,
    /// Whether it has had that parent since its program began: an orphan's new parent started nothing.
    pub parent_started_it: bool,
    /// How it ended.
    pub exit: &'a ExitRecord,
    /// The signal that ended it, where it was one that dumps core.
    pub crash: Option<&'a KernelCrash>,
    /// Whose allocation triggered the OOM killer, where the kernel said so.
    pub oom_trigger: Option<OomTrigger<'a>>,
    /// Its memory cgroup's limit and use, where it has a limit.
    pub memory: Option<&'a CgroupMemory>,
    /// When this program in this cgroup died lately, this death last; see [`super::counts_as_death`].
    pub deaths: &'a [Duration],
}

/// Who was allocating when the OOM killer was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomTrigger<'a> {
    /// Its pid.
    pub pid: u32,
    /// Its thread's `comm`.
    pub name: &'a str,
}

impl Ended<'_> {
    /// Whether its parent is there to start it again.
    pub fn is_supervised(&self) -> bool {
        let supervisor = self.process.ppid == 1 || SUPERVISORS.contains(&self.parent_name);
        // A container's runtime starts the container again, not the commands and health checks run in it.
        let beside =
            CONTAINER_RUNTIMES.contains(&self.parent_name) && self.exit.ns_pid.is_some_and(|pid| pid != 1);
        self.parent_started_it && supervisor && !beside
    }

    /// How it ended, in words.
    pub fn cause(&self) -> String {
        match self.exit.cause {
            ExitCause::Unknown => "an unknown cause".to_owned(),
            ExitCause::Status(status) => format!("exit status {status}"),
            ExitCause::Signal(signal) => {
                let core = if self.exit.core_dumped { ", core dumped" } else { "" };
                format!("{} (signal {signal}{core})", signal_name(signal))
            }
        }
    }

    /// What is true of every end, most telling first.
    pub(super) fn facts(&self) -> Vec<Statement> {
        const EXIT: &str = "kernel:sched_process_exit";
        let age = text::duration(Duration::from_millis(self.exit.age_ms));
        let mut facts = vec![Statement::new(EXIT, format!("ended by {} after living {age}", self.cause()))];
        if let Some(peak) = self.exit.peak_rss_bytes {
            facts.push(Statement::new(EXIT, format!("peak resident memory was {}", text::size(peak))));
        }
        if let Some(memory) = self.memory {
            let text = format!(
                "its memory cgroup {} has a limit of {} and uses {} of it now",
                memory.path,
                text::size(memory.limit_bytes),
                text::size(memory.usage_bytes),
            );
            facts.push(Statement::new("cgroup:memory", text));
        }
        if let Some(cpu_ns) = self.exit.cpu_ns {
            let cpu = text::duration(Duration::from_nanos(cpu_ns));
            facts.push(Statement::new(EXIT, format!("it used {cpu} of CPU time")));
        }
        let supervised = if self.is_supervised() { ", which starts it again" } else { "" };
        let parent = format!("its parent is {} (pid {}){supervised}", self.parent_name, self.process.ppid);
        facts.push(Statement::new(EXIT, parent));
        facts
    }
}

/// Literals for the detectors' tests.
#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn process() -> ProcessInfo {
        ProcessInfo {
            pid: 42,
            start_ticks: 100,
            ppid: 7,
            name: "worker".into(),
            exe: Some("/usr/bin/worker".into()),
            argv: vec!["worker".into(), "--fast".into()],
            uid: Some(1000),
            cgroup: Some("/app".into()),
            container_id: None,
        }
    }

    pub(crate) fn exit(cause: ExitCause) -> ExitRecord {
        ExitRecord::sample(cause)
    }

    pub(crate) fn ended<'a>(
        process: &'a ProcessInfo,
        exit: &'a ExitRecord,
        deaths: &'a [Duration],
    ) -> Ended<'a> {
        Ended {
            process,
            parent_name: "bash",
            parent_started_it: true,
            exit,
            crash: None,
            oom_trigger: None,
            memory: None,
            deaths,
        }
    }

    #[test]
    fn supervisors_are_known_by_pid_1_or_by_name() {
        let exit = exit(ExitCause::Status(0));
        for (ppid, parent_name, want) in [
            (1, "anything", true),
            (7, "systemd", true),
            (7, "containerd-shim", true),
            (7, "bash", false),
            (7, "systemd-journal", false),
            (7, "", false),
        ] {
            let process = ProcessInfo { ppid, ..process() };
            let it = Ended { parent_name, ..ended(&process, &exit, &[]) };
            assert_eq!(it.is_supervised(), want, "{ppid} {parent_name}");
            assert!(!Ended { parent_started_it: false, ..it }.is_supervised(), "an orphan");
        }
    }

    #[test]
    fn only_a_containers_first_process_is_supervised_by_its_runtime() {
        let process = process();
        for (ns_pid, want) in [(Some(1), true), (Some(17), false), (None, true)] {
            let exit = ExitRecord { ns_pid, ..exit(ExitCause::Status(1)) };
            let it = Ended { parent_name: "containerd-shim", ..ended(&process, &exit, &[]) };
            assert_eq!(it.is_supervised(), want, "{ns_pid:?}");
        }
    }

    #[test]
    fn absent_values_are_left_out_of_the_facts() {
        let process = process();
        let mut exit = exit(ExitCause::Signal(11));
        let full = ended(&process, &exit, &[]).facts();
        assert_eq!(full[0].text, "ended by SIGSEGV (signal 11) after living 3.2 s");
        assert_eq!(full[1].text, "peak resident memory was 24.0 MiB");
        assert_eq!(full.len(), 4);
        exit.cpu_ns = None;
        exit.peak_rss_bytes = None;
        exit.core_dumped = true;
        let less = ended(&process, &exit, &[]).facts();
        assert_eq!(less.len(), 2);
        assert!(less[0].text.contains("core dumped"));
    }
}
