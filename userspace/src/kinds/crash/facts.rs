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
        /// Its parent aborted it (SIGABRT), as those do that look after others, when one no longer answers.
        AbortedByParent {
            /// The parent, which sent the signal.
            parent: Who,
        },
    }
}
