//! Raising cases: evidence is read beside the monitor, never by it, with a deadline and a bound on how many
//! at once; then the case goes to the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::case::{self, Material};
use super::stacks;
use crate::detect::Draft;
use crate::evidence::{Collected, Sources, collect};
use crate::metrics::Metrics;
use crate::model::{Case, EvidenceFile, ProcessKey};
use crate::queue::cases::entry;
use crate::queue::{Pushed, Queue};
use crate::stack::{Capture, Symboliser};

/// Most processes whose evidence is read at once.
const READS: usize = 8;
/// Longest wait for the evidence of one process.
const READ_DEADLINE: Duration = Duration::from_millis(500);
/// Longest wait for the names of a stack's functions.
const STACK_DEADLINE: Duration = Duration::from_secs(1);
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

/// What the kernel itself handed over: it needs no reading.
#[derive(Default)]
pub(super) struct Record {
    /// Its account of the end.
    pub(super) file: Option<EvidenceFile>,
    /// The stack at the crash.
    pub(super) stack: Option<Capture>,
}

/// Turns drafts into queued cases.
pub(super) struct Raiser {
    sources: Sources,
    cases: Queue<Case>,
    metrics: Arc<Metrics>,
    reads: Arc<Semaphore>,
    symboliser: Arc<Symboliser>,
    tasks: TaskTracker,
    /// The latest faults: when, and what closes when the first case of each is queued.
    faults: HashMap<String, (Instant, watch::Receiver<()>)>,
}

impl Raiser {
    pub(super) fn new(sources: Sources, cases: Queue<Case>, metrics: Arc<Metrics>) -> Self {
        Self {
            sources,
            cases,
            metrics,
            reads: Arc::new(Semaphore::new(READS)),
            symboliser: Arc::default(),
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

    /// Makes a case of the draft and queues it once its evidence is there, or is late.
    pub(super) fn raise(&mut self, mut draft: Draft, material: Material, evidence: Evidence, record: Record) {
        let process = &material.process;
        let fingerprint = case::fingerprint(draft.kind, process, &draft.site);
        let mut turn = self.turn(&fingerprint);
        let reading = match evidence {
            Evidence::Early(reading) => Some(reading),
            Evidence::Read if matches!(turn, Turn::Repeat(_)) => None,
            Evidence::Read => self.read(process.key(), process.cgroup.as_deref().map(Arc::from)),
        };
        let (cases, symboliser) = (self.cases.clone(), Arc::clone(&self.symboliser));
        self.tasks.spawn(async move {
            let mut collected = match reading {
                Some(reading) => arrived(reading).await,
                None => {
                    missing("evidence was not read: a repeat of a fault just seen, or too many cases at once")
                }
            };
            collected.files.extend(record.file);
            if let Some(capture) = record.stack {
                let stack =
                    tokio::task::spawn_blocking(move || symboliser.stack(capture, STACK_DEADLINE)).await;
                collected.files.extend(stack.ok().and_then(|stack| stacks::describe(&mut draft, &stack)));
            }
            let mut case = case::build(draft, material);
            case::add_evidence(&mut case.file, collected);
            // The first has the evidence, and is the one to open the incident: its end of the channel is dropped
            // when it is queued, and nothing is ever sent.
            if let Turn::Repeat(first) = &mut turn {
                first.changed().await.ok();
            }
            push(&cases, case);
            drop(turn);
        });
    }

    /// Waits until every case that was raised is queued.
    pub(super) async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn turn(&mut self, fingerprint: &str) -> Turn {
        let now = Instant::now();
        if self.faults.len() >= FAULTS {
            self.faults.retain(|_, (at, _)| now.duration_since(*at) < SAME_FAULT);
            if self.faults.len() >= FAULTS {
                self.faults.clear();
            }
        }
        match self.faults.get(fingerprint) {
            Some((at, first)) if now.duration_since(*at) < SAME_FAULT => Turn::Repeat(first.clone()),
            _ => {
                let (pushed, first) = watch::channel(());
                self.faults.insert(fingerprint.to_owned(), (now, first));
                Turn::First(pushed)
            }
        }
    }
}

/// Whether a case is the first of its fault lately. Dropping the first's end lets the repeats go on.
enum Turn {
    First(#[expect(dead_code, reason = "held until the case is queued")] watch::Sender<()>),
    Repeat(watch::Receiver<()>),
}

/// What was read, within the deadline.
async fn arrived(reading: Reading) -> Collected {
    match tokio::time::timeout(READ_DEADLINE, reading).await {
        Ok(Ok(collected)) => collected,
        Ok(Err(_)) => missing("evidence: the read panicked"),
        Err(_) => missing("evidence: /proc did not answer in time"),
    }
}

fn missing(reason: &str) -> Collected {
    Collected { files: Vec::new(), missing: vec![reason.to_owned()] }
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
