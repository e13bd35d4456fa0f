//! A case file on one live process, made now: everything a walk and the evidence say of it, judged without
//! waiting for a second walk. For POST /analyze and `ai-debugger analyze`.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::case::{self, Material};
use super::descriptors;
use super::rooms::{self, HostTasks};
use crate::cgroup::Hierarchy;
use crate::config::{Config, DetectLimits};
use crate::detect::{self, Draft, FdUse, MemoryUse, Past, Statement, ThreadUse};
use crate::evidence::{self, Sources};
use crate::host::{Host, boot_time};
use crate::kinds::case::cite;
use crate::model::{CaseFile, ProcessView};
use crate::observation::SeenProcess;
use crate::state::process::{Process, UNMEASURED};
use crate::{scan, text};

/// What a look at one process needs.
#[derive(Clone, Debug)]
pub(super) struct Examiner {
    pub(super) sources: Sources,
    pub(super) host: Host,
    pub(super) limits: DetectLimits,
}

/// Examines a process of this host without a running daemon; `None` when there is no such process. Blocks.
pub fn examine_once(config: &Config, pid: u32) -> Result<Option<CaseFile>> {
    anyhow::ensure!(config.proc_root.is_dir(), "{} is not a directory", config.proc_root.display());
    let examiner = Examiner {
        sources: Sources {
            proc_root: config.proc_root.clone(),
            hierarchy: Hierarchy::detect(&config.cgroup_root),
        },
        host: Host::read(&config.proc_root),
        limits: config.detect.clone(),
    };
    examiner.examine(pid)
}

/// Most processes that no walk has measured yet and that are measured to answer one question.
const MEASURED_TO_ANSWER: usize = 256;

impl Examiner {
    /// The views, with numbers for those that no walk has measured yet; without those that are gone by now.
    /// Reads nothing that a process could hold up, but blocks all the same.
    pub(super) fn measured(&self, views: Vec<ProcessView>) -> Vec<ProcessView> {
        let mut left = MEASURED_TO_ANSWER;
        let fill = |mut view: ProcessView| {
            if view.state != UNMEASURED || view.exit.is_some() || left == 0 {
                return Some(view);
            }
            left -= 1;
            let seen = scan::measure(&self.sources.proc_root, view.info.pid, &self.host)?;
            let same = seen.key == view.info.key();
            (view.rss_bytes, view.threads, view.fds, view.state) =
                (seen.rss_bytes, seen.threads, seen.fds, seen.state);
            same.then_some(view)
        };
        views.into_iter().filter_map(fill).collect()
    }

    /// The case file; `None` when there is no such process. Blocks.
    pub(super) fn examine(&self, pid: u32) -> Result<Option<CaseFile>> {
        let Some(seen) = scan::one(&self.sources.proc_root, pid, &self.host) else { return Ok(None) };
        let now = boot_time();
        let mut process = Process::from_scan(&seen, now);
        process.measure(&seen, now, &self.host);
        let drafts = self.drafts(&seen, &process)?;
        let info = process.info();
        let cgroup = info.cgroup.clone();
        let mut file = case::file(drafts, Material { process: info, at: now, events_lost: 0 });
        for statement in self.state(&seen, &process, now) {
            cite(&mut file.facts, statement);
        }
        case::add_evidence(&mut file, evidence::collect(&self.sources, seen.key, cgroup.as_deref()));
        Ok(Some(file))
    }

    /// The scan's detectors, taking one look for as many as they want.
    fn drafts(&self, seen: &SeenProcess, process: &Process) -> Result<Vec<Draft>> {
        let info = process.info();
        let limits = &self.limits;
        let fds = seen.fds.zip(seen.fd_limit).and_then(|(open, limit)| {
            let mut draft = detect::fds(&info, FdUse { open, limit, scans: limits.fd_scans }, limits)?;
            draft
                .facts
                .extend(detect::fd_kinds(&descriptors::newest(&self.sources.proc_root, seen.key), open));
            Some(draft)
        });
        let memory = process.cgroup.as_ref().and_then(|path| self.sources.hierarchy.memory(path));
        let memory = memory.and_then(|cgroup| {
            let (pid, name, rss_bytes) = (info.pid, info.name.clone(), seen.rss_bytes);
            let me = detect::Resident { pid, name, rss_bytes, grown: None };
            let memory = MemoryUse { cgroup: &cgroup, scans: limits.memory_scans, processes: &[me] };
            detect::memory(&memory, limits)
        });
        let everybody = scan::measure_all(&self.sources.proc_root, &self.host)
            .context("cannot look for zombie children")?;
        let zombies = None;
        let tasks = everybody.iter().filter(|it| !it.kernel_thread).map(|it| it.threads).sum();
        let host = HostTasks::read(&self.sources.proc_root, tasks);
        let (room, _) = rooms::of_tasks(&self.sources.proc_root, &self.sources.hierarchy, seen.key, &host);
        // One look knows no past, and what it sees is taken to last.
        let past = Past { recent: &[], long: &[], peak_before: &|_| None };
        let threads = ThreadUse { threads: seen.threads, past, room: room.as_ref(), near_scans: u32::MAX };
        let threads = detect::threads(&info, &threads, limits);
        Ok([fds, memory, zombies, threads].into_iter().flatten().collect())
    }

    /// What is true of it now, whether or not anything is wrong.
    fn state(&self, seen: &SeenProcess, process: &Process, now: Duration) -> Vec<Statement> {
        let age = now.saturating_sub(self.host.ticks_to_duration(seen.key.start_ticks));
        let cpu = self.host.ticks_to_duration(seen.cpu_ticks);
        let mut facts = vec![
            Statement::new(
                "proc:stat",
                format!("it is {} and has been running for {}", state_name(seen.state), text::duration(age)),
            ),
            Statement::new(
                "proc:stat",
                format!("it has {} threads and has used {} of CPU time", seen.threads, text::duration(cpu)),
            ),
            Statement::new("proc:stat", format!("{} are resident", text::size(seen.rss_bytes))),
        ];
        if let Some(fds) = seen.fds {
            let of = seen.fd_limit.map_or_else(String::new, |limit| format!(" of {limit} allowed"));
            facts.push(Statement::new("proc:fd", format!("{fds} file descriptors are open{of}")));
        }
        if let Some(memory) = process.cgroup.as_ref().and_then(|path| self.sources.hierarchy.memory(path)) {
            let (usage, limit) = (text::size(memory.usage_bytes), text::size(memory.limit_bytes));
            facts.push(Statement::new(
                "cgroup:memory",
                format!("its memory cgroup uses {usage} of its limit of {limit}"),
            ));
        }
        facts
    }
}

/// The state letters of proc_pid_stat(5) in words.
const fn state_name(state: char) -> &'static str {
    match state {
        'R' => "running (R)",
        'S' => "sleeping (S)",
        'D' => "in uninterruptible sleep (D)",
        'Z' => "a zombie (Z): ended, but not waited for by its parent",
        'T' => "stopped by a signal (T)",
        't' => "stopped by a tracer (t)",
        'I' => "an idle kernel thread (I)",
        'X' | 'x' => "dead (X)",
        _ => "in a state this version does not know",
    }
}
