//! Which ends of a service are abnormal, and which somebody else reads.

use super::*;
use crate::kinds::fixture::told;
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
    let it = Ended { parent_name, origin, session, ..ended(&process, &exit) };
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
        let it = Ended { parent_name: "python3", session: Some(OWN), forks, ..ended(&process, &exit) };
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
        let it = Ended { parent_name, ..ended(&process, &exit) };
        assert_eq!(detect(&it, &DetectLimits::default()).is_some(), want, "{parent_name} {age_ms}");
    }
    let process = ProcessInfo { container_id: Some("a".repeat(64)), ..process() };
    for (ns_pid, want) in [(Some(1), true), (Some(9), false), (None, false)] {
        let exit = ExitRecord { ns_pid, ..exit(ExitCause::Status(3)) };
        let it = Ended { parent_name: "youki", ..ended(&process, &exit) };
        let draft = detect(&it, &DetectLimits::default());
        assert_eq!(draft.is_some(), want, "{ns_pid:?}");
        if let Some(draft) = draft {
            assert_eq!(
                told(&draft).summary,
                "python3, a container's first process, ended by exit status 3 after 3.2 s."
            );
            assert_eq!(draft.site, "status 3");
        }
    }
}
