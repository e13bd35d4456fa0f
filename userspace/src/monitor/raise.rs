//! Raising cases: evidence is read beside the monitor, never by it, with a deadline and a bound on how many
//! at once; then the case goes to the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::case::{self, Material};
use crate::detect::{self, Draft, OomAccount, OomKill, OomTrigger};
use crate::evidence::{Collected, Sources, collect};
use crate::host::wall_time;
use crate::kmsg::OomReport;
use crate::metrics::Metrics;
use crate::model::{Case, EvidenceFile, ProcessKey};
use crate::queue::cases::entry;
use crate::queue::{Pushed, Queue};

/// Most processes whose evidence is read at once.
const READS: usize = 8;
/// Longest wait for the evidence of one process.
const READ_DEADLINE: Duration = Duration::from_millis(500);
/// The same fault again within this time: counted, but its evidence is not read again.
const SAME_FAULT: Duration = Duration::from_secs(10);
/// Most faults remembered for that.
const FAULTS: usize = 1024;

/// Evidence that is being read.
pub(super) type Reading = JoinHandle<Collected>;

/// Where the evidence of a case comes from.
pub(super) enum Evidence {
    /// Read it now.
    Read,
    /// It is being read since before the process died.
    Early(Reading),
}

/// What else is known of an OOM kill.
pub(super) struct Oom<F> {
    /// Whether the victim has ended.
    pub(super) ended: bool,
    /// Pid and name of who was allocating, where the kernel said so.
    pub(super) trigger: Option<(u32, String)>,
    /// The kernel's report, to come.
    pub(super) report: F,
}

/// Turns drafts into queued cases.
pub(super) struct Raiser {
    sources: Sources,
    cases: Queue<Case>,
    metrics: Arc<Metrics>,
    reads: Arc<Semaphore>,
    tasks: TaskTracker,
    faults: HashMap<String, Instant>,
}

impl Raiser {
    pub(super) fn new(sources: Sources, cases: Queue<Case>, metrics: Arc<Metrics>) -> Self {
        Self {
            sources,
            cases,
            metrics,
            reads: Arc::new(Semaphore::new(READS)),
            tasks: TaskTracker::new(),
            faults: HashMap::new(),
        }
    }

    /// Starts reading a process's evidence; `None` where too much is being read already.
    pub(super) fn read(&self, key: ProcessKey, cgroup: Option<Arc<str>>) -> Option<Reading> {
        let Ok(permit) = Arc::clone(&self.reads).try_acquire_owned() else {
            self.metrics.count_turned_away("evidence_reads", 1);
            return None;
        };
        let sources = self.sources.clone();
        Some(tokio::task::spawn_blocking(move || {
            let _permit = permit;
            collect(&sources, key, cgroup.as_deref())
        }))
    }

    /// Makes a case of the draft and queues it once its evidence is there, or is late. `record` is the kernel's
    /// own account, which needs no reading.
    pub(super) fn raise(
        &mut self,
        draft: Draft,
        material: Material,
        evidence: Evidence,
        record: Option<EvidenceFile>,
    ) {
        let reading = self.start_reading(&draft, &material, evidence);
        let cases = self.cases.clone();
        self.tasks.spawn(async move {
            let mut case = case::build(draft, material);
            let mut collected = arrived(reading).await;
            collected.files.extend(record);
            case::add_evidence(&mut case.file, collected);
            push(&cases, case);
        });
    }

    /// As [`raise`](Self::raise), for a victim of the OOM killer: the kernel's report, which comes by another way,
    /// is waited for beside the evidence, and the draft then says what it says.
    pub(super) fn raise_oom(
        &mut self,
        mut draft: Draft,
        material: Material,
        evidence: Evidence,
        record: Option<EvidenceFile>,
        oom: Oom<impl Future<Output = Result<Arc<OomAccount>, &'static str>> + Send + 'static>,
    ) {
        let reading = self.start_reading(&draft, &material, evidence);
        let cases = self.cases.clone();
        self.tasks.spawn(async move {
            let (mut collected, report) = tokio::join!(arrived(reading), oom.report);
            match report {
                Ok(account) => {
                    let kill = OomKill {
                        victim: &material.process,
                        ended: oom.ended,
                        trigger: oom.trigger.as_ref().map(|(pid, name)| OomTrigger { pid: *pid, name }),
                    };
                    draft = detect::oom_with_report(draft, kill, &account);
                    collected.files.push(report_file(&account.report));
                    if account.report.is_kill_alone() {
                        let missing = "the kernel's OOM report: the log has its last line alone";
                        collected.missing.push(missing.to_owned());
                    }
                }
                Err(reason) => collected.missing.push(reason.to_owned()),
            }
            let mut case = case::build(draft, material);
            collected.files.extend(record);
            case::add_evidence(&mut case.file, collected);
            push(&cases, case);
        });
    }

    fn start_reading(&mut self, draft: &Draft, material: &Material, evidence: Evidence) -> Option<Reading> {
        let process = &material.process;
        match evidence {
            Evidence::Early(reading) => Some(reading),
            Evidence::Read if self.is_repeat(&case::fingerprint(draft.kind, process, &draft.site)) => None,
            Evidence::Read => self.read(process.key(), process.cgroup.as_deref().map(Arc::from)),
        }
    }

    /// Waits until every case that was raised is queued.
    pub(super) async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn is_repeat(&mut self, fingerprint: &str) -> bool {
        let now = Instant::now();
        if self.faults.len() >= FAULTS {
            self.faults.retain(|_, at| now.duration_since(*at) < SAME_FAULT);
            if self.faults.len() >= FAULTS {
                self.faults.clear();
            }
        }
        let before = self.faults.get(fingerprint).copied();
        if before.is_some_and(|at| now.duration_since(at) < SAME_FAULT) {
            return true;
        }
        self.faults.insert(fingerprint.to_owned(), now);
        false
    }
}

/// What was read, within the deadline.
async fn arrived(reading: Option<Reading>) -> Collected {
    let Some(reading) = reading else {
        return missing("evidence was not read: a repeat of a fault just seen, or too many cases at once");
    };
    match tokio::time::timeout(READ_DEADLINE, reading).await {
        Ok(Ok(collected)) => collected,
        Ok(Err(_)) => missing("evidence: the read panicked"),
        Err(_) => missing("evidence: /proc did not answer in time"),
    }
}

fn missing(reason: &str) -> Collected {
    Collected { files: Vec::new(), missing: vec![reason.to_owned()] }
}

/// The kernel's report as a piece of evidence.
fn report_file(report: &OomReport) -> EvidenceFile {
    EvidenceFile {
        name: OomReport::EVIDENCE.to_owned(),
        source: OomReport::SOURCE.to_owned(),
        taken_at: wall_time(report.at),
        body: report.text.clone().into_bytes(),
        truncated: report.text_cut,
    }
}

fn push(cases: &Queue<Case>, case: Case) {
    // The queue counts what it gives back; the log says which.
    if let Pushed::Evicted(lost) | Pushed::Refused(lost) = cases.push(entry(case)) {
        warn!(
            title = lost.item.title,
            count = lost.item.count,
            "a case was given up: the queue is full of worse ones"
        );
    }
}
