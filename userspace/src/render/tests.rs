//! Every sentence in other words changes no verdict, no severity and no fingerprint.

use std::cell::Cell;

thread_local! {
    /// Whether this thread's sentences are in other words.
    pub(super) static REWORDED: Cell<bool> = const { Cell::new(false) };
}
