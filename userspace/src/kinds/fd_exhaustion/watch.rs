//! Scan after scan: who is close to its limit of descriptors, and whose descriptors grow.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::inotify::Inotify;
use super::{FdUse, descriptors, leak, near_limit};
use crate::kinds::case::Draft;
use crate::kinds::shared::trend::watch::{Growing, Points};
use crate::kinds::watch::{Found, View, Watch};
use crate::model::ProcessKey;
use crate::observation::SeenProcess;
use crate::state::{Measure, Process};

/// Most processes whose descriptors are looked at in one scan.
const LISTINGS: usize = 8;

/// Who was close to the limit, and who was growing, at the last scan.
#[derive(Default)]
pub struct DescriptorWatch {
    /// For how many scans in a row; no more than there are processes.
    near: HashMap<ProcessKey, u32>,
    growing: Growing,
    /// Processes whose descriptors were looked at in the scan under way.
    listings: usize,
    inotify: Inotify,
}

impl Watch for DescriptorWatch {
    fn saw(&mut self, seen: &SeenProcess, view: View<'_>, found: &mut Vec<Found>) {
        let high =
            seen.fds.zip(seen.fd_limit).filter(|(open, limit)| FdUse::is_high(*open, *limit, view.limits));
        let Some((open, limit)) = high else {
            self.near.remove(&seen.key);
            return;
        };
        let Some(process) = view.suspect(seen.key) else { return };
        let scans = self.near.entry(seen.key).or_default();
        *scans = scans.saturating_add(1);
        let fds = FdUse { open, limit, scans: *scans };
        if let Some(mut draft) = near_limit(fds, view.limits) {
            add_kinds(&mut draft, &mut self.listings, &view.sources.proc_root, (seen.key, open));
            found.push(Found { draft, process: process.info() });
        }
    }

    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let Self { near, growing, listings, inotify } = self;
        near.retain(|key, _| view.suspect(*key).is_some());
        let leaks = growing.judge_all(view, |key, series, limits| {
            let open = series.latest(Measure::Fds)?;
            let points = Points::of(series, Measure::Fds, limits);
            // Close to the limit it was found as that already.
            let is_near = near.get(&key).is_some_and(|scans| *scans >= limits.fd_scans);
            if is_near || !points.grew_by(f64::from(limits.growth.fd_growth)) {
                return None;
            }
            let process = view.suspect(key)?;
            let peak_before = |since| series.peak_before(Measure::Fds, since);
            let mut draft = leak(points.past(&peak_before), open, process.fd_limit, limits)?;
            add_kinds(&mut draft, listings, &view.sources.proc_root, (key, open));
            Some(Found { draft, process: process.info() })
        });
        found.extend(leaks);
        for (key, it) in inotify.scanned(view) {
            let process = view.suspect(key).map(Process::info);
            found.extend(process.map(|process| Found { draft: it.draft(), process }));
        }
        *listings = 0;
    }

    fn forget(&mut self, key: ProcessKey) {
        self.near.remove(&key);
    }
}

/// Adds what the newest descriptors are, unless enough processes were looked at in this scan.
fn add_kinds(draft: &mut Draft, listings: &mut usize, proc_root: &Path, (key, open): (ProcessKey, u64)) {
    if *listings < LISTINGS {
        *listings += 1;
        draft.facts.extend(descriptors::statement(&descriptors::newest(proc_root, key), open));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture::view::{Curve, PID, Short, TEN_MINUTES, World};
    use crate::model::Severity;

    type Host = World<DescriptorWatch>;

    fn holding(world: &Host, open: u64, limit: Option<u64>) -> SeenProcess {
        SeenProcess { fds: Some(open), fd_limit: limit, ..world.process(PID) }
    }

    /// What each of some scans finds of a process with so many descriptors of 1000.
    fn near(counts: &[u64]) -> Vec<Vec<Short>> {
        let mut world = World::new(DescriptorWatch::default());
        let seen = |world: &Host, open| holding(world, open, Some(1000));
        counts
            .iter()
            .map(|open| seen(&world, *open))
            .collect::<Vec<_>>()
            .iter()
            .map(|it| world.scan(std::slice::from_ref(it)))
            .collect()
    }

    #[test]
    fn close_to_the_limit_for_two_scans_is_found() {
        let (warning, critical) = (vec![(PID, Severity::Warning)], vec![(PID, Severity::Critical)]);
        assert_eq!(near(&[900, 900, 999]), [vec![], warning.clone(), warning]);
        assert_eq!(near(&[1000, 1000]), [vec![], critical]);
        for (what, counts) in [
            ("just below", &[899, 899, 899][..]),
            ("peaks", &[950, 100, 950, 100, 950]),
            ("many, and far from the limit", &[800, 801, 802]),
        ] {
            assert_eq!(near(counts).concat(), [], "{what}");
        }
    }

    #[test]
    fn the_limit_must_be_known_and_the_process_the_same() {
        let mut world = World::new(DescriptorWatch::default());
        let unlimited = holding(&world, 5000, None);
        assert_eq!(world.scan_for(TEN_MINUTES, |_, _| vec![unlimited.clone()]), []);
        let full = holding(&world, 950, Some(1000));
        assert_eq!(world.scan(std::slice::from_ref(&full)), []);
        world.watch.forget(full.key);
        assert_eq!(world.scan(std::slice::from_ref(&full)), [], "another program begins anew");
        let kernel = SeenProcess { kernel_thread: true, ..holding(&world, 950, Some(1000)) };
        let kernel = SeenProcess { key: world.key(PID + 1), ..kernel };
        assert_eq!(world.scan_for(TEN_MINUTES, |_, _| vec![kernel.clone()]), []);
    }

    /// What is found of a process with so many descriptors after so many seconds.
    fn grown(open: impl Fn(u64) -> u64) -> Vec<(u64, Short)> {
        let mut world = World::new(DescriptorWatch::default());
        let first = world
            .scan_for(4 * TEN_MINUTES, |world, age| vec![holding(world, open(age.as_secs()), Some(100_000))]);
        first.into_iter().map(|(age, it)| (age.as_secs() / 60, it)).collect()
    }

    #[test]
    fn descriptors_that_are_opened_and_not_closed_are_found_long_before_the_limit() {
        let leak = grown(|age| 40 + age / 5);
        assert!(matches!(*leak, [(18..=21, (PID, _))]), "{leak:?}");
        let near_misses: [Curve; 4] = [
            ("a busy server", |_| 5000),
            ("connections that come and go", |age| 200 + age % 240),
            ("a start", |age| 40 + age.min(600)),
            ("a few", |age| 40 + age / 60),
        ];
        for (what, open) in near_misses {
            assert_eq!(grown(open), [], "{what}");
        }
    }
}
