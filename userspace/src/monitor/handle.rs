//! How other stages ask the monitor: a bounded channel of questions, each with its own way back.
//! The monitor owns the process table alone, so nobody else ever locks it.

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, oneshot};

use crate::model::{CaseFile, ProcessView};

/// Questions that may wait at once; beyond that the asker waits.
const QUESTIONS: usize = 64;

/// What can be asked.
pub(super) enum Question {
    /// Every live process.
    Processes(oneshot::Sender<Vec<ProcessView>>),
    /// One process, live or recently ended; the latest with that pid where no start time is given.
    Process { pid: u32, start_ticks: Option<u64>, reply: oneshot::Sender<Option<ProcessView>> },
    /// A case file on one live process, made now.
    Examine { pid: u32, reply: oneshot::Sender<Option<CaseFile>> },
}

/// A cheap-to-clone way to ask the monitor.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Question>);

impl Handle {
    /// A handle and the monitor's end of it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Question>) {
        let (tx, rx) = mpsc::channel(QUESTIONS);
        (Self(tx), rx)
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
