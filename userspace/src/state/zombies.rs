//! Processes that ended and were not waited for, as scans see them.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{Name, ProcessKey};
use crate::observation::SeenProcess;
use crate::state::process::lossy;

/// A process that ended and was not reaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zombie {
    /// The zombie, by pid and start time.
    pub key: ProcessKey,
    /// The pid of its parent.
    pub ppid: u32,
    /// Its `comm`: at most 15 bytes that the process chose.
    pub name: Name,
    /// When it ended, or was first seen so, on CLOCK_BOOTTIME.
    pub since: Duration,
    /// When a scan last saw it.
    seen: Duration,
}

/// Every zombie of the host, by pid and start time.
#[derive(Debug, Default)]
pub struct Zombies(HashMap<ProcessKey, Zombie>);

impl Zombies {
    /// A scan saw one, which ended at `since` as far as is known.
    pub fn add(&mut self, seen: &SeenProcess, since: Duration, now: Duration) {
        let new =
            || Zombie { key: seen.key, ppid: seen.ppid, name: lossy(&seen.comm).into(), since, seen: now };
        let it = self.0.entry(seen.key).or_insert_with(new);
        (it.ppid, it.seen) = (seen.ppid, now);
    }

    /// Forgets those that no scan since `began` saw: they were reaped.
    pub fn forget_unseen(&mut self, began: Duration) {
        self.0.retain(|_, it| it.seen >= began);
    }

    /// Whether it is one.
    pub fn has(&self, key: ProcessKey) -> bool {
        self.0.contains_key(&key)
    }

    /// Every zombie, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Zombie> {
        self.0.values()
    }
}
