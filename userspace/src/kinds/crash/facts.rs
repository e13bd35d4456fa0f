//! What is stated of crashes alone.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum CrashFact {
        /// It was started below a test runner: it may have been meant to crash.
        BelowTestRunner {
            /// The name of the test runner among its ancestors.
            runner: Name,
        },
        /// It was a copy of its parent, which goes on, and ended itself as soon as it was made: so are such ends tested.
        EndedAtOnce {
            /// The parent.
            parent: Who,
        },
        /// Its parent aborted it (SIGABRT), as those do that look after others, when one no longer answers.
        AbortedByParent {
            /// The parent, which sent the signal.
            parent: Who,
        },
    }
}
