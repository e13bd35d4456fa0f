//! Abnormal exit: a service ended by a status other than 0 or by a signal that nobody expects of it.
//!
//! To an operator: something that was meant to run does not, and the one who would have read its status is no person.
//! Who is a service, strongest first:
//!
//! - *supervised*: started by init, a service manager or a container's runtime (see `Ended::is_supervised`); however
//!   short it lived;
//! - *daemon*: its starter is gone and init took it in, in a session that is its own or whose leader is gone, without
//!   a terminal, for `abnormal_exit_age` or longer: nobody else would read its status;
//! - *unattended*: started by a program that is no shell, without a terminal, idle for most of `abnormal_exit_age` or
//!   longer, and no command that is run for its answer. Its parent reads its status, so this is info only.
//!
//! A warning for the first two. A clean end is what systemd.service(5) calls one: status 0, SIGHUP, SIGINT, SIGTERM,
//! SIGPIPE, and 128 + one of them. Cites the kernel's record of the end and why it is a service.
//! Near miss: `grep` finding nothing, `test -f`, a pipeline's SIGPIPE, Ctrl-C, a supervisor's SIGTERM; a shell, which
//! ends with the status of its last command; `make`, a test runner, an ssh that fail after an hour. A crash and an
//! OOM kill are findings of their own.

use std::time::Duration;

use super::{Draft, Ended, Origin, Statement, programs};
use crate::config::DetectLimits;
use crate::kinds::shared::ending;
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal, signal_name};
use crate::text;

/// CPU time in percent of its life up to which a process was waiting for work rather than working something off.
const IDLE_PERCENT: u128 = 50;
/// A server forks a few helpers; what forks more runs other programs for a living.
const FEW_FORKS: u64 = 16;
const SIGKILL: u8 = 9;

/// Why something is a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Supervised,
    FirstOfContainer,
    Daemon,
    Unattended,
}

pub(super) fn detect(ended: &Ended<'_>, limits: &DetectLimits) -> Option<Draft> {
    let service = service(ended, limits)?;
    if !is_abnormal(ended, service) {
        return None;
    }
    let name = text::printable(&ended.process.name);
    let mut facts = ended.facts();
    facts.insert(1, Statement::new("monitor:process", why(ended, service)));
    if ended.exit.cause == ExitCause::Signal(SIGKILL) {
        let text = "SIGKILL, and not by the OOM killer: signal->oom_mm was not set; who sent it is not known";
        facts.insert(1, Statement::new("kernel:sched_process_exit", text));
    }
    let severity = if service == Service::Unattended { Severity::Info } else { Severity::Warning };
    let what = match service {
        Service::Supervised => "a supervised process",
        Service::FirstOfContainer => "a container's first process",
        Service::Daemon => "a daemon",
        Service::Unattended => "a long-lived process",
    };
    Some(Draft {
        kind: IncidentKind::AbnormalExit,
        severity,
        summary: format!(
            "{name}, {what}, ended by {} after {}.",
            ended.cause(),
            text::duration(Duration::from_millis(ended.exit.age_ms))
        ),
        facts,
        site: site(ended.exit.cause),
    })
}

fn service(ended: &Ended<'_>, limits: &DetectLimits) -> Option<Service> {
    if ended.is_service_managed() {
        let first = ended.is_first_of_container();
        return Some(if first { Service::FirstOfContainer } else { Service::Supervised });
    }
    if Duration::from_millis(ended.exit.age_ms) < limits.abnormal_exit_age
        || programs::is_shell(ended.process)
        || programs::is_command(ended.process)
    {
        return None;
    }
    // A process that no walk of /proc saw for that long has not lived that long.
    // Nor has one whose session leads out of our pid namespace (id 0) a session that could be told from another.
    let session = ended.session.filter(|session| !session.has_terminal && session.id != 0)?;
    let orphan = ended.process.ppid == 1;
    // daemon(3), a double fork, a script's `server &`: an interactive shell's job has a group of its own.
    if orphan && session.group == session.id {
        return Some(Service::Daemon);
    }
    let idle = ended.exit.cpu_ns.is_some_and(|cpu_ns| {
        u128::from(cpu_ns) * 100 <= u128::from(ended.exit.age_ms) * 1_000_000 * IDLE_PERCENT
    });
    let started = ended.origin == Origin::Started && !programs::is_shell_name(ended.parent_name);
    let few_forks = ended.forks.unwrap_or(0) <= FEW_FORKS;
    (started && idle && few_forks).then_some(Service::Unattended)
}

fn is_abnormal(ended: &Ended<'_>, service: Service) -> bool {
    match ended.exit.cause {
        ExitCause::Status(status) => ended.is_failure(status),
        // Findings of their own.
        ExitCause::Signal(signal) if is_crash_signal(signal) || ended.exit.oom_killed => false,
        // The one who started it kills it, as a rule: a test, a time limit.
        ExitCause::Signal(SIGKILL) => service != Service::Unattended,
        ExitCause::Signal(signal) => !ending::is_expected_signal(signal),
        ExitCause::Unknown => false,
    }
}

fn why(ended: &Ended<'_>, service: Service) -> String {
    let parent = text::printable(ended.parent_name);
    match service {
        Service::Supervised => format!("it is supervised: {parent} (pid {}) started it", ended.process.ppid),
        Service::FirstOfContainer => "it is what its container was started for: pid 1 in there".to_owned(),
        Service::Daemon => {
            "it is a daemon: whoever started it is gone, and it has no terminal; nobody else reads its status"
                .to_owned()
        }
        Service::Unattended => {
            format!(
                "it had no terminal and mostly waited; {parent} (pid {}) reads its status",
                ended.process.ppid
            )
        }
    }
}

/// Equal for equal ends.
fn site(cause: ExitCause) -> String {
    match cause {
        ExitCause::Status(status) => format!("status {status}"),
        ExitCause::Signal(signal) => signal_name(signal),
        ExitCause::Unknown => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::shared::ending::fixture::{ended, exit, process};
    use crate::model::{ExitRecord, ProcessInfo};
    use crate::observation::Session;

    const OWN: Session = Session { id: 42, group: 42, has_terminal: false };
    const TERMINAL: Session = Session { id: 42, group: 42, has_terminal: true };

    /// Pid 42, started by `parent_name` (pid `ppid`), lived for `age_s`.
    fn check(
        what: &str,
        (name, argv): (&str, &[&str]),
        (ppid, parent_name, origin): (u32, &str, Origin),
        (session, age_s): (Option<Session>, u64),
        cause: ExitCause,
        want: Option<Severity>,
    ) {
        let process = ProcessInfo {
            ppid,
            name: name.into(),
            exe: Some(format!("/usr/bin/{name}")),
            argv: argv.iter().map(|&it| it.to_owned()).collect(),
            ..process()
        };
        let exit = ExitRecord { age_ms: age_s * 1000, cpu_ns: Some(12_000_000), ..exit(cause) };
        let it = Ended { parent_name, origin, session, ..ended(&process, &exit, &[]) };
        let draft = detect(&it, &DetectLimits::default());
        assert_eq!(draft.as_ref().map(|it| it.severity), want, "{what}");
    }

    #[test]
    fn services_end_abnormally() {
        use ExitCause::{Signal, Status};
        use Origin::{Forked, Found, Orphan, Started};
        let app = ("app", &["app", "--serve"][..]);
        let supervised = (7, "supervisord", Started);
        let warning = Some(Severity::Warning);
        for (cause, want) in [
            (Status(1), warning),
            (Status(137), warning),
            (Status(0), None),
            (Status(143), None),
            (Signal(9), warning),
            (Signal(14), warning),
            (Signal(15), None),
            (Signal(1), None),
            (Signal(13), None),
            (Signal(11), None),
            (ExitCause::Unknown, None),
        ] {
            check("supervised", app, supervised, (None, 0), cause, want);
            check("a child of init", app, (1, "systemd", Started), (None, 0), cause, want);
            check("found at the start", app, (1, "systemd", Found), (Some(OWN), 90), cause, want);
            check("a daemon", app, (1, "process_api", Orphan), (Some(OWN), 60), cause, want);
            check("a forked daemon", app, (1, "init", Forked), (Some(OWN), 60), cause, want);
        }
        let python = (7, "python3", Started);
        check("unattended", app, python, (Some(OWN), 60), Status(3), Some(Severity::Info));
        check("killed by who started it", app, python, (Some(OWN), 60), Signal(9), None);
    }

    #[test]
    fn what_somebody_else_reads_is_quiet() {
        use ExitCause::Status;
        use Origin::{Forked, Orphan, Started};
        let app = ("app", &["app"][..]);
        let bash = (7, "bash", Started);
        let (long, no_terminal) = ((Some(OWN), 4000), Some(OWN));
        for (what, program, parent, life, status) in [
            ("grep finds nothing", ("grep", &["grep", "x"][..]), (1, "systemd", Started), (None, 0), 1),
            ("test says no", ("test", &["test", "-f", "x"]), (7, "containerd-shim", Started), (None, 0), 1),
            ("a person's program", app, bash, (Some(TERMINAL), 4000), 1),
            ("a script's program", app, bash, long, 1),
            ("make after an hour", ("make", &["make", "-k"]), (7, "agent", Started), long, 2),
            ("pytest", ("python3", &["python3", "-m", "pytest"]), (7, "agent", Started), long, 1),
            ("cargo test", ("cargo", &["cargo", "test"]), (7, "agent", Started), long, 101),
            ("a shell", ("bash", &["bash", "-c", "x"]), (7, "agent", Started), long, 1),
            ("a tool's shell", ("bash", &["bash", "-c", "x"]), (1, "process_api", Started), long, 1),
            ("an orphaned shell", ("sh", &["sh", "-c", "x"]), (1, "init", Orphan), long, 1),
            ("a tunnel", ("ssh", &["ssh", "-N", "x"]), (7, "autossh", Started), long, 255),
            ("not long enough", app, (7, "python3", Started), (no_terminal, 59), 1),
            ("an orphan, not long enough", app, (1, "init", Orphan), (no_terminal, 59), 1),
            ("an orphan that no walk saw", app, (1, "init", Orphan), (None, 4000), 1),
            ("a subshell of init's", app, (1, "init", Forked), (None, 0), 1),
        ] {
            check(what, program, parent, life, Status(status), None);
        }
        let job = Some(Session { id: 30, group: 42, has_terminal: false });
        check("a job that nohup kept", app, (1, "init", Orphan), (job, 4000), Status(1), None);
    }

    #[test]
    fn a_busy_process_works_something_off() {
        let process = process();
        for (cpu_ns, forks, want) in [
            (Some(10_000_000_000), None, true),
            (Some(10_000_000_000), Some(16), true),
            (Some(10_000_000_000), Some(17), false),
            (Some(90_000_000_000), None, false),
            (None, None, false),
        ] {
            let exit = ExitRecord { age_ms: 100_000, cpu_ns, ..exit(ExitCause::Status(1)) };
            let it =
                Ended { parent_name: "python3", session: Some(OWN), forks, ..ended(&process, &exit, &[]) };
            assert_eq!(detect(&it, &DetectLimits::default()).is_some(), want, "{cpu_ns:?} {forks:?}");
        }
    }

    #[test]
    fn a_containers_first_process_is_a_service_whatever_its_runtime() {
        for (parent_name, age_ms, want) in
            [("unshare", 1000, true), ("unshare", 999, false), ("bwrap", 9000, false)]
        {
            let (process, exit) =
                (process(), ExitRecord { ns_pid: Some(1), age_ms, ..exit(ExitCause::Status(3)) });
            let it = Ended { parent_name, ..ended(&process, &exit, &[]) };
            assert_eq!(detect(&it, &DetectLimits::default()).is_some(), want, "{parent_name} {age_ms}");
        }
        let process = ProcessInfo { container_id: Some("a".repeat(64)), ..process() };
        for (ns_pid, want) in [(Some(1), true), (Some(9), false), (None, false)] {
            let exit = ExitRecord { ns_pid, ..exit(ExitCause::Status(3)) };
            let it = Ended { parent_name: "youki", ..ended(&process, &exit, &[]) };
            let draft = detect(&it, &DetectLimits::default());
            assert_eq!(draft.is_some(), want, "{ns_pid:?}");
            if let Some(draft) = draft {
                assert_eq!(
                    draft.summary,
                    "worker, a container's first process, ended by exit status 3 after 3.2 s."
                );
                assert_eq!(draft.site, "status 3");
            }
        }
    }
}
