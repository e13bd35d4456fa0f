//! Pure: what systemd says, in words of ours. Spellings are those of systemd's tables: src/core/service.c
//! (`service_result_table`, `service_restart_table`), src/core/job.c (`job_type_table`), src/basic/unit-def.c.

use std::time::Duration;

use crate::model::ExitCause;
use crate::observation::{JobKind, RestartPolicy, UnitResult, UnitState};

/// What one message says of a unit; absent: not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `ActiveState` and `SubState`.
    pub(super) state: Option<(UnitState, bool)>,
    /// `Job`: its id, 0 for none.
    pub(super) job: Option<u32>,
    pub(super) result: Option<UnitResult>,
    /// `ExecMainPID`, 0 for none.
    pub(super) main_pid: Option<u32>,
    /// `ExecMainCode` and `ExecMainStatus`; `None` inside: it has not ended.
    pub(super) main_cause: Option<Option<ExitCause>>,
    /// `ExecMainExitTimestampMonotonic`, as time since boot.
    pub(super) main_ended: Option<Duration>,
    pub(super) restarts: Option<u32>,
}

impl Said {
    /// With what a later message of the same pair says.
    pub(super) fn and(self, later: Self) -> Self {
        Self {
            state: later.state.or(self.state),
            job: later.job.or(self.job),
            result: later.result.or(self.result),
            main_pid: later.main_pid.or(self.main_pid),
            main_cause: later.main_cause.or(self.main_cause),
            main_ended: later.main_ended.or(self.main_ended),
            restarts: later.restarts.or(self.restarts),
        }
    }
}

/// What stays the same while a unit file does: it is asked for, as no signal tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) restart: Option<RestartPolicy>,
    pub(super) start_timeout: Option<Duration>,
    pub(super) stop_timeout: Option<Duration>,
    pub(super) watchdog: Option<Duration>,
}

/// `ActiveState` and `SubState`; beside it whether systemd has just sent SIGKILL.
pub(super) fn state(active: &str, sub: &str) -> (UnitState, bool) {
    let state = match active {
        // Down between two lives: of version 254 on these have states of their own.
        _ if sub.contains("auto-restart") => UnitState::WaitsToRestart,
        "active" | "refreshing" => UnitState::Running,
        "reloading" => UnitState::Reloading,
        "activating" => UnitState::Starting,
        "deactivating" => UnitState::Stopping,
        "failed" => UnitState::Failed,
        _ => UnitState::Inactive,
    };
    (state, matches!(sub, "stop-sigkill" | "final-sigkill"))
}

pub(super) fn result(word: &str) -> UnitResult {
    match word {
        "success" => UnitResult::Success,
        "resources" => UnitResult::Resources,
        "protocol" => UnitResult::Protocol,
        "timeout" => UnitResult::Timeout,
        "exit-code" => UnitResult::ExitCode,
        "signal" => UnitResult::Signal,
        "core-dump" => UnitResult::CoreDump,
        "watchdog" => UnitResult::Watchdog,
        "start-limit-hit" => UnitResult::StartLimitHit,
        "oom-kill" => UnitResult::OomKill,
        "exec-condition" => UnitResult::ExecCondition,
        _ => UnitResult::Other,
    }
}

pub(super) fn restart(word: &str) -> Option<RestartPolicy> {
    Some(match word {
        "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "on-success" => RestartPolicy::OnSuccess,
        "on-failure" => RestartPolicy::OnFailure,
        "on-abnormal" => RestartPolicy::OnAbnormal,
        "on-watchdog" => RestartPolicy::OnWatchdog,
        "on-abort" => RestartPolicy::OnAbort,
        _ => return None,
    })
}

pub(super) fn job(word: &str) -> JobKind {
    match word {
        "start" | "verify-active" => JobKind::Start,
        "stop" => JobKind::Stop,
        "restart" | "try-restart" => JobKind::Restart,
        _ => JobKind::Other,
    }
}

/// `ExecMainCode` is what waitid(2) calls `si_code`; 0: it has not ended.
pub(super) fn cause(code: i32, status: i32) -> Option<ExitCause> {
    const CLD_EXITED: i32 = 1;
    const CLD_KILLED: i32 = 2;
    const CLD_DUMPED: i32 = 3;
    let number = u8::try_from(status).ok();
    Some(match (code, number) {
        (0, _) => return None,
        (CLD_EXITED, Some(status)) => ExitCause::Status(status),
        (CLD_KILLED | CLD_DUMPED, Some(signal)) => ExitCause::Signal(signal),
        _ => ExitCause::Unknown,
    })
}

/// A time span on the bus: microseconds; 0 and all ones mean none (systemd src/basic/time-util.h, `USEC_INFINITY`).
pub(super) fn span(microseconds: u64) -> Option<Duration> {
    (microseconds != 0 && microseconds != u64::MAX).then(|| Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart_by_both_words() {
        for (active, sub, want) in [
            ("active", "running", (UnitState::Running, false)),
            ("active", "exited", (UnitState::Running, false)),
            ("reloading", "reload", (UnitState::Reloading, false)),
            ("activating", "start", (UnitState::Starting, false)),
            ("activating", "start-pre", (UnitState::Starting, false)),
            ("activating", "auto-restart", (UnitState::WaitsToRestart, false)),
            ("activating", "auto-restart-queued", (UnitState::WaitsToRestart, false)),
            ("failed", "failed-before-auto-restart", (UnitState::WaitsToRestart, false)),
            ("inactive", "dead-before-auto-restart", (UnitState::WaitsToRestart, false)),
            ("deactivating", "stop-sigterm", (UnitState::Stopping, false)),
            ("deactivating", "stop-sigkill", (UnitState::Stopping, true)),
            ("deactivating", "final-sigkill", (UnitState::Stopping, true)),
            ("deactivating", "stop-watchdog", (UnitState::Stopping, false)),
            ("failed", "failed", (UnitState::Failed, false)),
            ("inactive", "dead", (UnitState::Inactive, false)),
            ("maintenance", "cleaning", (UnitState::Inactive, false)),
            ("of-tomorrow", "x", (UnitState::Inactive, false)),
        ] {
            assert_eq!(state(active, sub), want, "{active} {sub}");
        }
    }

    #[test]
    fn a_main_processs_end_is_as_waitid_says() {
        for (code, status, want) in [
            (0, 0, None),
            (1, 3, Some(ExitCause::Status(3))),
            (2, 9, Some(ExitCause::Signal(9))),
            (3, 6, Some(ExitCause::Signal(6))),
            (1, 300, Some(ExitCause::Unknown)),
            (2, -1, Some(ExitCause::Unknown)),
            (6, 0, Some(ExitCause::Unknown)),
        ] {
            assert_eq!(cause(code, status), want, "{code} {status}");
        }
        assert_eq!([span(0), span(u64::MAX), span(3)], [None, None, Some(Duration::from_micros(3))]);
    }

    #[test]
    fn words_of_tomorrow_are_no_error() {
        assert_eq!(result("condition"), UnitResult::Other);
        assert_eq!(restart("on-tuesday"), None);
        assert_eq!(job("nop"), JobKind::Other);
        assert_eq!((job("try-restart"), job("stop")), (JobKind::Restart, JobKind::Stop));
    }
}
