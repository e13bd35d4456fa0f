//! How other stages ask the monitor: a bounded channel of questions, each with its own way back.
//! The monitor owns the process table alone, so nobody else ever locks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, oneshot};

use crate::kinds::case::CaseFile;
use crate::model::ProcessView;

/// Questions that may wait at once; beyond that the asker waits.
const QUESTIONS: usize = 64;

/// What can be asked.
pub(super) enum Question {
    /// Asks for every live process.
    Processes(oneshot::Sender<Vec<ProcessView>>),
    /// One process, live or recently ended; the latest with that pid where no start time is given.
    Process { pid: u32, start_ticks: Option<u64>, reply: oneshot::Sender<Option<ProcessView>> },
    /// A case file on one live process, made now.
    Examine { pid: u32, reply: oneshot::Sender<Option<CaseFile>> },
}

/// A cheap-to-clone way to ask the monitor, and its count of what it took in.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Question>, Arc<AtomicU64>);

impl Handle {
    /// A handle and the monitor's end of it: the questions, and the count it keeps.
    pub(super) fn new() -> (Self, mpsc::Receiver<Question>, Arc<AtomicU64>) {
        let (tx, rx) = mpsc::channel(QUESTIONS);
        let revision = Arc::new(AtomicU64::new(0));
        (Self(tx, Arc::clone(&revision)), rx, revision)
    }

    /// Another number after each batch of observations: what was answered under the same one is still so.
    pub fn revision(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    /// A handle to a monitor that knows just these: for tests of the stages that ask.
    #[cfg(test)]
    pub(crate) fn fake(processes: Vec<ProcessView>, files: Vec<CaseFile>) -> Self {
        let (handle, mut questions, _) = Self::new();
        tokio::spawn(async move {
            while let Some(question) = questions.recv().await {
                // An asker that has gone away is no concern of the monitor's.
                match question {
                    Question::Processes(reply) => {
                        let live = processes.iter().filter(|it| it.exit.is_none());
                        drop(reply.send(live.cloned().collect()));
                    }
                    Question::Process { pid, start_ticks, reply } => {
                        let found = processes.iter().find(|it| {
                            it.info.pid == pid && start_ticks.is_none_or(|start| start == it.info.start_ticks)
                        });
                        drop(reply.send(found.cloned()));
                    }
                    Question::Examine { pid, reply } => {
                        let found = files.iter().find(|it| it.process.pid == pid);
                        drop(reply.send(found.cloned()));
                    }
                }
            }
        });
        handle
    }

    /// A handle to a monitor that never answers.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        let (handle, questions, _) = Self::new();
        std::mem::forget(questions);
        handle
    }

    /// Every live process, in no particular order.
    pub async fn processes(&self) -> Result<Vec<ProcessView>> {
        self.ask(Question::Processes).await
    }

    /// One process, live or recently ended; the latest with that pid where no start time is given.
    pub async fn process(&self, pid: u32, start_ticks: Option<u64>) -> Result<Option<ProcessView>> {
        self.ask(|reply| Question::Process { pid, start_ticks, reply }).await
    }

    /// A case file on one live process, made now; `None` when there is no such process.
    pub async fn examine(&self, pid: u32) -> Result<Option<CaseFile>> {
        self.ask(|reply| Question::Examine { pid, reply }).await
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(question(reply)).await.ok().context("the monitor has stopped")?;
        answer.await.context("the monitor has stopped")
    }
}
