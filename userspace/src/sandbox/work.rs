//! What confined processes are for.

use serde::{Deserialize, Serialize};

/// What a process still has to do, once it is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// To parse what it is handed: no file, no privilege.
    Parse,
    /// To open files of other processes, for which it keeps the privilege to look at them, and no other.
    Open,
}
