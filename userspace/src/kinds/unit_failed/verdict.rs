//! Failed units: what each of systemd's results means, and where the reason is to be found.

use super::facts::UnitFailedFact;
use super::words::failed;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, quote, step, window};
use crate::kinds::opinion::{Opinion, hypothesis};
use crate::kinds::shared::{ending, stack};
use crate::model::{Confidence, ExitCause, Hypothesis, NextStep};
use crate::observation::{UnitResult, UnitStage};

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let Some((unit, result, stage, _)) = failed(file, finding) else {
        return Opinion {
            cause: "systemd says that the unit failed.".to_owned(),
            confidence: Confidence::Low,
            sources: &["systemd:"],
            hypotheses: Vec::new(),
            next_steps: vec![
                logs(file),
                step("Which units failed", "systemctl list-units --failed --no-pager"),
            ],
        };
    };
    let (shown, quoted) = (unit.shown(), quote(unit.raw()));
    let (cause, confidence) = cause(file, finding, &shown, (result, stage));
    let mut next_steps = vec![
        step(
            "Recent log output, systemd's own included",
            format!("journalctl --no-pager -n 100 {} -u {quoted}", window(file)),
        ),
        step(
            "How systemd sees it: result, restarts, limits",
            format!("systemctl status --no-pager -l {quoted}"),
        ),
    ];
    next_steps.push(setting(result, &quoted));
    let hypotheses = hypotheses(file, finding, (result, stage));
    Opinion { cause, confidence, sources: &["systemd:"], hypotheses, next_steps }
}

fn cause(
    file: &CaseFile,
    finding: &Finding,
    unit: &str,
    (result, stage): (UnitResult, UnitStage),
) -> (String, Confidence) {
    let text = match (result, stage) {
        (UnitResult::Watchdog, _) => format!(
            "{unit} hung: it stopped telling systemd that it was alive (WATCHDOG=1), so systemd had it aborted.{}",
            stack::words::place(file, finding)
        ),
        (UnitResult::Timeout, UnitStage::Starting) => format!(
            "{unit} did not say that it was ready within the time that TimeoutStartSec= gives it. Where its program \
             does not send READY=1 at all, its Type= is wrong; else what it waits for at start is not there."
        ),
        (UnitResult::Timeout, UnitStage::Running) => format!(
            "{unit} ran until RuntimeMaxSec=, or its reload took too long: systemd ended it for that."
        ),
        (UnitResult::Timeout, UnitStage::Stopping) => {
            format!("{unit} had failed and did not end in time after that: systemd killed it.")
        }
        (UnitResult::StartLimitHit, _) => format!(
            "{unit} was started more often than StartLimitBurst= allows within StartLimitIntervalSec=. It stays down \
             until somebody starts it; why each start failed is in the incidents and the log before this."
        ),
        (UnitResult::Protocol, _) => format!(
            "{unit} ended, or left its main process, without what its Type= promises: a notification with \
             Type=notify, a bus name with Type=dbus, a PID file with Type=forking."
        ),
        (UnitResult::Resources, _) => format!(
            "systemd could not start a process of {unit} at all: a file of the unit, such as its EnvironmentFile= or \
             PIDFile=, a cgroup, memory or a socket was not to be had. Its log line says which."
        ),
        (UnitResult::ExecCondition, _) => {
            format!("The ExecCondition= of {unit} said that it is not to run here: that is as it was set.")
        }
        _ => return (ended(file, finding, unit), Confidence::Medium),
    };
    (text, Confidence::High)
}

/// By the end of a process that was not seen, or was none of a program's: systemd's own, before it became one.
fn ended(file: &CaseFile, finding: &Finding, unit: &str) -> String {
    let main = file.cited(finding).find_map(|fact| match fact.data.as_unit_failed()? {
        UnitFailedFact::MainEnded { cause, .. } => Some(*cause),
        _ => None,
    });
    match main {
        Some(ExitCause::Status(status @ 200..=243)) => format!(
            "systemd could not set up the process of {unit} before its program starts: status {status}, which \
             systemd.exec(5) explains (203 is a program that does not exist or cannot be run, 217 a user that does not)."
        ),
        Some(cause) => {
            format!(
                "A process of {unit} ended by {}, which systemd takes for a failure.",
                ending::words::cause(cause, false)
            )
        }
        None => format!("systemd takes the way a process of {unit} ended for a failure."),
    }
}

fn setting(result: UnitResult, unit: &str) -> NextStep {
    let (why, properties) = match result {
        UnitResult::Watchdog => {
            ("How long it may be silent, and who may speak for it", "WatchdogUSec NotifyAccess")
        }
        UnitResult::Timeout => (
            "How long it may take, and how it says that it is ready",
            "Type NotifyAccess TimeoutStartUSec TimeoutStopUSec RuntimeMaxUSec",
        ),
        UnitResult::StartLimitHit => (
            "How often it may be started, and how long systemd waits in between",
            "StartLimitBurst StartLimitIntervalUSec Restart RestartUSec NRestarts",
        ),
        UnitResult::Protocol => ("What its type promises", "Type NotifyAccess BusName PIDFile"),
        _ => ("What it is started with", "ExecStart ExecCondition EnvironmentFiles User WorkingDirectory"),
    };
    let properties: Vec<_> = properties.split(' ').map(|it| format!("-p {it}")).collect();
    step(why, format!("systemctl show {} {unit}", properties.join(" ")))
}

fn hypotheses(
    file: &CaseFile,
    finding: &Finding,
    (result, stage): (UnitResult, UnitStage),
) -> Vec<Hypothesis> {
    let causes: &[&str] = match (result, stage) {
        (UnitResult::Watchdog, _) => &[
            "A lock that is never released, or an endless loop, in the thread that speaks to the watchdog",
            "The host was so busy, or its memory so short, that it got no CPU in time",
        ],
        (UnitResult::Timeout, UnitStage::Starting) => &[
            "Something it waits for at start, such as a database, a name or a mount, is not there",
            "Its program does not send READY=1, or not from a process that NotifyAccess= allows",
        ],
        (UnitResult::StartLimitHit, _) => {
            &["Something that is there at each start, such as its configuration, is wrong"]
        }
        _ => &[],
    };
    causes.iter().map(|cause| hypothesis(file, finding, &["systemd:"], *cause)).collect()
}
