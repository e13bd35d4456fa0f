//! Beginnings of programs, by a kernel event or a scan: which are worth a look, and what follows from it once it is there.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota};

use super::inspector::{Inspector, Looked};
use super::{Executed, Wanted, detect, wanted};
use crate::config::DetectLimits;
use crate::kinds::watch::{Found, View, Waker, Watch, WatchSetup};
use crate::metrics::Metrics;
use crate::programs::{self, Roles, roles_of};
use crate::state::Process;
use crate::state::process::{Begun, lossy};

/// Programs in folders where everybody may write that are looked at in a second, and at once: a build or a test suite
/// starts thousands of them.
const PLACES: Quota = quota(20, 100);
/// The same of shells, whose standard input may be a socket: a build starts thousands of these, too.
const SHELLS: Quota = quota(100, 1000);

const fn quota(per_second: u32, at_once: u32) -> Quota {
    let (Some(rate), Some(burst)) = (NonZeroU32::new(per_second), NonZeroU32::new(at_once)) else {
        panic!("a quota of nothing");
    };
    Quota::per_second(rate).allow_burst(burst)
}

/// The looks under way; what was judged of a process stands in the process.
pub struct ExecWatch {
    inspector: Inspector,
    places: DefaultDirectRateLimiter,
    shells: DefaultDirectRateLimiter,
}

impl ExecWatch {
    /// With a thread that looks.
    pub fn new(setup: &WatchSetup<'_>) -> Self {
        Self {
            inspector: Inspector::new(
                setup.sources.proc_root.clone(),
                setup.toucher.clone(),
                Waker::clone(&setup.waker),
            ),
            places: DefaultDirectRateLimiter::direct(PLACES),
            shells: DefaultDirectRateLimiter::direct(SHELLS),
        }
    }

    /// Whether there is time for the look.
    fn has_time(&self, process: &Process, wanted: Wanted) -> bool {
        let by_service = || roles_of(&lossy(&process.parent_comm)).contains(Roles::NETWORK_SERVICE);
        let limiter = match wanted {
            Wanted { place_only: true, .. } if !by_service() => &self.places,
            Wanted { stdin: true, posing: false, .. } => &self.shells,
            _ => return true,
        };
        limiter.check().is_ok()
    }
}

impl Watch for ExecWatch {
    fn began(&mut self, process: &mut Process, limits: &DetectLimits, metrics: &Metrics) {
        if process.kernel_thread || process.own || process.exe.is_none() {
            return;
        }
        let exe = process.exe.as_deref();
        let wanted = wanted(&process.comm, &process.argv, exe, process.uid, &limits.exec);
        // After the first look only a new name is news: a process may take a kernel thread's at any time.
        let posing = wanted.posing && !process.judged.name;
        if !wanted.any() || (process.judged.exec && !posing) {
            return;
        }
        (process.judged.exec, process.judged.name) = (true, posing);
        if !self.has_time(process, wanted) || !self.inspector.ask(process.key, wanted) {
            metrics.count_turned_away("exec_looks", 1);
        }
    }

    fn woken(&mut self, view: View<'_>, found: &mut Vec<Found>) {
        found.extend(self.inspector.done().filter_map(|looked| judge(looked, view)));
    }
}

/// A look is there, or there was nobody to look at any more.
fn judge(looked: Looked, view: View<'_>) -> Option<Found> {
    let process = view.table.get(looked.key)?;
    if looked.is_later && looked.look.as_ref().is_none_or(|look| !look.is_deleted) {
        return None;
    }
    let mut info = process.info();
    let parent_name = match view.table.live_by_pid(process.first_ppid) {
        _ if process.begun == Begun::Exec && !process.parent_comm.is_empty() => lossy(&process.parent_comm),
        Some(parent) => lossy(&parent.comm),
        None => String::new(),
    };
    let above = view.table.above(process).map(|above| programs::program(&above.info()).to_owned());
    let ancestors: Vec<_> = above.collect();
    let limits = &view.limits.exec;
    let executed = Executed {
        process: &info,
        parent_name: &parent_name,
        ancestors: &ancestors,
        // So soon after an exec a look sees the file as the exec found it, or as the program left it at once.
        has_just_begun: process.began.is_some_and(|at| view.now.saturating_sub(at) < limits.exec_fresh),
        look: looked.look.as_ref(),
    };
    let draft = detect(&executed, limits)?;
    if let Some(look) = looked.look {
        info.exe = Some(look.exe);
    }
    Some(Found { draft, process: info })
}
