//! What systemd says of one of its units: how it stands, what it is asked to do, and how its last two lives went.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ExitCause;

/// A unit of the system's service manager, as it is after the last thing that systemd said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name, such as `nginx.service`.
    pub name: Arc<str>,
    /// When that was heard, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// How it stands.
    pub state: UnitState,
    /// What it is asked to do at the moment.
    pub job: Option<JobKind>,
    /// `Restart=`; absent where it was not to be had.
    pub restart: Option<RestartPolicy>,
    /// How long it may take to start.
    pub start_timeout: Option<Duration>,
    /// How long it may take to stop.
    pub stop_timeout: Option<Duration>,
    /// Within what time its watchdog wants a sign of life.
    pub watchdog: Option<Duration>,
    /// How often `Restart=` has started it again (`NRestarts`).
    pub restarts: u32,
    /// The life that it has, or had last.
    pub life: UnitLife,
    /// The one before.
    pub before: Option<UnitLife>,
}

/// From a start of a unit to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitLife {
    /// Its main process (`ExecMain…`).
    pub main: Option<MainProcess>,
    /// `Result`: how it went so far.
    pub result: UnitResult,
    /// What it was doing when it went wrong.
    pub failed_while: Option<UnitStage>,
    /// Since when, and why, it is being ended or was.
    pub stopping: Option<UnitStop>,
    /// When it was over.
    pub over: Option<Duration>,
    /// Whether systemd starts it again by itself: seen, not guessed.
    pub starts_again: bool,
}

/// A unit's main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainProcess {
    /// Its pid, in the host's pid namespace.
    pub pid: u32,
    /// How and when (CLOCK_BOOTTIME) it ended, by systemd's own account.
    pub ended: Option<(Duration, ExitCause)>,
}

/// That a unit is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitStop {
    /// When that was heard, on CLOCK_BOOTTIME.
    pub since: Duration,
    /// Why.
    pub why: StopReason,
    /// When systemd lost its patience and sent SIGKILL.
    pub killed: Option<Duration>,
}

/// Why a unit is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked for its stop.
    Stop,
    /// Somebody asked for its restart.
    Restart,
    /// Nothing went wrong and no job says who asked: its work is done, or what it is bound to goes.
    InOrder,
    /// Something went wrong: its `Result` says what.
    Failure,
}

impl StopReason {
    /// Whether nothing had gone wrong before.
    pub const fn is_in_order(self) -> bool {
        !matches!(self, Self::Failure)
    }
}

/// How a unit stands (`ActiveState`, with the parts of `SubState` that matter here).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitState {
    /// Not running, and nothing wrong.
    #[default]
    Inactive,
    /// Being started.
    Starting,
    /// Up.
    Running,
    /// Up, and reads its configuration again.
    Reloading,
    /// Being ended.
    Stopping,
    /// Not running, as something went wrong.
    Failed,
    /// Down, and to be started again in a moment by `Restart=`.
    WaitsToRestart,
}

impl UnitState {
    /// Whether processes of it may run.
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Reloading | Self::Stopping)
    }
}

/// What a unit was doing when something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitStage {
    /// It was being started.
    Starting,
    /// It was up.
    Running,
    /// It was being ended.
    Stopping,
}

/// What systemd was asked to do with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// To start it.
    Start,
    /// To end it.
    Stop,
    /// To end it and start it again.
    Restart,
    /// Something else, such as a reload; or it was done before its kind could be read.
    Other,
}

/// `Restart=` of systemd.service(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// `no`
    No,
    /// `always`
    Always,
    /// `on-success`
    OnSuccess,
    /// `on-failure`
    OnFailure,
    /// `on-abnormal`
    OnAbnormal,
    /// `on-watchdog`
    OnWatchdog,
    /// `on-abort`
    OnAbort,
}

/// `Result` of a unit (systemd src/core/service.c, `service_result_table`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitResult {
    /// Nothing went wrong.
    #[default]
    Success,
    /// Something it needs to be started at all was not to be had.
    Resources,
    /// It did not do what its type promises.
    Protocol,
    /// It took too long.
    Timeout,
    /// A process of it ended by a status other than 0.
    ExitCode,
    /// A process of it ended by a signal.
    Signal,
    /// A process of it ended by a signal and dumped core.
    CoreDump,
    /// It gave its watchdog no sign of life.
    Watchdog,
    /// It was started too often in too short a time.
    StartLimitHit,
    /// The OOM killer ended a process of it.
    OomKill,
    /// Its `ExecCondition=` said no.
    ExecCondition,
    /// One that this version does not know.
    Other,
}

impl UnitResult {
    /// Whether systemd itself ended the unit's processes for it, so that none of their ends explains it.
    pub const fn is_systemds_doing(self) -> bool {
        matches!(self, Self::Timeout | Self::Watchdog | Self::Protocol | Self::Resources)
    }
}

impl Unit {
    /// Whether systemd starts it again after this life: as it was seen to, else as `Restart=` says
    /// (systemd src/core/service.c, `service_shall_restart`).
    pub fn starts_again_after(&self, life: &UnitLife) -> bool {
        let in_order = life.stopping.is_some_and(|stop| stop.why.is_in_order());
        let will = self.restart.is_some_and(|policy| policy.restarts_after(life.result));
        life.starts_again || (life.over.is_none() && !in_order && will)
    }
}

impl RestartPolicy {
    const fn restarts_after(self, result: UnitResult) -> bool {
        use UnitResult::{CoreDump, ExecCondition, ExitCode, Signal, Success, Watchdog};
        match self {
            Self::No => false,
            Self::Always => !matches!(result, ExecCondition),
            Self::OnSuccess => matches!(result, Success),
            Self::OnFailure => !matches!(result, Success | ExecCondition),
            Self::OnAbnormal => !matches!(result, Success | ExitCode | ExecCondition),
            Self::OnWatchdog => matches!(result, Watchdog),
            Self::OnAbort => matches!(result, Signal | CoreDump),
        }
    }
}

impl Unit {
    /// One that is not running and of which nothing else is known.
    pub fn new(name: Arc<str>) -> Self {
        Self {
            name,
            at: Duration::ZERO,
            state: UnitState::Inactive,
            job: None,
            restart: None,
            start_timeout: None,
            stop_timeout: None,
            watchdog: None,
            restarts: 0,
            life: UnitLife::default(),
            before: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_says_after_what_it_is_started_again() {
        use RestartPolicy::{Always, No, OnAbnormal, OnAbort, OnFailure, OnSuccess, OnWatchdog};
        use UnitResult::{ExecCondition, ExitCode, Signal, Success, Watchdog};
        let all = [No, Always, OnSuccess, OnFailure, OnAbnormal, OnWatchdog, OnAbort];
        for (result, want) in [
            (Success, &[Always, OnSuccess][..]),
            (ExitCode, &[Always, OnFailure]),
            (Signal, &[Always, OnFailure, OnAbnormal, OnAbort]),
            (Watchdog, &[Always, OnFailure, OnAbnormal, OnWatchdog]),
            (ExecCondition, &[]),
        ] {
            let does: Vec<_> = all.into_iter().filter(|it| it.restarts_after(result)).collect();
            assert_eq!(does, want, "{result:?}");
        }
    }

    #[test]
    fn what_was_seen_counts_more_than_what_is_set() {
        let unit = Unit { restart: Some(RestartPolicy::Always), ..Unit::new("a.service".into()) };
        let failed = UnitLife { result: UnitResult::ExitCode, ..UnitLife::default() };
        let over = UnitLife { over: Some(Duration::ZERO), ..failed.clone() };
        let seen = UnitLife { starts_again: true, ..over.clone() };
        let stop = UnitStop { since: Duration::ZERO, why: StopReason::Stop, killed: None };
        let stopped = UnitLife { stopping: Some(stop), ..failed.clone() };
        let again = [failed, over, seen, stopped].map(|life| unit.starts_again_after(&life));
        assert_eq!(again, [true, false, true, false]);
        let unknown = Unit::new("a.service".into());
        assert!(!unknown.starts_again_after(&UnitLife::default()));
    }
}
