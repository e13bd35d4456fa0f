//! What is stated of crash loops alone.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;

facts! {
    /// The statements of this room.
    pub enum CrashLoopFact {
        /// The program has died again and again.
        Deaths {
            /// How often within the window.
            count: u64,
            /// From the first of these deaths to the last, in milliseconds.
            within_ms: u64,
            /// From one to the next on average, in milliseconds.
            apart_ms: u64,
            /// Whether they come faster or more slowly than they did; absent for too few to tell.
            pace: Option<Pace>,
        },
        /// The parent, which is no known supervisor, has started it again each time.
        StartedAgain {
            /// The program that starts it again.
            by: Who,
            /// How often, without a success in between.
            times: u64,
            /// From an end to the next start, typically, in milliseconds.
            pause_ms: u64,
        },
    }
}

facts! {
    /// How the later half of the times between deaths compares with the earlier.
    pub choice Pace {
        /// They are longer: what starts the program backs off.
        SlowingDown,
        /// The times between deaths get shorter.
        SpeedingUp,
        /// They are the same.
        Steady,
    }
}
