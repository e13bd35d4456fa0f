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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture::view::{PID, SCAN, Short, World};
    use crate::model::Severity;
    use crate::observation::SeenProcess;

    /// So many zombies of a parent, from this pid on.
    fn zombies(world: &World<ZombieWatch>, parent: u32, first: u32, count: u32) -> Vec<SeenProcess> {
        let zombie = |pid| SeenProcess { state: 'Z', ppid: parent, ..world.process(pid) };
        (first..first + count).map(zombie).collect()
    }

    /// What two minutes of scans find, each with the time since zombies were there; `seen` is given the scan's number.
    fn found(seen: impl Fn(&World<ZombieWatch>, u32) -> Vec<SeenProcess>) -> Vec<(u64, Short)> {
        let mut world = World::new(ZombieWatch);
        let mut scan = 0;
        let first = world.scan_for(12 * SCAN, |world, _| {
            scan += 1;
            seen(world, scan)
        });
        first.into_iter().map(|(age, it)| ((age - SCAN).as_secs(), it)).collect()
    }

    #[test]
    fn a_parent_that_does_not_reap_is_found_once_enough_have_waited() {
        let piled_up =
            found(|world, _| [vec![world.process(PID)], zombies(world, PID, PID + 10, 10)].concat());
        assert_eq!(piled_up, [(60, (PID, Severity::Warning))]);
    }

    #[test]
    fn what_is_reaped_or_few_is_not() {
        let parents = |world: &World<ZombieWatch>| vec![world.process(PID), world.process(PID + 1)];
        let few = found(|world, _| [parents(world), zombies(world, PID, PID + 10, 9)].concat());
        assert_eq!(few, [], "one fewer");
        let of_two = found(|world, _| {
            let both = [zombies(world, PID, PID + 10, 9), zombies(world, PID + 1, PID + 30, 9)];
            [parents(world), both.concat()].concat()
        });
        assert_eq!(of_two, [], "two parents");
        let reaped_late = found(|world, scan| {
            let first = PID + 10 + scan / 6 * 100;
            [parents(world), zombies(world, PID, first, 50)].concat()
        });
        assert_eq!(reaped_late, [], "reaped every minute");
    }

    #[test]
    fn a_parent_that_is_gone_or_the_kernels_is_not_blamed() {
        let gone = found(|world, _| zombies(world, PID, PID + 10, 50));
        assert_eq!(gone, []);
        let kernel = found(|world, _| {
            let parent = SeenProcess { kernel_thread: true, ..world.process(PID) };
            [vec![parent], zombies(world, PID, PID + 10, 50)].concat()
        });
        assert_eq!(kernel, []);
    }
}
