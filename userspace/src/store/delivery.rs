//! The store as the alerts' workers use it: what is due, what became of it.

use anyhow::Result;
use jiff::Timestamp;

use super::backlog::{self, Backlog, Greeting};
use super::due::DueAlert;
use super::handle::Store;
use super::outbox::{self, DeliveryFailure, Settled};
use crate::model::VerdictBy;

impl Store {
    /// The alerts that are due, the longest due first. Those whose incident can't be read are given up, with
    /// the reason: nothing could be said in them, and they must not hold the others.
    pub async fn due_alerts(
        &self,
        sink: &'static str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueAlert>> {
        loop {
            let (due, broken) = self.read(move |tx| outbox::due(tx, sink, now, limit)).await?;
            let (Some(first), count) = (broken.first(), broken.len()) else { return Ok(due) };
            self.tell_unreadable(&first.reason, count);
            self.write(move |tx| {
                broken.iter().try_for_each(|outbox::Broken { alert, reason }| {
                    let failure = DeliveryFailure { at: now, error: reason.clone(), may_have_arrived: false };
                    outbox::mark_failed(tx, *alert, &failure)
                })
            })
            .await?;
            self.count_turned_away("unreadable_alerts", u64::try_from(count)?);
        }
    }

    /// When the next alert is due; `None`: none waits.
    pub async fn next_due(&self, sink: &'static str) -> Result<Option<Timestamp>> {
        self.read(move |tx| outbox::next_due(tx, sink)).await
    }

    /// Where more is due than a receiver can be told one by one, groups it into one message, due at `told_at`.
    pub async fn summarise(
        &self,
        sink: &'static str,
        backlog: Backlog,
        now: Timestamp,
        told_at: Timestamp,
    ) -> Result<()> {
        // A look first: a write would wake the disk for nothing.
        if self.read(move |tx| backlog::is_too_much(tx, sink, backlog, now)).await? {
            self.write(move |tx| backlog::summarise(tx, sink, backlog, now, told_at)).await?;
        }
        Ok(())
    }

    /// Tells receivers that were not there before of all that is open.
    pub async fn greet(&self, greeting: Greeting, now: Timestamp) -> Result<()> {
        let told = self.write(move |tx| backlog::greet(tx, &greeting, now)).await?;
        for (sink, incidents) in &told {
            tracing::info!("the receiver `{sink}` is new: it is told of {incidents} open incidents");
        }
        if !told.is_empty() {
            self.tell_alerts_changed();
        }
        Ok(())
    }

    /// Notes that tries begin of what is due, before anything is sent, so that after a crash it is known that they may
    /// have arrived: the most urgent first, one an incident, each as it stands now. Those whose incident can't be read
    /// are given up, with the reason.
    pub async fn begin(&self, sink: &'static str, now: Timestamp, limit: usize) -> Result<Vec<DueAlert>> {
        let begun = self.write(move |tx| outbox::begin(tx, sink, now, limit)).await?;
        if let Some(first) = begun.broken.first() {
            self.tell_unreadable(&first.reason, begun.broken.len());
            self.count_turned_away("unreadable_alerts", u64::try_from(begun.broken.len())?);
        }
        Ok(self.marked(begun.alerts))
    }

    /// Notes what became of alerts that were tried, all at once.
    pub async fn settle(&self, all: Vec<Settled>) -> Result<()> {
        self.write(move |tx| outbox::settle(tx, &all)).await?;
        self.tell_alerts_changed();
        Ok(())
    }

    /// Notes that a try begins, before anything is sent, so that after a crash it is known that the alert may
    /// have arrived. Returns it as it stands now; `None`: it does not wait any more.
    pub async fn start_attempt(&self, alert: i64, at: Timestamp) -> Result<Option<DueAlert>> {
        self.write(move |tx| outbox::start_attempt(tx, alert, at)).await
    }

    /// Notes that the receiver has it: with whose verdict, and what it calls it.
    pub async fn mark_sent(
        &self,
        alert: i64,
        told: (VerdictBy, Option<String>),
        at: Timestamp,
    ) -> Result<()> {
        self.write(move |tx| outbox::mark_sent(tx, alert, &told, at)).await?;
        self.tell_alerts_changed();
        Ok(())
    }

    /// Gives up what waits for a receiver that is none of `sinks`; how many.
    pub async fn give_up_without(&self, sinks: Vec<&'static str>, at: Timestamp) -> Result<u64> {
        self.write(move |tx| outbox::give_up_without(tx, &sinks, at)).await
    }

    /// Notes that it did not go well, and when to try again.
    pub async fn mark_retry(&self, alert: i64, failure: DeliveryFailure, next_due: Timestamp) -> Result<()> {
        self.write(move |tx| outbox::mark_retry(tx, alert, &failure, next_due)).await
    }

    /// Notes that it is given up.
    pub async fn mark_failed(&self, alert: i64, failure: DeliveryFailure) -> Result<()> {
        self.write(move |tx| outbox::mark_failed(tx, alert, &failure)).await
    }

    /// With the mark of what a crash of the daemon would lose.
    fn marked(&self, mut alerts: Vec<DueAlert>) -> Vec<DueAlert> {
        let unstored = self.is_in_memory();
        alerts.iter_mut().for_each(|it| it.unstored = unstored);
        alerts
    }
}
