//! The kernel's OOM reports of the last seconds, for the case on each victim: the report comes by the log, the
//! victim's choice and end by their events, in no certain order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::report::{EarlierSize, OomAccount};
use crate::kinds::late::{Addition, Late};
use crate::model::OomReport;
use crate::state::Table;

/// Most reports kept: some 64 KiB each at most.
const KEPT: usize = 32;
/// How long a case waits for its report. The kernel writes it around the choice: it is there, as a rule.
const PATIENCE: Duration = Duration::from_millis(300);
/// Farthest a report may be from the event it belongs to. Their clocks differ a little, and the console may be
/// slow; that the same pid is a victim again so soon is as good as impossible.
const SAME_KILL: Duration = Duration::from_secs(2);

/// OOM reports of the kernel that wait for their victim, and victims that wait for a report.
pub struct OomReports {
    /// Whether anybody follows the log.
    followed: bool,
    kept: watch::Sender<VecDeque<Arc<OomAccount>>>,
}

impl OomReports {
    /// None yet; whether any will come.
    pub fn new(followed: bool) -> Self {
        Self { followed, kept: watch::Sender::default() }
    }

    /// The kernel's log has a report: kept for the victim's case, with what the last scan of /proc had measured of
    /// the largest tasks. Only so can be told who grew.
    pub fn add(&self, report: Arc<OomReport>, table: &Table) {
        let measured = |tgid| {
            let sample = table.by_pid(tgid)?.sample?;
            let age = report.at.checked_sub(sample.at)?;
            Some(EarlierSize { tgid, rss_bytes: sample.rss_bytes, age })
        };
        let before =
            report.tasks.iter().take(OomAccount::TOLD).filter_map(|task| measured(task.tgid)).collect();
        self.keep(OomAccount { report, before });
    }

    /// What the report on the victim `pid`, chosen at about `at`, adds to its case, once it is there.
    pub fn addition(&self, pid: u32, at: Duration) -> Late {
        let waiting = self.wait(pid, at);
        Box::pin(async move {
            match waiting.await {
                Ok(account) => account.addition(),
                Err(reason) => Addition { missing: vec![reason.to_owned()], ..Addition::default() },
            }
        })
    }

    fn keep(&self, account: OomAccount) {
        self.kept.send_modify(|kept| {
            if kept.len() >= KEPT {
                kept.pop_front();
            }
            kept.push_back(Arc::new(account));
        });
    }

    /// The report on the victim `pid`, chosen at about `at`; why there is none, else. Waits for it for a moment.
    fn wait(
        &self,
        pid: u32,
        at: Duration,
    ) -> impl Future<Output = Result<Arc<OomAccount>, &'static str>> + use<> {
        let (followed, mut kept) = (self.followed, self.kept.subscribe());
        async move {
            if !followed {
                return Err("the kernel's OOM report: the kernel log cannot be read here");
            }
            let find = |kept: &VecDeque<Arc<OomAccount>>| {
                let fits =
                    |it: &&Arc<OomAccount>| it.report.names(pid) && it.report.at.abs_diff(at) <= SAME_KILL;
                kept.iter().rev().find(fits).map(Arc::clone)
            };
            let arrived = kept.wait_for(|kept| find(kept).is_some());
            let found = match tokio::time::timeout(PATIENCE, arrived).await {
                Ok(Ok(kept)) => find(&kept),
                _ => None,
            };
            found.ok_or("the kernel's OOM report: none about this victim arrived in time")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report on the death of `pid`, logged at so many seconds.
    fn account(pid: u32, at: u64) -> OomAccount {
        let report = OomReport { at: Duration::from_secs(at), ..OomReport::sample(pid) };
        OomAccount { report: Arc::new(report), before: Vec::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_belongs_to_its_victim_and_its_time() {
        let reports = OomReports::new(true);
        for (pid, at) in [(5, 100), (6, 100), (5, 200)] {
            reports.keep(account(pid, at));
        }
        for (pid, at, want) in [
            (5, 100, Some(100)),
            (5, 102, Some(100)),
            (5, 98, Some(100)),
            (5, 199, Some(200)),
            (5, 103, None),
            (6, 200, None),
            (7, 100, None),
        ] {
            let found = reports.wait(pid, Duration::from_secs(at)).await.map(|it| it.report.at.as_secs());
            assert_eq!(found.ok(), want, "{pid} at {at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_case_waits_for_its_report_but_not_long() {
        let reports = OomReports::new(true);
        let began = tokio::time::Instant::now();
        let waiting = tokio::spawn(reports.wait(5, Duration::from_secs(100)));
        tokio::time::sleep(PATIENCE / 2).await;
        reports.keep(account(6, 100));
        reports.keep(account(5, 101));
        assert_eq!(waiting.await.unwrap().unwrap().report.victim_tgid, 5);
        assert_eq!(began.elapsed(), PATIENCE / 2);
        let missing = reports.wait(7, Duration::from_secs(100)).await.unwrap_err();
        assert_eq!(began.elapsed(), PATIENCE * 3 / 2);
        assert!(missing.contains("in time"), "{missing}");
        let missing = OomReports::new(false).wait(7, Duration::from_secs(100)).await.unwrap_err();
        assert_eq!(began.elapsed(), PATIENCE * 3 / 2, "nobody will come");
        assert!(missing.contains("cannot be read"), "{missing}");
    }

    #[test]
    fn the_oldest_report_is_forgotten_first() {
        let reports = OomReports::new(true);
        for pid in 0..u32::try_from(KEPT).unwrap() + 2 {
            reports.keep(account(pid, 1));
        }
        let kept = reports.kept.borrow();
        assert_eq!((kept.len(), kept.front().unwrap().report.victim_tgid), (KEPT, 2));
    }
}
