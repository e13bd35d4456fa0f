//! What is stated of zombies.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;

facts! {
    /// The statements of this room.
    pub enum ZombieFact {
        /// Children of the process have ended, and it has not waited for them.
        Zombies {
            /// Unreaped children of the process.
            count: u64,
            /// Since the first of them ended, or was first seen so.
            oldest_ms: u64,
        },
        /// A few of the zombies, by name.
        AmongZombies {
            /// Their names and pids, the oldest first.
            named: Vec<Who>,
        },
    }
}
