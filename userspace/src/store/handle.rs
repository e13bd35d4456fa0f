//! The handle to the store: each question is one transaction on the blocking pool.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use rusqlite::params;
use tokio::sync::watch;

use super::action::{ActionOutcome, IncidentAction, act};
use super::advance::{self, Advanced, IsAlive, Watched};
use super::announce;
use super::live;
use super::noise::Noise;
use super::open::open;
use super::outbox;
use super::page::{Filter, Page};
use super::plan::AlertPlan;
use super::raise::{self, Judged};
use super::read;
use super::record::{Recorded, record};
use super::recording::Recording;
use super::retention::{Limits, enforce};
use super::sides::Sides;
use super::trouble;
use super::tx::Tx;
use super::unreadable::{REMEDY, Unreadable};
use crate::config::LifeRules;
use crate::health::Health;
use crate::host::Host;
use crate::kinds::case::Case;
use crate::metrics::{LimitLabel, Metrics};
use crate::model::{EvidenceFile, Incident, IncidentKind, ProcessKey, Verdict, VerdictBy};
use crate::text;

/// A cheap-to-clone handle to the store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    sides: Sides,
    alerts_changed: watch::Sender<()>,
    revision: AtomicU64,
    dir: PathBuf,
    host: Host,
    limits: Limits,
    rules: LifeRules,
    metrics: Arc<Metrics>,
    health: Health,
    noise: Noise,
    moved_aside: Option<PathBuf>,
}

impl Store {
    /// Opens or makes the database in `dir`.
    ///
    /// A damaged database is moved aside and a new one begun: see [`Store::recovered_from`]. One that a newer
    /// version wrote is an error.
    pub fn open(dir: &Path, host: Host, metrics: Arc<Metrics>, health: Health) -> Result<Self> {
        Self::open_with(dir, host, metrics, health, Limits::default(), LifeRules::default())
    }

    /// As [`Store::open`], with other rules than the usual for the life of incidents.
    pub fn open_ruled(
        dir: &Path,
        host: Host,
        metrics: Arc<Metrics>,
        health: Health,
        rules: LifeRules,
    ) -> Result<Self> {
        Self::open_with(dir, host, metrics, health, Limits::default(), rules)
    }

    pub(super) fn open_with(
        dir: &Path,
        host: Host,
        metrics: Arc<Metrics>,
        health: Health,
        limits: Limits,
        rules: LifeRules,
    ) -> Result<Self> {
        let mut opened = open(dir).map_err(|err| trouble::explain(err, dir))?;
        let moved_aside = opened.moved_aside.take();
        Ok(Self(Arc::new(Inner {
            sides: Sides::new(dir, opened, health.clone()).map_err(|err| trouble::explain(err, dir))?,
            alerts_changed: watch::Sender::new(()),
            revision: AtomicU64::new(0),
            dir: dir.to_owned(),
            host,
            limits,
            rules,
            metrics,
            noise: Noise::new(health.clone()),
            health,
            moved_aside,
        })))
    }

    /// Where the damaged database lies that was found at [`Store::open`], in words for /healthz; `None`: all
    /// was well.
    pub fn recovered_from(&self) -> Option<String> {
        let aside = self.0.moved_aside.as_ref()?;
        Some(format!(
            "the incident database was damaged; it was moved to {} and a new one was started",
            aside.display()
        ))
    }

    /// Records a case: a new incident with its evidence and alerts, or one more occurrence of a known one.
    /// One transaction.
    ///
    /// When the case is more severe than the incident it is counted on, the incident takes over its severity, file
    /// and verdict, and is alerted again. One that was resolved is open again.
    pub async fn record(&self, case: Case, verdict: Verdict, plan: AlertPlan) -> Result<Recorded> {
        self.record_at(case, verdict, plan, Timestamp::now()).await
    }

    pub(super) async fn record_at(
        &self,
        case: Case,
        verdict: Verdict,
        plan: AlertPlan,
        now: Timestamp,
    ) -> Result<Recorded> {
        let mut recorded = self.record_all_at(vec![(case, verdict, plan)], now).await?;
        recorded.pop().context("one case, and nothing recorded")
    }

    /// As [`Store::record`], of many in one transaction: all or none of them.
    pub(crate) async fn record_all(&self, cases: Vec<(Case, Verdict, AlertPlan)>) -> Result<Vec<Recorded>> {
        self.record_all_at(cases, Timestamp::now()).await
    }

    async fn record_all_at(
        &self,
        cases: Vec<(Case, Verdict, AlertPlan)>,
        now: Timestamp,
    ) -> Result<Vec<Recorded>> {
        let (host, limits, rules) = (self.0.host.clone(), self.0.limits, self.0.rules.clone());
        let inner = Arc::clone(&self.0);
        let all = self
            .write(move |tx| {
                let limits = if inner.sides.is_away() { live::LIMITS } else { limits };
                let one = |(case, verdict, plan): &(Case, Verdict, AlertPlan)| {
                    let recording = Recording { case, verdict, plan, rules: &rules, host: &host, now };
                    let recorded = record(tx, &recording)?;
                    let removed = enforce(tx, limits, &recorded.id)?;
                    Ok((recorded, removed))
                };
                cases.iter().map(one).collect::<Result<Vec<_>>>()
            })
            .await?;
        let mut done = Vec::new();
        for (recorded, removed) in all {
            self.count_turned_away("incidents", removed.incidents);
            self.count_turned_away("alerts", removed.pending_alerts);
            self.0.noise.note(&removed, now);
            done.push(recorded);
        }
        if done.iter().any(|it| it.new || it.escalated || it.reopened) {
            self.tell_alerts_changed();
        }
        Ok(done)
    }

    /// Lets no silence count of conditions of this kind until it can be seen whether they go on.
    pub async fn hold_back(&self, kind: IncidentKind, patience: Duration, lives: IsAlive) -> Result<()> {
        let boot_id = self.0.host.boot_id.clone();
        self.write(move |tx| advance::hold_back(tx, (kind, &boot_id), patience, &*lives)).await
    }

    /// One step in the life of all incidents, by what could be watched since the last. `sinks`: who may be told.
    pub async fn advance(
        &self,
        watched: Watched,
        sinks: Vec<&'static str>,
        now: Timestamp,
    ) -> Result<Advanced> {
        // Most of the time there is nothing, and a write would wake the disk.
        if !self.read(advance::is_needed).await? {
            return Ok(Advanced::default());
        }
        let rules = self.0.rules.clone();
        let advanced = self.write(move |tx| advance::advance(tx, watched, &rules, &sinks, now)).await?;
        if advanced.alerts > 0 {
            self.tell_alerts_changed();
        }
        Ok(advanced)
    }

    /// Replaces the verdict, and releases the alert that was held for it.
    pub async fn set_verdict(&self, id: &str, verdict: Verdict) -> Result<()> {
        let id = id.to_owned();
        self.write(move |tx| {
            let sql = "UPDATE incidents SET verdict = ?2 WHERE id = ?1";
            let changed = tx.prepare_cached(sql)?.execute(params![id, serde_json::to_string(&verdict)?])?;
            ensure!(changed > 0, "there is no incident {id}");
            outbox::release(tx, &id, Timestamp::now())?;
            if verdict.by == VerdictBy::Model {
                announce::announce_verdict(tx, &id, Timestamp::now())?;
            }
            Ok(())
        })
        .await?;
        self.tell_alerts_changed();
        Ok(())
    }

    /// As [`Store::set_verdict`], of the model's verdict on this case: only while the incident shows its file, and
    /// with the severity, which it may raise; `plan`: who is to be told then. Whether it was set.
    pub(crate) async fn judge(
        &self,
        id: &str,
        case: Case,
        verdict: Verdict,
        plan: AlertPlan,
    ) -> Result<bool> {
        let (id, host, rules) = (id.to_owned(), self.0.host.clone(), self.0.rules.clone());
        let judged = self
            .write(move |tx| {
                let (plan, rules, now) = (&plan, &rules, Timestamp::now());
                raise::judge(
                    tx,
                    &id,
                    &Recording { case: &case, verdict: &verdict, plan, rules, host: &host, now },
                )
            })
            .await?;
        if judged == Judged::Raised {
            self.0.metrics.model.raised.inc();
        }
        self.tell_alerts_changed();
        Ok(judged != Judged::Not)
    }

    /// Releases a held alert: the verdict it has is the one it gets.
    pub async fn release_alerts(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |tx| outbox::release(tx, &id, Timestamp::now())).await?;
        self.tell_alerts_changed();
        Ok(())
    }

    /// Acknowledges or resolves by hand. `sinks`: who may be told.
    pub async fn act(
        &self,
        id: &str,
        action: IncidentAction,
        sinks: Vec<&'static str>,
        now: Timestamp,
    ) -> Result<ActionOutcome> {
        let id = id.to_owned();
        let outcome = self.write(move |tx| act(tx, &id, action, &sinks, now)).await?;
        self.tell_alerts_changed();
        Ok(outcome)
    }

    /// One page. Incidents that can't be read are left out and counted.
    pub async fn list(&self, filter: Filter) -> Result<Page> {
        let in_file = filter.clone();
        let (mut page, broken) = self.read(move |tx| read::list(tx, &filter)).await?;
        if let Some((stored, _)) = self.read_file(move |tx| read::list(tx, &in_file)).await {
            page = page.over(stored);
        }
        if let Some(first) = broken.first() {
            self.tell_unreadable(&first.to_string(), broken.len());
        }
        Ok(page)
    }

    /// The incidents that are not resolved and happened to this process of this boot, the oldest first.
    pub async fn open_about(&self, process: ProcessKey) -> Result<Vec<Incident>> {
        let boot_id = self.0.host.boot_id.clone();
        self.read(move |tx| read::open_about(tx, process, &boot_id)).await
    }

    /// One incident with its evidence index. One that is there and can't be read is an [`Unreadable`].
    pub async fn get(&self, id: &str) -> Result<Option<Incident>> {
        let (id, again) = (id.to_owned(), id.to_owned());
        let mut found = self.read(move |tx| read::get(tx, &id)).await;
        if matches!(found, Ok(None)) {
            found = Ok(self.read_file(move |tx| read::get(tx, &again)).await.flatten());
        }
        if let Some(broken) = found.as_ref().err().and_then(|err| err.downcast_ref::<Unreadable>()) {
            self.tell_unreadable(&broken.to_string(), 1);
        }
        found
    }

    /// One frozen file of an incident, by name.
    pub async fn evidence(&self, id: &str, name: &str) -> Result<Option<EvidenceFile>> {
        let (id, name) = (id.to_owned(), name.to_owned());
        let (in_file, its_name) = (id.clone(), name.clone());
        let found = self.read(move |tx| read::evidence(tx, &id, &name)).await?;
        if found.is_some() {
            return Ok(found);
        }
        Ok(self.read_file(move |tx| read::evidence(tx, &in_file, &its_name)).await.flatten())
    }

    /// Changes when the outbox may have something due that it had not before.
    pub fn alerts_changes(&self) -> watch::Receiver<()> {
        self.0.alerts_changed.subscribe()
    }

    /// Another number after each write: what was read under the same one is still so.
    pub fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Relaxed)
    }

    fn tell_revised(&self) {
        self.0.revision.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tell_alerts_changed(&self) {
        self.0.alerts_changed.send_replace(());
    }

    /// Makes the disk full at so many pages.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        self.0.sides.limit_pages(pages);
    }

    /// Looks after the database's file: see [`Sides::tend`]. To be called every second or so.
    pub async fn tend(&self) -> Result<()> {
        let inner = Arc::clone(&self.0);
        let changed = tokio::task::spawn_blocking(move || inner.sides.tend()).await;
        if changed.context("the store's thread ended early")? {
            self.tell_revised();
            self.tell_alerts_changed();
        }
        self.0.noise.settle(Timestamp::now());
        Ok(())
    }

    /// Whether incidents are in memory alone for now, because the database can't be used.
    pub fn is_in_memory(&self) -> bool {
        self.0.sides.is_away()
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        act: impl Fn(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.run(move |sides| sides.write(act)).await;
        self.tell_revised();
        done
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        act: impl Fn(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(move |sides| sides.read(act)).await
    }

    /// Of what is not in memory, while that stands in for the file: as far as the file can be read.
    async fn read_file<T: Send + 'static>(
        &self,
        act: impl Fn(&Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Option<T> {
        if !self.is_in_memory() {
            return None;
        }
        self.run(move |sides| sides.read_file(&act)).await.ok()
    }

    async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Sides) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let work = tokio::task::spawn_blocking(move || act(&inner.sides));
        let result = work.await.context("the store's thread ended early")?;
        result.map_err(|err| trouble::explain(err, &self.0.dir))
    }

    /// Such a row stays what it is, so health says it until the next start.
    pub(super) fn tell_unreadable(&self, first: &str, count: usize) {
        let first = text::printable(first);
        let reason = match count {
            1 => first,
            _ => format!("{count} incidents in the database cannot be read; the first: {first}"),
        };
        tracing::warn!("{reason}");
        self.0.health.degrade("store", reason, REMEDY);
    }

    pub(super) fn count_turned_away(&self, limit: &'static str, count: u64) {
        if count > 0 {
            self.0.metrics.turned_away.get_or_create(&LimitLabel { limit }).inc_by(count);
        }
    }
}
