//! After each scan: whose children are zombies.

use std::collections::HashMap;

use super::detect;
use crate::kinds::watch::{Found, View, Watch};
use crate::state::zombies::Zombie;
use std::time::Duration;

/// Scans keep the zombies themselves: nothing else is remembered.
pub struct ZombieWatch;

impl Watch for ZombieWatch {
    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let mut by_parent: HashMap<u32, Vec<&Zombie>> = HashMap::new();
        for zombie in view.zombies.iter() {
            by_parent.entry(zombie.ppid).or_default().push(zombie);
        }
        for (parent, zombies) in by_parent {
            let Some(parent) = view.table.live_by_pid(parent).and_then(|it| view.suspect(it.key)) else {
                continue;
            };
            let draft = detect(&zombies, view.now, view.limits);
            found.extend(draft.map(|draft| Found { draft, process: parent.info() }));
        }
    }
}
