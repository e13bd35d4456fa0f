//! What systemd was asked to stop or restart: no fault, whatever its status. Worth knowing where it did not end by itself
//! and systemd had to kill it.

use std::time::Duration;

use super::facts::AbnormalExitFact;
use crate::kinds::case::{CaseFile, Draft, Finding, Statement};
use crate::kinds::opinion::commands::{logs, step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, name};
use crate::kinds::shared::ending::Ended;
use crate::kinds::shared::unit;
use crate::kinds::words::duration_ms;
use crate::model::{Confidence, ExitCause, IncidentKind, Name, Severity};
use crate::observation::StopReason;

const SIGKILL: u8 = 9;
/// A SIGKILL so soon after a stop began is the unit's own way to be stopped (`KillSignal=`, or `TimeoutStopSec=0`).
const AT_ONCE: Duration = Duration::from_secs(1);

/// A finding about the main process of a unit that was asked to stop, where it took SIGKILL.
pub(super) fn detect(ended: &Ended<'_>) -> Option<Draft> {
    let word = ended.word?;
    let stop = word.stopped_in_order()?;
    let after = ended.at.saturating_sub(stop.since);
    let lost_patience = stop.killed.is_some() || after >= AT_ONCE;
    if ended.exit.cause != ExitCause::Signal(SIGKILL) || !ended.is_service_managed() || !lost_patience {
        return None;
    }
    let stopped = AbnormalExitFact::StoppedByKill {
        unit: (&*word.unit.name).into(),
        restart: stop.why == StopReason::Restart,
        after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
    };
    let mut facts = ended.facts();
    facts.insert(1, Statement::new(unit::SOURCE, stopped));
    Some(Draft {
        kind: IncidentKind::AbnormalExit,
        severity: Severity::Info,
        facts,
        site: "SIGKILL after a stop".to_owned(),
    })
}

/// The unit, whether it was to be started again, and how long it took.
pub(super) fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> Option<(&'a Name, bool, u64)> {
    file.cited(finding).find_map(|fact| match fact.data.as_abnormal_exit()? {
        AbnormalExitFact::StoppedByKill { unit, restart, after_ms } => Some((unit, *restart, *after_ms)),
        _ => None,
    })
}

/// What was asked of the unit.
pub(super) const fn asked(restart: bool) -> &'static str {
    if restart { "restart" } else { "stop" }
}

/// What to do about it.
pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Option<Opinion> {
    let (unit, restart, after_ms) = stated(file, finding)?;
    let what = asked(restart);
    let cause = format!(
        "systemd was asked to {what} {}, and {} did not end by itself: systemd sent SIGKILL after {}. What it had not \
         written by then is lost.",
        unit.shown(),
        name(file),
        duration_ms(after_ms)
    );
    let mut next_steps = vec![logs(file)];
    next_steps.extend(supervisor(file));
    next_steps.push(step(
        "How long it may take to stop, and by which signal it is asked to",
        format!(
            "systemctl show -p TimeoutStopUSec -p KillSignal -p KillMode -p ExecStop {}",
            crate::kinds::opinion::commands::quote(unit.raw())
        ),
    ));
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["systemd:"],
            "It ignores SIGTERM, or has no handler as pid 1 of a container",
        ),
        hypothesis(
            file,
            finding,
            &["systemd:"],
            "What it does when it is stopped takes longer than TimeoutStopSec= allows",
        ),
    ];
    Some(Opinion {
        cause,
        confidence: Confidence::High,
        sources: &["systemd:", "kernel:sched_process_exit"],
        hypotheses,
        next_steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DetectLimits;
    use crate::kinds::fixture::{case_of, told};
    use crate::kinds::shared::ending::fixture::{ended, exit, process};
    use crate::kinds::shared::unit::Word;
    use crate::model::ProcessInfo;
    use crate::observation::{Unit, UnitLife, UnitResult, UnitStop};

    /// What is found on the end of a main process 3 s after its unit's stop began.
    fn found(cause: ExitCause, why: StopReason, killed: bool, since: Duration) -> Option<Draft> {
        let unit = Unit::new("app.service".into());
        let killed = killed.then_some(since);
        let result = UnitResult::Timeout;
        let stopping = Some(UnitStop { since, why, killed });
        let life = UnitLife { stopping, result, ..UnitLife::default() };
        let process = ProcessInfo { ppid: 1, ..process() };
        let exit = exit(cause);
        let word = Some(Word { unit: &unit, life: &life, is_main: true });
        let it = Ended { word, at: Duration::from_secs(9), ..ended(&process, &exit) };
        super::super::detect(&it, &DetectLimits::default())
    }

    const SINCE: Duration = Duration::from_secs(6);

    #[test]
    fn a_stop_that_takes_sigkill_is_worth_knowing_and_no_page() {
        for (why, what) in [(StopReason::Stop, "stop"), (StopReason::Restart, "restart")] {
            for killed in [true, false] {
                let draft = found(ExitCause::Signal(SIGKILL), why, killed, SINCE).unwrap();
                assert_eq!(draft.severity, Severity::Info);
                let told = told(&draft);
                let want = format!("python3 was to {what} with app.service, and needed SIGKILL after 3.0 s.");
                assert_eq!(told.summary, want);
                let file = case_of(&draft);
                let opinion = judge(&file, &file.findings[0]).unwrap();
                assert!(opinion.cause.starts_with(&format!("systemd was asked to {what} app.service")));
            }
        }
    }

    #[test]
    fn a_stop_is_no_fault_however_it_ends() {
        for cause in
            [ExitCause::Status(1), ExitCause::Status(137), ExitCause::Signal(15), ExitCause::Signal(14)]
        {
            for why in [StopReason::Stop, StopReason::Restart, StopReason::InOrder] {
                assert_eq!(found(cause, why, true, SINCE), None, "{cause:?} {why:?}");
            }
        }
        let at_once = Duration::from_secs(9);
        assert_eq!(
            found(ExitCause::Signal(SIGKILL), StopReason::Stop, false, at_once),
            None,
            "KillSignal=SIGKILL"
        );
        // What systemd ends because it failed is told of the unit.
        assert_eq!(found(ExitCause::Signal(SIGKILL), StopReason::Failure, true, SINCE), None);
    }
}
