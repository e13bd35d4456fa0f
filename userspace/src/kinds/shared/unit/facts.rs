//! What is stated of a unit, by systemd's own word.

use crate::kinds::part::facts;
use crate::model::Name;
use crate::observation::{RestartPolicy, UnitResult};

facts! {
    /// The statements on units.
    pub enum UnitFact {
        /// How systemd says that the unit's life went.
        UnitOutcome {
            /// The unit's name.
            unit: Name,
            /// Its `Result`.
            result: UnitResult,
            /// `Restart=`; absent where it was not to be had.
            restart: Option<RestartPolicy>,
            /// How often `Restart=` had started it again by then.
            restarts: u32,
            /// Whether systemd starts it again after this.
            starts_it_again: bool,
        },
    }
}
