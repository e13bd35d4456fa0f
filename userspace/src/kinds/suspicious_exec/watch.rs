//! Beginnings of programs, by a kernel event or a scan: which are worth a look, and what follows from it once it is there.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};

use super::executed::Look;
use super::look::{Inspector, Looked, Service};
use super::operands::reads_stdin;
use super::{Executed, Wanted, detect, wanted};
use crate::cgroup;
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
/// Programs whose environment is read in a second, and at once: any may be told to load what it should not.
const ENVIRONMENTS: Quota = quota(20, 200);

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
    environments: DefaultDirectRateLimiter,
    /// Environments that there was no time for, since this was last told.
    unread: u64,
}

impl ExecWatch {
    /// With a thread that looks.
    pub fn new(setup: &WatchSetup<'_>) -> Self {
        Self {
            inspector: Inspector::new(
                setup.sources.proc_root.clone(),
                setup.toucher.clone(),
                setup.limits.exec.exec_folders.clone(),
                Waker::clone(&setup.waker),
            ),
            places: DefaultDirectRateLimiter::direct(PLACES),
            shells: DefaultDirectRateLimiter::direct(SHELLS),
            environments: DefaultDirectRateLimiter::direct(ENVIRONMENTS),
            unread: 0,
        }
    }

    /// Whether there is time for the look.
    fn has_time(&self, process: &Process, wanted: Wanted) -> bool {
        let by_service = || roles_of(&lossy(&process.parent_comm)).contains(Roles::NETWORK_SERVICE);
        let limiter = match wanted {
            Wanted { place_only: true, .. } if !by_service() => &self.places,
            Wanted { stdin: true, posing: false, .. } | Wanted { exe: false, rights: true, .. } => {
                &self.shells
            }
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
        if process.judged.exec && !posing {
            return;
        }
        // What a program was told to load does not change: the first scan of one that was seen to begin is no news.
        let is_new = process.scans <= u32::from(process.begun != Begun::Exec);
        let preload = is_new && self.environments.check().is_ok();
        self.unread += u64::from(is_new && !preload);
        let wanted = Wanted { preload, ..wanted };
        if !wanted.any() && !preload {
            return;
        }
        (process.judged.exec, process.judged.name) = (process.judged.exec || wanted.any(), posing);
        if wanted.any() && !self.has_time(process, wanted) || !self.inspector.ask(process.key, wanted) {
            metrics.count_turned_away("exec_looks", 1);
        }
    }

    fn scanned(&mut self, _began: Duration, view: View<'_>, _found: &mut Vec<Found>) {
        view.metrics.count_turned_away("exec_environments", std::mem::take(&mut self.unread));
    }

    fn woken(&mut self, view: View<'_>, found: &mut Vec<Found>) {
        found.extend(self.inspector.done().filter_map(|looked| judge(looked, view)));
    }
}

/// A look is there, or there was nobody to look at any more.
fn judge(looked: Looked, view: View<'_>) -> Option<Found> {
    let process = view.table.get(looked.key)?;
    let look = looked.look.map(|look| first_told(look, view));
    let mut info = process.info();
    let parent_name = match view.table.live_by_pid(process.first_ppid) {
        _ if process.begun == Begun::Exec && !process.parent_comm.is_empty() => lossy(&process.parent_comm),
        Some(parent) => lossy(&parent.comm),
        None => String::new(),
    };
    let above = view.table.above(process).map(|above| programs::program(&above.info()).to_owned());
    let ancestors: Vec<_> = above.collect();
    let limits = &view.limits.exec;
    let mut executed = Executed {
        process: &info,
        parent_name: &parent_name,
        ancestors: &ancestors,
        // So soon after an exec a look sees the file as the exec found it, or as the program left it at once.
        has_just_begun: process.began.is_some_and(|at| view.now.saturating_sub(at) < limits.exec_fresh),
        look: look.as_ref(),
        neighbour: None,
    };
    let mut draft = detect(&executed, limits)?;
    let neighbour = (!executed.is_served()).then(|| neighbour(process, view)).flatten();
    if neighbour.is_some() {
        executed.neighbour = neighbour.as_ref();
        draft = detect(&executed, limits)?;
    }
    if let Some(look) = look {
        info.exe = Some(look.exe);
    }
    Some(Found { draft, process: info })
}

/// Without what a shell above it has told of already: what reads the same, and the mere place of what it runs, are part
/// of the same break-in.
fn first_told(look: Look, view: View<'_>) -> Look {
    let takes_commands =
        |pid: &u32| view.table.live_by_pid(*pid).is_some_and(|it| reads_stdin(&lossy(&it.comm), &it.argv));
    let is_told = look.shells_above.iter().any(takes_commands);
    if is_told { Look { stdin: None, remote: None, service: None, ..look } } else { look }
}

/// A program that serves the network in the service or container of this one.
fn neighbour(process: &Process, view: View<'_>) -> Option<Service> {
    let path = process.cgroup.as_ref()?;
    let is_service = cgroup::unit(path).is_some_and(|unit| unit.ends_with(".service"));
    if !is_service && cgroup::container_id(path).is_none() {
        return None;
    }
    let serves = |it: &&Process| {
        it.cgroup.as_ref() == Some(path)
            && it.key != process.key
            && it.exe.as_deref().is_some_and(|exe| roles_of(&lossy(exe)).contains(Roles::NETWORK_SERVICE))
    };
    let found = view.table.live().find(serves)?;
    Some(Service { name: lossy(&found.comm), pid: found.key.pid, address: None, is_known: true })
}
