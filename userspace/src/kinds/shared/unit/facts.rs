//! What is stated of a unit, by systemd's own word.

use crate::kinds::part::facts;
use crate::model::Name;

facts! {
    /// The statements on units.
    pub enum UnitFact {
        /// How systemd says that the unit's life went.
        UnitOutcome {
            /// The unit's name.
            unit: Name,
            /// Its `Result`.
            result: Outcome,
            /// `Restart=`; absent where it was not to be had.
            restart: Option<Restart>,
            /// How often `Restart=` had started it again by then.
            restarts: u32,
            /// Whether systemd starts it again after this.
            starts_it_again: bool,
        },
    }
}

facts! {
    /// `Result` of a unit (systemd.exec(5), `$SERVICE_RESULT`).
    pub choice Outcome {
        /// Nothing went wrong.
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
        /// Another one.
        Other,
    }
}

facts! {
    /// `Restart=` of systemd.service(5).
    pub choice Restart {
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
}
