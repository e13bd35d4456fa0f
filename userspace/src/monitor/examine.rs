//! A case file on one live process, made now: the findings of the monitor that stand, its state, and for how long it was
//! watched. For POST /analyze and `ai-debugger analyze`.

use std::sync::Arc;
use std::time::Duration;

use super::case::{self, Material};
use crate::children::Toucher;
use crate::config::DetectLimits;
use crate::evidence::{self, Sources};
use crate::host::{Host, boot_time};
use crate::kinds;
use crate::kinds::case::{CaseFile, Draft, Statement, cite};
use crate::kinds::shared::standing::facts::StandingFact;
use crate::model::{IncidentKind, ProcessInfo, ProcessView};
use crate::observation::SeenProcess;
use crate::scan;
use crate::state::process::{Process, UNMEASURED};

/// What a look at one process needs.
#[derive(Clone, Debug)]
pub(super) struct Examiner {
    pub(super) sources: Sources,
    pub(super) toucher: Option<Arc<Toucher>>,
    pub(super) host: Host,
    pub(super) limits: DetectLimits,
    /// Between two scans.
    pub(super) scan_interval: Duration,
}

/// What the monitor knows of a process that is asked about.
pub(super) struct Known {
    pub(super) info: ProcessInfo,
    /// The findings that stand.
    pub(super) drafts: Vec<Draft>,
    /// For how long it has been watched.
    pub(super) watched: Duration,
    /// In how many scans.
    pub(super) scans: u32,
}

/// Most processes that no scan has measured yet and that are measured to answer one question.
const MEASURED_TO_ANSWER: usize = 256;

impl Examiner {
    /// The views, with numbers for those that no scan has measured yet; without those that are gone by now.
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

    /// The case file on a live process; `None` when there is none with this pid. Blocks.
    pub(super) fn examine(&self, pid: u32, known: Option<Known>) -> Option<CaseFile> {
        let seen = scan::one(&self.sources.proc_root, pid, &self.host, self.toucher.clone())?;
        let now = boot_time();
        let process = Process::from_scan(&seen, now);
        // A pid that was given away meanwhile is another's: of that one nothing is known.
        let known = known.filter(|it| it.info.key() == seen.key).unwrap_or_else(|| Known {
            info: process.info(),
            drafts: Vec::new(),
            watched: Duration::ZERO,
            scans: 0,
        });
        let mut facts = self.state(&seen, process.cgroup.as_ref(), now);
        facts.extend(self.open_folder(&known.info));
        facts.extend(self.watched(&known));
        let cgroup = known.info.cgroup.clone();
        let material = Material { process: known.info, at: now, events_lost: 0 };
        let mut file = case::file(known.drafts, material);
        for statement in facts {
            cite(&mut file.facts, statement);
        }
        case::add_evidence(&mut file, evidence::collect(&self.sources, seen.key, cgroup.as_deref()));
        Some(file)
    }

    /// What is true of it now, whether or not anything is wrong.
    fn state(&self, seen: &SeenProcess, cgroup: Option<&Arc<str>>, now: Duration) -> Vec<Statement> {
        let age = now.saturating_sub(self.host.ticks_to_duration(seen.key.start_ticks));
        let cpu = self.host.ticks_to_duration(seen.cpu_ticks);
        let stat = |fact: StandingFact| Statement::new("proc:stat", fact);
        let mut facts = vec![
            stat(StandingFact::State { state: seen.state, age_ms: ms(age) }),
            stat(StandingFact::Threads { count: seen.threads, cpu_ms: ms(cpu) }),
            stat(StandingFact::Resident { rss_bytes: seen.rss_bytes }),
        ];
        if let Some(open) = seen.fds {
            facts.push(Statement::new("proc:fd", StandingFact::Descriptors { open, limit: seen.fd_limit }));
        }
        if let Some(memory) = cgroup.and_then(|path| self.sources.hierarchy.memory(path)) {
            let (usage_bytes, limit_bytes) = (memory.usage_bytes, memory.limit_bytes);
            facts.push(Statement::new("cgroup:memory", StandingFact::CgroupUse { usage_bytes, limit_bytes }));
        }
        facts
    }

    /// That its program lies where everybody may write: true of it, and nothing wrong by itself.
    fn open_folder(&self, info: &ProcessInfo) -> Option<Statement> {
        let exe = info.exe.as_deref()?;
        let root = self.limits.exec.exec_folders.iter().find(|root| exe.starts_with(root.as_str()))?;
        let folder = root.trim_end_matches('/').into();
        Some(Statement::new("proc:exe", StandingFact::OpenFolder { folder }))
    }

    /// How long it was watched, and which kinds need longer.
    fn watched(&self, known: &Known) -> Vec<Statement> {
        let patience = |kind: IncidentKind| (kinds::room(kind).patience)(&self.limits, self.scan_interval);
        let all = IncidentKind::ALL.into_iter().map(|kind| (patience(kind), kind));
        let mut unjudged: Vec<_> = all.filter(|(needs, _)| *needs > known.watched).collect();
        unjudged.sort();
        let said = StandingFact::Watched { since_ms: ms(known.watched), scans: known.scans.into() };
        let mut facts = vec![Statement::new(HISTORY, said)];
        if let Some((needs, _)) = unjudged.last().copied() {
            let kinds = unjudged.into_iter().map(|(_, kind)| kind).collect();
            facts.push(Statement::new(HISTORY, StandingFact::NotJudgedYet { kinds, needs_ms: ms(needs) }));
        }
        facts
    }
}

/// Where it is known from how long a process was watched.
const HISTORY: &str = "monitor:history";

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
