//! Which processes of a scan deserve a closer look, and that look: threads that wait in state D, and threads that
//! may be spinning. Bounded per scan; what a stuck process could hold up is read by a reader that may be left behind.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cmdline::Cmdlines as PatientReader;
use super::shared;
use super::task::{self, Careful, is_fuse_wait};
use crate::cgroup::{Hierarchy, is_frozen};
use crate::children::Toucher;
use crate::host::{Host, boot_time};
use crate::model::ProcessKey;
use crate::observation::{CloseLook, SeenProcess, ThreadLook};

/// Most processes looked at closer in one scan.
const PROCESSES: usize = 256;
/// Most threads read in one scan to find one that waits while its leader does not.
const ROUTINE_THREADS: usize = 1024;
/// Most sleeping processes asked in one scan what they sleep in, where there is a FUSE file system.
const SLEEPERS: usize = 1024;
/// Mounts are looked at again every so many scans.
const MOUNTS_EVERY: u64 = 6;
/// Most of the mount table that is read.
const MOUNTS_MAX: u64 = 1 << 20;
/// Most threads read of one process.
const THREADS: usize = 1024;
/// Most threads of one process that are read in detail.
const DETAILED: usize = 16;
/// From this share of a core on, a thread of the process may be spinning: a spin has to share the CPUs with others,
/// so a small share proves nothing. What it does in that share decides.
const BUSY_PERCENT: u64 = 5;

#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) proc_root: &'a Path,
    pub(super) hierarchy: &'a Hierarchy,
    pub(super) host: &'a Host,
}

/// Remembers between scans what each process had used, and who waited.
#[derive(Default)]
pub(super) struct Suspects {
    known: HashMap<ProcessKey, PriorLook>,
    reader: PatientReader,
    walk: u64,
    looks_left: usize,
    routine_left: usize,
    /// The pid at which the last scan ran out of its room for routine looks.
    resume_at: u32,
    stopped_at: Option<u32>,
    turned_away: u64,
    /// Whether a FUSE file system is mounted.
    has_fuse: bool,
    sleepers_left: usize,
}

/// What was known of a process at the last scan.
struct PriorLook {
    walk: u64,
    at: Duration,
    cpu_ticks: u64,
    /// Threads that waited in state D or may be spinning.
    threads: Vec<u32>,
    /// It held a reader up.
    held_up: bool,
    /// What its threads had used, where several shared the work.
    shares: shared::Shares,
}

/// Why a process is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It waits, or one of its threads did at the last look.
    Waits,
    /// It uses a CPU, or one of its threads did at the last look.
    Busy,
    /// It sleeps, and a FUSE file system's program may be what it waits for.
    Sleeps,
    /// Its turn: one of its threads may wait while the leader does not.
    Routine,
}

impl Suspects {
    /// With a helper for what may hang.
    pub(super) fn read_by(&mut self, toucher: Option<Arc<Toucher>>) {
        self.reader = PatientReader::by(toucher);
    }

    /// To be called before each scan.
    pub(super) fn begin(&mut self, proc_root: &Path) {
        self.walk += 1;
        self.sleepers_left = SLEEPERS;
        if self.walk % MOUNTS_EVERY == 1 {
            self.has_fuse = has_fuse(proc_root);
        }
        (self.looks_left, self.routine_left) = (PROCESSES, ROUTINE_THREADS);
    }

    /// To be called after each scan; says how many processes found no room since it was last asked.
    pub(super) fn finish(&mut self) -> u64 {
        let walk = self.walk;
        self.known.retain(|_, known| known.walk == walk);
        self.resume_at = self.stopped_at.take().unwrap_or(0);
        std::mem::take(&mut self.turned_away)
    }

    /// How many readers are held by stuck processes.
    pub(super) fn held(&self) -> usize {
        self.reader.held()
    }

    /// The closer look at a process that a scan has just seen, where it deserves one.
    pub(super) fn look(&mut self, places: Places<'_>, seen: &SeenProcess) -> Option<CloseLook> {
        if seen.kernel_thread || matches!(seen.state, 'Z' | 'X') || seen.key.pid == std::process::id() {
            return None;
        }
        let at = boot_time();
        let mut shares = self.known.get_mut(&seen.key).map(|it| std::mem::take(&mut it.shares));
        let before = self.known.get(&seen.key);
        let watched = before.map(|it| it.threads.clone()).unwrap_or_default();
        let before_ticks = before.map(|it| it.cpu_ticks);
        let mut held_up = before.is_some_and(|it| it.held_up);
        let percent = before.map_or(0, |before| {
            let used = places.host.ticks_to_duration(seen.cpu_ticks.saturating_sub(before.cpu_ticks));
            percent(used, at.saturating_sub(before.at))
        });
        let reason = self.reason(seen, percent, !watched.is_empty()).or_else(|| {
            let idle = before_ticks == Some(seen.cpu_ticks);
            (idle && self.sleeps_for_fuse(places, seen)).then_some(Reason::Sleeps)
        });
        let look = reason.and_then(|reason| {
            let remembered = (watched.as_slice(), shares.get_or_insert_default());
            self.look_for(places, seen, (at, reason), remembered, &mut held_up)
        });
        let threads = look.iter().flat_map(|look| look.threads.iter().map(|thread| thread.tid)).collect();
        self.known.insert(
            seen.key,
            PriorLook {
                walk: self.walk,
                at,
                cpu_ticks: seen.cpu_ticks,
                threads,
                held_up,
                shares: shares.unwrap_or_default(),
            },
        );
        look
    }

    /// Whether its main thread sleeps until a FUSE file system's program answers.
    fn sleeps_for_fuse(&mut self, places: Places<'_>, seen: &SeenProcess) -> bool {
        if !self.has_fuse || seen.state != 'S' || self.sleepers_left == 0 || self.looks_left == 0 {
            return false;
        }
        self.sleepers_left -= 1;
        let sleeps = sleeps_for_fuse(&places.proc_root.join(seen.key.pid.to_string()));
        self.looks_left -= usize::from(sleeps);
        sleeps
    }

    fn reason(&mut self, seen: &SeenProcess, percent: u64, watched: bool) -> Option<Reason> {
        let reason = if seen.state == 'D' {
            Reason::Waits
        } else if percent >= BUSY_PERCENT && (seen.state == 'R' || seen.threads > 1) {
            Reason::Busy
        } else if watched {
            Reason::Waits
        } else if seen.threads > 1 && seen.key.pid >= self.resume_at && self.stopped_at.is_none() {
            let threads = usize::try_from(seen.threads).unwrap_or(usize::MAX).min(THREADS);
            match self.routine_left.checked_sub(threads) {
                Some(left) => self.routine_left = left,
                None => {
                    self.stopped_at = Some(seen.key.pid);
                    return None;
                }
            }
            return Some(Reason::Routine);
        } else {
            return None;
        };
        match self.looks_left.checked_sub(1) {
            Some(left) => self.looks_left = left,
            None => {
                self.turned_away += 1;
                return None;
            }
        }
        Some(reason)
    }

    fn look_for(
        &mut self,
        places: Places<'_>,
        seen: &SeenProcess,
        (at, reason): (Duration, Reason),
        (watched, shares): (&[u32], &mut shared::Shares),
        held_up: &mut bool,
    ) -> Option<CloseLook> {
        let directory = places.proc_root.join(seen.key.pid.to_string());
        let mut threads = self.threads(&directory, seen, watched);
        let mut reader = Careful { reader: &mut self.reader, held_up: *held_up };
        let whole = if reason == Reason::Busy && seen.threads > 1 {
            shared::look(&directory, &threads, (at, places.host), shares, &mut reader)
        } else {
            None
        };
        *held_up = reader.held_up;
        threads.retain(|thread| match thread.state {
            'D' => true,
            'R' => reason == Reason::Busy,
            'S' => thread.tid == seen.key.pid && sleeps_for_fuse(&directory),
            _ => false,
        });
        // Those that were watched come first; a waiting one tells more than a running one.
        threads.sort_by_key(|it| (!watched.contains(&it.tid), it.state != 'D', it.tid));
        threads.truncate(DETAILED);
        if threads.is_empty() && whole.is_none() {
            return None;
        }
        for thread in &mut threads {
            task::detail(&directory, thread, &mut reader);
        }
        let io = if seen.threads > 1 { task::io(&directory, &mut reader) } else { None };
        *held_up = reader.held_up;
        let waits = threads.iter().any(|it| it.state == 'D');
        let cgroup = if waits {
            fs::read_to_string(directory.join("cgroup")).unwrap_or_default()
        } else {
            String::new()
        };
        // The pid may have been given to another meanwhile.
        let start_ticks = crate::evidence::start_ticks(&directory)?;
        (start_ticks == seen.key.start_ticks).then_some(CloseLook {
            key: seen.key,
            at,
            threads_total: seen.threads,
            crowd: if waits { crowd(places.proc_root) } else { 1 },
            frozen: is_frozen(places.hierarchy, &cgroup),
            io,
            threads,
            whole,
        })
    }

    /// The threads of a process, those watched first; of one with too many, others at each scan.
    fn threads(&self, directory: &Path, seen: &SeenProcess, watched: &[u32]) -> Vec<ThreadLook> {
        if seen.threads <= 1 {
            return task::stat(&task_directory(directory, seen.key.pid)).into_iter().collect();
        }
        let mut tids: Vec<u32> = fs::read_dir(directory.join("task"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        let turn = usize::try_from(self.walk).unwrap_or(0).wrapping_mul(THREADS);
        let shift = turn.checked_rem(tids.len()).filter(|_| tids.len() > THREADS).unwrap_or(0);
        tids.rotate_left(shift);
        tids.sort_by_key(|tid| !watched.contains(tid));
        tids.iter().take(THREADS).filter_map(|tid| task::stat(&task_directory(directory, *tid))).collect()
    }
}

/// The kernel says where a thread sleeps without waiting for it (kernel fs/proc/base.c, `proc_pid_wchan`).
fn sleeps_for_fuse(directory: &Path) -> bool {
    fs::read_to_string(directory.join("wchan")).is_ok_and(|function| is_fuse_wait(&function))
}

/// Whether a FUSE file system is mounted where process 1 sees it.
fn has_fuse(proc_root: &Path) -> bool {
    let mut text = String::new();
    let file = fs::File::open(proc_root.join("1/mounts")).or_else(|_| fs::File::open("/proc/self/mounts"));
    let read = file.and_then(|file| file.take(MOUNTS_MAX).read_to_string(&mut text));
    let is_fuse = |kind: &str| kind == "fuse" || kind == "fuseblk" || kind.starts_with("fuse.");
    read.is_ok() && text.lines().any(|line| line.split(' ').nth(2).is_some_and(is_fuse))
}

/// How many tasks are ready to run for each CPU: the fourth field of proc_loadavg(5).
fn crowd(proc_root: &Path) -> u32 {
    let text = fs::read_to_string(proc_root.join("loadavg")).unwrap_or_default();
    let ready = text.split_ascii_whitespace().nth(3).and_then(|it| it.split('/').next()?.parse::<u32>().ok());
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    ready.unwrap_or(1).div_ceil(u32::try_from(cpus).unwrap_or(1)).max(1)
}

fn task_directory(directory: &Path, tid: u32) -> PathBuf {
    directory.join("task").join(tid.to_string())
}

/// `part` in percent of `whole`; 0 where there is no whole.
fn percent(part: Duration, whole: Duration) -> u64 {
    let percent = part.as_micros().saturating_mul(100).checked_div(whole.as_micros()).unwrap_or(0);
    u64::try_from(percent).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
