//! Raising cases: evidence is read beside the monitor, never by it, with a deadline and a bound on how many
//! at once; then the case goes to the queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::case::{self, Material};
use super::repeats::{Found, Repeats};
use crate::children::Symboliser;
use crate::evidence::{Collected, Sources, collect};
use crate::kinds;
use crate::kinds::case::{Case, Draft};
use crate::kinds::late::{Addition, Late};
use crate::metrics::Metrics;
use crate::model::{EvidenceFile, ProcessKey};
use crate::queue::cases::entry;
use crate::queue::{Pushed, Queue};
use crate::runtimes::Container;
use crate::stack::{Capture, Stack};

/// Most processes whose evidence is read at once.
const READS: usize = 8;
/// Longest wait for the evidence of one process.
const READ_DEADLINE: Duration = Duration::from_millis(500);
/// Longest wait for the names of a stack's functions.
const STACK_DEADLINE: Duration = Duration::from_secs(1);

/// Longest wait for what a container that was just seen is called.
const CONTAINER_DEADLINE: Duration = Duration::from_secs(2);

/// Evidence that is being read.
pub(super) type Reading = JoinHandle<Collected>;

/// Where the evidence of a case comes from.
pub(super) enum Evidence {
    /// Read the evidence now.
    Read,
    /// It is being read since before the process died.
    Early(Reading),
    /// There is nothing left to read.
    None,
}

/// What the kernel itself handed over: it needs no reading.
#[derive(Default)]
pub(super) struct Record {
    /// Its account of the end.
    pub(super) file: Option<EvidenceFile>,
    /// The stack at the crash.
    pub(super) stack: Option<Capture>,
    /// What it says by another way, and later.
    pub(super) late: Option<Late>,
    /// In which container it was, of which more may be known in a moment.
    pub(super) container: Option<Arc<Container>>,
}

/// Turns drafts into queued cases.
pub(super) struct Raiser {
    sources: Sources,
    cases: Queue<Case>,
    metrics: Arc<Metrics>,
    reads: Arc<Semaphore>,
    symboliser: Arc<Symboliser>,
    tasks: TaskTracker,
    repeats: Repeats,
}

impl Raiser {
    pub(super) fn new(
        sources: Sources,
        cases: Queue<Case>,
        symboliser: Arc<Symboliser>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            sources,
            cases,
            symboliser,
            metrics,
            reads: Arc::new(Semaphore::new(READS)),
            tasks: TaskTracker::new(),
            repeats: Repeats::default(),
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
    pub(super) fn raise(
        &mut self,
        mut draft: Draft,
        mut material: Material,
        evidence: Evidence,
        record: Record,
    ) {
        let process = &material.process;
        let mut turn = self.repeats.turn(&case::fingerprint(draft.kind, process, &draft.site));
        let reading = match evidence {
            Evidence::Early(reading) => Some(reading),
            Evidence::None => {
                Some(tokio::spawn(async { Collected { files: Vec::new(), missing: Vec::new() } }))
            }
            Evidence::Read if turn.is_repeat() => None,
            Evidence::Read => self.read(process.key(), process.cgroup.as_deref().map(Arc::from)),
        };
        let (cases, symboliser) = (self.cases.clone(), Arc::clone(&self.symboliser));
        self.tasks.spawn(async move {
            let mut collected = arrived(reading).await;
            if let Some(late) = record.late {
                add(&mut draft, &mut collected, late.await);
            }
            collected.files.extend(record.file);
            let add_stack = kinds::room(draft.kind).stack;
            let mut found = if add_stack.is_none() { Found::Named(None) } else { Found::Nothing };
            if let (Some(capture), Some(add_stack)) = (record.stack, add_stack) {
                let stack =
                    tokio::task::spawn_blocking(move || symboliser.stack(capture, STACK_DEADLINE)).await;
                found = stack.as_ref().map_or(Found::Nothing, found_by);
                collected.files.extend(stack.iter().flat_map(|stack| add_stack(&mut draft, stack)));
            }
            // Too many at once to find the place of each, or a file that could not be read in time: not another fault
            // for that.
            if let Some(site) = turn.site(&draft.site, found).await {
                draft.site = site;
            }
            if let (None, Some(container)) = (&material.process.container, record.container) {
                material.process.container = container.settled(CONTAINER_DEADLINE).await;
            }
            let mut case = case::build(draft, material);
            case::add_evidence(&mut case.file, collected);
            turn.wait().await;
            push(&cases, case);
            drop(turn);
        });
    }

    /// Waits until every case that was raised is queued.
    pub(super) async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn found_by(stack: &Stack) -> Found {
    match (stack.is_bare(), stack.is_named(), stack.place()) {
        (true, ..) | (false, false, None) => Found::Nothing,
        (false, false, Some(place)) => Found::Place(place),
        (false, true, place) => Found::Named(place),
    }
}

/// Adds what came later to a draft and its evidence.
fn add(draft: &mut Draft, collected: &mut Collected, late: Addition) {
    let first = draft.facts.len().min(1);
    draft.facts.splice(first..first, late.facts);
    collected.files.extend(late.files);
    collected.missing.extend(late.missing);
}

/// What was read, within the deadline.
async fn arrived(reading: Option<Reading>) -> Collected {
    let Some(reading) = reading else {
        return missing(
            "evidence was not collected: the same fault was just seen, or too many cases came at once",
        );
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

fn push(cases: &Queue<Case>, case: Case) {
    // The queue counts what it gives back; the log says which.
    if let Pushed::Evicted(lost) | Pushed::Refused(lost) = cases.push(entry(case)) {
        warn!(
            title = crate::redact::text(&lost.item.title),
            count = lost.item.count,
            "dropped a case: the queue is full of more urgent ones"
        );
    }
}
