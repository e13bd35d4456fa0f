//! One scan of /proc: what changes is read every time, what does not only when a process is new to the scan.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use procfs::process::{LimitValue, Process};

use super::cmdline::Cmdlines;
use super::pressure;
use super::suspects::{Places, Suspects};
use crate::cgroup::{Hierarchy, of_process};
use crate::children::Toucher;
use crate::host::{Host, boot_time};
use crate::model::ProcessKey;
use crate::observation::{Observation, ScanDone, SeenDetails, SeenProcess, Session};

/// `task_struct.flags`: a kernel thread (kernel include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;
/// A process's cgroup is read again every so many scans: processes are moved, but seldom.
const CGROUP_EVERY: u64 = 6;
/// Most memory cgroups looked at in one scan.
const CGROUPS: usize = 4096;
/// From so many descriptors on, the limit is read too: no useful limit is below it.
const FDS_WORTH_A_LIMIT: u64 = 32;
/// From such a resident set on, what of memory is anonymous is read too.
const RSS_WORTH_ANON_BYTES: u64 = 16 << 20;

/// The same from such an address space on: its page tables may be large though nothing is resident.
const SIZE_WORTH_TABLES_BYTES: u64 = 32 << 30;

/// Remembers between scans who was seen, to read the unchanging only once.
pub struct Walker {
    proc_root: PathBuf,
    hierarchy: Hierarchy,
    host: Host,
    known: HashMap<ProcessKey, KnownProcess>,
    walks: u64,
    cmdlines: Cmdlines,
    suspects: Suspects,
    turned_away: u64,
}

/// What was known of a process at the last scan.
struct KnownProcess {
    comm: Box<[u8]>,
    cgroup: Option<Arc<str>>,
    walk: u64,
}

impl Walker {
    /// Of a host whose /proc and cgroups are there; it has seen nobody yet.
    pub fn new(proc_root: PathBuf, hierarchy: Hierarchy, host: Host) -> Self {
        Self {
            proc_root,
            hierarchy,
            host,
            known: HashMap::new(),
            walks: 0,
            cmdlines: Cmdlines::default(),
            suspects: Suspects::default(),
            turned_away: 0,
        }
    }

    /// With a helper for what may hang.
    #[must_use]
    pub fn reading_by(mut self, toucher: Option<Arc<Toucher>>) -> Self {
        self.cmdlines = Cmdlines::by(toucher.clone());
        self.suspects.read_by(toucher);
        self
    }

    /// How many processes found no room for a closer look in the last scan.
    pub(super) const fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// How many processes hold a reader of their argv.
    pub(super) fn held(&self) -> usize {
        self.cmdlines.held() + self.suspects.held()
    }

    /// Everything seen, the memory cgroups they are in, and [`Observation::ScanDone`] last.
    pub fn walk(&mut self) -> Result<Vec<Observation>> {
        let began = boot_time();
        self.walks += 1;
        let walk = self.walks;
        let processes = processes(&self.proc_root)?;
        let mut observations = Vec::with_capacity(self.known.len() + 16);
        self.suspects.begin(&self.proc_root);
        for process in processes {
            let Some(seen) = self.see(&process, walk) else { continue };
            let places = Places { proc_root: &self.proc_root, hierarchy: &self.hierarchy, host: &self.host };
            let look = self.suspects.look(places, &seen);
            observations.push(Observation::Seen(seen));
            observations.extend(look.map(|look| Observation::Look(Box::new(look))));
        }
        self.turned_away = self.suspects.finish();
        self.known.retain(|_, known| known.walk == walk);
        let paths = self.cgroups();
        let cgroups: Vec<_> = paths.iter().filter_map(|path| self.hierarchy.memory(path)).collect();
        let limited = |path: &&Arc<str>| {
            cgroups.iter().any(|it| it.path == **path) || self.hierarchy.is_throttled(path)
        };
        let memory = pressure::read(&self.proc_root, &self.hierarchy, paths.iter().filter(limited));
        observations.extend(memory.map(Observation::HostMemory));
        observations.extend(cgroups.into_iter().map(Observation::Cgroup));
        observations.push(Observation::ScanDone(ScanDone { began, took: boot_time().saturating_sub(began) }));
        Ok(observations)
    }

    fn see(&mut self, process: &Process, walk: u64) -> Option<SeenProcess> {
        let mut seen = changing(process, &self.host)?;
        match self.known.get_mut(&seen.key) {
            // A changed name means a new program, or a process that wants to look like one.
            Some(known) if known.comm == seen.comm => {
                known.walk = walk;
                if (walk + u64::from(seen.key.pid)).is_multiple_of(CGROUP_EVERY) {
                    let cgroup = cgroup(process).filter(|path| known.cgroup.as_ref() != Some(path));
                    known.cgroup = cgroup.clone().or(known.cgroup.take());
                    seen.moved_to = cgroup;
                }
            }
            _ => {
                let details = details(process, seen.kernel_thread, &mut self.cmdlines);
                let cgroup = details.cgroup.clone();
                self.known.insert(seen.key, KnownProcess { comm: seen.comm.clone(), cgroup, walk });
                seen.details = Some(details);
            }
        }
        Some(seen)
    }

    /// The cgroups of the processes seen, and their ancestors: the limit that bites may be set further up.
    fn cgroups(&self) -> Vec<Arc<str>> {
        let mut paths: Vec<&str> =
            self.known.values().filter_map(|it| it.cgroup.as_deref()).flat_map(ancestors).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.truncate(CGROUPS);
        paths.into_iter().map(Arc::from).collect()
    }
}

/// One process, with its details; `None` where there is none with that pid.
pub(super) fn one(
    proc_root: &Path,
    pid: u32,
    host: &Host,
    toucher: Option<Arc<Toucher>>,
) -> Option<SeenProcess> {
    let process = Process::new_with_root(proc_root.join(pid.to_string())).ok()?;
    let mut seen = changing(&process, host)?;
    seen.details = Some(details(&process, seen.kernel_thread, &mut Cmdlines::by(toucher)));
    Some(seen)
}

/// What changes of one process, now; reads nothing that the process could hold up.
pub(super) fn measure(proc_root: &Path, pid: u32, host: &Host) -> Option<SeenProcess> {
    changing(&Process::new_with_root(proc_root.join(pid.to_string())).ok()?, host)
}

/// As [`measure`], of every process.
pub(super) fn measure_all(proc_root: &Path, host: &Host) -> Result<Vec<SeenProcess>> {
    Ok(processes(proc_root)?.filter_map(|process| changing(&process, host)).collect())
}

/// The processes there are. One that ends while it is read is not an error, it is just not seen.
fn processes(proc_root: &Path) -> Result<impl Iterator<Item = Process> + use<>> {
    let all = procfs::process::all_processes_with_root(proc_root)
        .with_context(|| format!("cannot list {}", proc_root.display()))?;
    Ok(all.flatten())
}

/// What changes from scan to scan.
fn changing(process: &Process, host: &Host) -> Option<SeenProcess> {
    let stat = process.stat().ok()?;
    let kernel_thread = stat.flags & PF_KTHREAD != 0;
    let has_files = !kernel_thread && stat.state != 'Z';
    let fds = if has_files { process.fd_count().ok() } else { None };
    let fds = fds.and_then(|fds| u64::try_from(fds).ok());
    let rss_bytes = stat.rss * host.page_size;
    let is_large = rss_bytes >= RSS_WORTH_ANON_BYTES || stat.vsize >= SIZE_WORTH_TABLES_BYTES;
    let memory = if is_large { memory(process) } else { Memory::default() };
    Some(SeenProcess {
        key: ProcessKey { pid: u32::try_from(stat.pid).ok()?, start_ticks: stat.starttime },
        ppid: u32::try_from(stat.ppid).unwrap_or(0),
        comm: stat.comm.as_bytes().into(),
        state: stat.state,
        cpu_ticks: stat.utime + stat.stime,
        threads: u64::try_from(stat.num_threads).unwrap_or(0),
        rss_bytes,
        anon_bytes: memory.anon_bytes,
        shmem_bytes: memory.shmem_bytes,
        tables_bytes: memory.tables_bytes,
        size_bytes: stat.vsize,
        kernel_thread,
        fds,
        fd_limit: fds.filter(|fds| *fds >= FDS_WORTH_A_LIMIT).and_then(|_| fd_limit(process)),
        session: Session {
            id: u32::try_from(stat.session).unwrap_or(0),
            group: u32::try_from(stat.pgrp).unwrap_or(0),
            has_terminal: stat.tty_nr != 0,
        },
        moved_to: None,
        details: None,
    })
}

/// The path and those above it, the root not included.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    Path::new(path).ancestors().filter_map(Path::to_str).filter(|it| !it.is_empty() && *it != "/")
}

fn details(process: &Process, kernel_thread: bool, cmdlines: &mut Cmdlines) -> SeenDetails {
    let argv = if kernel_thread { None } else { process.open_relative("cmdline").ok() };
    SeenDetails {
        argv: argv.and_then(|file| cmdlines.read(file)).unwrap_or_default().into(),
        exe: process.exe().ok().map(|exe| exe.as_os_str().as_bytes().into()),
        uid: process.uid().ok(),
        cgroup: cgroup(process),
    }
}

fn cgroup(process: &Process) -> Option<Arc<str>> {
    let mut text = String::new();
    process.open_relative("cgroup").ok()?.read_to_string(&mut text).ok()?;
    of_process(&text).map(Arc::from)
}

/// What a leak fills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// RssAnon and VmSwap.
    pub(super) anon_bytes: Option<u64>,
    /// RssShmem.
    pub(super) shmem_bytes: Option<u64>,
    /// VmPTE.
    pub(super) tables_bytes: Option<u64>,
}

/// Counters of the kernel, so no lock of the process's memory is needed (kernel fs/proc/task_mmu.c, `task_mem`).
fn memory(process: &Process) -> Memory {
    let mut text = String::new();
    let read = process.open_relative("status").ok().map(|mut file| file.read_to_string(&mut text));
    read.and_then(Result::ok).map_or_else(Memory::default, |_| memory_in(&text))
}

/// Nothing where there is no RssAnon: a kernel thread, or an end just now. A kernel without swap shows no VmSwap.
pub(super) fn memory_in(status: &str) -> Memory {
    let bytes = |field| {
        let value = status.lines().find_map(|line| line.strip_prefix(field))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let swapped = bytes("VmSwap:").unwrap_or(0);
    Memory {
        anon_bytes: bytes("RssAnon:").and_then(|anon| anon.checked_add(swapped)),
        shmem_bytes: bytes("RssShmem:"),
        tables_bytes: bytes("VmPTE:"),
    }
}

fn fd_limit(process: &Process) -> Option<u64> {
    match process.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Value(limit) => Some(limit),
        LimitValue::Unlimited => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walker() -> Walker {
        let proc_root = PathBuf::from("/proc");
        let host = Host::read(&proc_root);
        Walker::new(proc_root, Hierarchy::None, host)
    }

    fn seen(observations: &[Observation], pid: u32) -> Option<&SeenProcess> {
        observations.iter().find_map(|it| match it {
            Observation::Seen(seen) if seen.key.pid == pid => Some(seen),
            _ => None,
        })
    }

    #[test]
    fn this_process_is_seen_as_it_is() {
        let mut walker = walker();
        let first = walker.walk().unwrap();
        let me = seen(&first, std::process::id()).unwrap();
        let details = me.details.as_ref().unwrap();
        assert!(me.rss_bytes > 0 && me.threads > 0 && me.fds.unwrap() > 2, "{me:?}");
        assert_eq!(details.uid, Some(rustix::process::geteuid().as_raw()));
        let exe = std::env::current_exe().unwrap();
        assert_eq!(details.exe.as_deref(), Some(exe.as_os_str().as_bytes()));
        let sid = std::fs::read_to_string("/proc/self/stat").unwrap();
        let sid = sid.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap();
        assert_eq!(
            me.session.id.to_string(),
            sid,
            "0 where the session's leader is outside the pid namespace"
        );
        assert!(details.argv.starts_with(std::env::args_os().next().unwrap().as_bytes()));
        assert!(matches!(first.last(), Some(Observation::ScanDone(_))));
        let second = walker.walk().unwrap();
        assert_eq!(seen(&second, std::process::id()).unwrap().details, None, "known already");
    }

    #[test]
    fn a_child_that_ended_is_a_zombie_until_it_is_reaped() {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let mut walker = walker();
        // The state is all there is to wait for: a child that has ended and was not waited for is a zombie.
        let zombie = loop {
            let walked = walker.walk().unwrap();
            let zombie = seen(&walked, child.id()).unwrap().clone();
            if zombie.state == 'Z' {
                break zombie;
            }
        };
        assert_eq!((zombie.fds, zombie.ppid), (None, std::process::id()));
        child.wait().unwrap();
        assert!(seen(&walker.walk().unwrap(), child.id()).is_none());
    }

    #[test]
    fn anonymous_memory_is_what_is_resident_and_what_is_swapped() {
        for (status, want) in [
            ("Name:\tx\nRssAnon:\t     100 kB\nRssFile:\t 7 kB\nVmSwap:\t      20 kB\n", Some(120 << 10)),
            ("RssAnon:\t100 kB\n", Some(100 << 10)),
            ("Name:\tkthreadd\n", None),
            ("RssAnon:\tmany kB\n", None),
            ("RssAnon:\t18446744073709551615 kB\n", None),
        ] {
            assert_eq!(memory_in(status).anon_bytes, want, "{status:?}");
        }
    }

    #[test]
    fn shared_memory_and_page_tables_are_memory_too() {
        let memory = memory_in("RssAnon:\t4 kB\nRssShmem:\t8 kB\nVmPTE:\t16 kB\n");
        let want = (Some(4 << 10), Some(8 << 10), Some(16 << 10));
        assert_eq!((memory.anon_bytes, memory.shmem_bytes, memory.tables_bytes), want);
    }

    #[test]
    fn a_missing_proc_is_an_error_that_names_it() {
        let mut walker = walker();
        walker.proc_root = "/nonexistent".into();
        assert!(format!("{:#}", walker.walk().unwrap_err()).contains("/nonexistent"));
    }

    #[test]
    fn ancestors_end_below_the_root() {
        assert_eq!(ancestors("/a/b/c").collect::<Vec<_>>(), ["/a/b/c", "/a/b", "/a"]);
        assert_eq!(ancestors("/").count(), 0);
    }
}
