//! What is stated of units that failed.

use crate::kinds::part::facts;
use crate::model::{ExitCause, Name};
use crate::observation::{UnitResult, UnitStage};

facts! {
    /// The statements of this room.
    pub enum UnitFailedFact {
        /// systemd says that the unit failed.
        UnitFailed {
            /// The unit's name.
            unit: Name,
            /// Its `Result`.
            result: UnitResult,
            /// What it was doing.
            stage: UnitStage,
            /// The limit of time that it exceeded; absent where none was, or it was not to be had.
            limit_ms: Option<u64>,
        },
        /// How its main process ended, by systemd's own account.
        MainEnded {
            /// Its pid, in the host's pid namespace.
            pid: u32,
            /// By which exit status or signal.
            cause: ExitCause,
        },
        /// How the life before this one went.
        BeforeThat {
            /// The unit's `Result` then.
            result: UnitResult,
        },
    }
}
