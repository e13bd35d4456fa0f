//! Pieces of statements that several rooms share.

use super::part::facts;
use crate::model::Name;

facts! {
    /// A process, as a statement names it.
    pub struct Who {
        /// Its `comm`.
        pub name: Name,
        /// Its pid.
        pub pid: u32,
    }
}
