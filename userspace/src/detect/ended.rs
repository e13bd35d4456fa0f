//! A process's end, as the detectors see it, and the facts that every finding about an end shares.

use std::time::Duration;

use super::respawn::Respawns;
use super::{Statement, programs};
use crate::model::{ExitCause, ExitRecord, ProcessInfo, signal_name};
use crate::observation::{CgroupMemory, KernelCrash, Session};
use crate::programs::{Roles, roles_of};
pub use crate::state::Origin;
use crate::text;

/// The first process of a pid namespace that lived so long may be a container's.
const SANDBOX_MS: u64 = 1000;

/// A process's end and what surrounds it.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// Who.
    pub process: &'a ProcessInfo,
    /// The parent's `comm`; empty where unknown.
    pub parent_name: &'a str,
    /// How it came to be that parent's child.
    pub origin: Origin,
    /// Its session, as a walk of /proc last saw it; unknown for what lived shorter than it takes.
    pub session: Option<Session>,
    /// How often it forked; unknown where it did not.
    pub forks: Option<u64>,
    /// How it ended.
    pub exit: &'a ExitRecord,
    /// The signal that ended it, where it was one that dumps core.
    pub crash: Option<&'a KernelCrash>,
    /// The test runner that it was started below, looked for where it crashed.
    pub tested_by: Option<&'a str>,
    /// Whether a child of it had ended by that signal a moment before the signal came.
    pub child_crashed: bool,
    /// Whose allocation triggered the OOM killer, where the kernel said so.
    pub oom_trigger: Option<OomTrigger<'a>>,
    /// Its memory cgroup's limit and use, where it has a limit.
    pub memory: Option<&'a CgroupMemory>,
    /// When this program in this cgroup died lately, this death last; see [`super::counts_as_death`].
    pub deaths: &'a [Duration],
    /// What its parent has started again, where that is no known supervisor; see [`super::may_be_respawned`].
    pub respawns: Option<Respawns<'a>>,
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
        // A container's runtime starts the container again, not the commands and health checks run in it.
        let runtime = roles_of(self.parent_name).contains(Roles::CONTAINER_RUNTIME);
        let beside = runtime && self.exit.ns_pid.is_some_and(|pid| pid != 1);
        let started = is_started(self.process, self.parent_name, self.origin, self.session);
        (started && !beside) || self.is_first_of_container()
    }

    /// As [`Self::is_supervised`], and not a shell that a person runs commands in: it ends with the status of the last
    /// one.
    pub(super) fn is_service_managed(&self) -> bool {
        let interactive = self.process.argv.len() <= 1 || self.session.is_some_and(|it| it.has_terminal);
        self.is_supervised() && !(programs::is_shell(self.process) && interactive)
    }

    /// Whether it is what a container was started for, whatever the runtime's name.
    pub(super) fn is_first_of_container(&self) -> bool {
        // Without a container's cgroup it may be a sandbox around one command of a build, which is soon over.
        let worked = self.exit.age_ms >= SANDBOX_MS
            && !roles_of(self.parent_name).contains(Roles::SANDBOX)
            && !programs::is_command(self.process)
            && !programs::is_shell(self.process);
        let first = self.exit.ns_pid == Some(1) && self.process.pid != 1;
        first && (self.process.container_id.is_some() || worked)
    }

    /// Whether it ran a program of its own, as far as that was seen.
    pub(super) const fn is_program(&self) -> bool {
        matches!(self.origin, Origin::Started | Origin::Found | Origin::Orphan)
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

/// Whether a supervisor started it and is there to do so again.
fn is_started(process: &ProcessInfo, parent_name: &str, origin: Origin, session: Option<Session>) -> bool {
    // Not pid 1 of whatever name: what a container began with takes orphans in and starts nothing again.
    let supervisor = roles_of(parent_name).contains(Roles::SUPERVISOR);
    let started = match origin {
        Origin::Started => true,
        // What was there before us: service managers make each service the leader of a session without terminal.
        Origin::Found => session.is_none_or(|it| !it.has_terminal && it.id == process.pid),
        Origin::Forked | Origin::Orphan => false,
    };
    // A scope's processes are the manager's children only once they are orphans.
    started && supervisor && !process.cgroup.as_deref().is_some_and(is_scope)
}

/// Whether a living process is there for good: supervised, or a daemon whose starter is gone.
pub(super) fn is_kept(
    process: &ProcessInfo,
    parent_name: &str,
    origin: Origin,
    session: Option<Session>,
) -> bool {
    let daemon = |it: Session| process.ppid == 1 && !it.has_terminal && it.id != 0 && it.group == it.id;
    is_started(process, parent_name, origin, session) || session.is_some_and(daemon)
}

/// `…/session-3.scope` of logind, `…/run-r1.scope` of systemd-run: processes that systemd was handed and has not
/// started (systemd.scope(5)). A container's scope holds a manager of its own, with slices below it.
fn is_scope(cgroup: &str) -> bool {
    let unit = |part: &&str| part.ends_with(".scope") || part.ends_with(".service");
    cgroup.rsplit('/').find(unit).is_some_and(|part| part.ends_with(".scope") && part != "init.scope")
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
            unit: None,
            pod_uid: None,
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
            parent_name: if process.ppid == 1 { "systemd" } else { "bash" },
            origin: Origin::Started,
            session: None,
            forks: None,
            exit,
            crash: None,
            tested_by: None,
            child_crashed: false,
            oom_trigger: None,
            memory: None,
            deaths,
            respawns: None,
        }
    }

    #[test]
    fn supervisors_are_known_by_name() {
        let exit = exit(ExitCause::Status(0));
        for (ppid, parent_name, want) in [
            (1, "init", true),
            (1, "process_api", false),
            (7, "systemd", true),
            (7, "containerd-shim", true),
            (7, "bash", false),
            (7, "systemd-journal", false),
            (7, "", false),
        ] {
            let process = ProcessInfo { ppid, ..process() };
            let it = Ended { parent_name, ..ended(&process, &exit, &[]) };
            assert_eq!(it.is_supervised(), want, "{ppid} {parent_name}");
            assert!(!Ended { origin: Origin::Orphan, ..it.clone() }.is_supervised(), "an orphan");
            assert!(!Ended { origin: Origin::Forked, ..it }.is_supervised(), "a fork");
        }
    }

    #[test]
    fn a_shell_that_a_person_types_into_is_not_managed() {
        let exit = exit(ExitCause::Status(1));
        let terminal = Session { id: 42, group: 42, has_terminal: true };
        for (parent_name, argv, session, want) in [
            ("systemd", &["bash"][..], None, false),
            ("systemd", &["bash", "-c", "./app"], None, true),
            ("containerd-shim", &["bash"], None, false),
            ("containerd-shim", &["bash", "-i", "x"], Some(terminal), false),
        ] {
            let argv = argv.iter().map(|&it| it.to_owned()).collect();
            let process = ProcessInfo { ppid: 1, name: "bash".into(), exe: None, argv, ..process() };
            let it = Ended { parent_name, session, ..ended(&process, &exit, &[]) };
            assert!(it.is_supervised());
            assert_eq!(it.is_service_managed(), want, "{parent_name} {:?}", process.argv);
        }
    }

    #[test]
    fn what_was_there_before_us_is_a_service_where_it_leads_a_session_without_terminal() {
        let process = ProcessInfo { ppid: 1, ..process() };
        let exit = exit(ExitCause::Status(1));
        for (id, has_terminal, want) in [(42, false, true), (42, true, false), (7, false, false)] {
            let session = Some(Session { id, group: id, has_terminal });
            let it = Ended {
                origin: Origin::Found,
                session,
                parent_name: "systemd",
                ..ended(&process, &exit, &[])
            };
            assert_eq!(it.is_supervised(), want, "{session:?}");
        }
        for (cgroup, want) in [
            ("/user.slice/user-0.slice/session-3.scope", false),
            ("/user.slice/user-0.slice/user@0.service/app.slice/run-r5.scope", false),
            ("/user.slice/user-0.slice/user@0.service/app.slice/app.service", true),
            ("/machine.slice/libpod-3f.scope/system.slice/app.service", true),
            ("/system.slice/app.service", true),
            ("/app", true),
        ] {
            let process = ProcessInfo { cgroup: Some(cgroup.to_owned()), ..process.clone() };
            assert_eq!(ended(&process, &exit, &[]).is_supervised(), want, "an orphan in {cgroup}");
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
        assert_eq!(full[0].text(), "ended by SIGSEGV (signal 11) after living 3.2 s");
        assert_eq!(full[1].text(), "peak resident memory was 24.0 MiB");
        assert_eq!(full.len(), 4);
        exit.cpu_ns = None;
        exit.peak_rss_bytes = None;
        exit.core_dumped = true;
        let less = ended(&process, &exit, &[]).facts();
        assert_eq!(less.len(), 2);
        assert!(less[0].text().contains("core dumped"));
    }
}
