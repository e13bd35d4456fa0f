//! Scan after scan: who is close to its limit of descriptors, and whose descriptors grow.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::{FdUse, descriptors, leak, near_limit};
use crate::kinds::case::Draft;
use crate::kinds::shared::trend::watch::{Growing, Points};
use crate::kinds::watch::{Found, View, Watch};
use crate::model::ProcessKey;
use crate::observation::SeenProcess;
use crate::state::Measure;

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
        let Self { near, growing, listings } = self;
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
