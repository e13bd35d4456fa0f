//! From open to resolved and back, and who is told of it when; by times of our own.

mod current;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::{ActionOutcome, Advanced, DueAlert, IncidentAction, Watched};
use super::*;
use crate::config::LifeRules;
use crate::model::{Occasion, VerdictBy};
use crate::store::reminders::reminder_after;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const SINKS: [&str; 1] = ["slack"];

/// A store whose time is told, second by second after [`at`]`(0)`.
struct Rig {
    dir: tempfile::TempDir,
    store: Store,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: open(dir.path()), dir }
    }

    /// As after a `kill -9`: nothing was closed.
    fn restart(self) -> Self {
        std::mem::forget(self.store);
        Self { store: open(self.dir.path()), dir: self.dir }
    }

    async fn happens(&self, kind: IncidentKind, pid: u32, seconds: i64) -> super::super::Recorded {
        let mut it = case_by("a", pid, seconds);
        it.kind = kind;
        self.store.record_at(it, verdict("1"), slack_now(), at(seconds)).await.unwrap()
    }

    /// Time in which all was watched, in walks of ten seconds.
    async fn pass(&self, watched_s: u64, seconds: i64) -> Advanced {
        let span = Duration::from_secs(watched_s);
        let watched = Watched { walks: watched_s / 10, walked: span, events: span };
        self.store.advance(watched, SINKS.to_vec(), at(seconds)).await.unwrap()
    }

    /// Sends all that is due, and says what: `new 1`, `reminder 1000+999`.
    async fn send(&self, seconds: i64) -> Vec<String> {
        let mut said = Vec::new();
        for due in self.store.due_alerts("slack", at(seconds), 100).await.unwrap() {
            let alert = self.store.start_attempt(due.id, at(seconds)).await.unwrap().unwrap();
            self.store.mark_sent(alert.id, (VerdictBy::Rules, None), at(seconds)).await.unwrap();
            let more = alert.told_before.map(|before| format!("+{}", alert.count - before));
            said.push(format!(
                "{} {}{}",
                alert.occasion.as_str(),
                alert.incident.count,
                more.unwrap_or_default()
            ));
        }
        said
    }

    async fn act(&self, id: &str, action: IncidentAction, seconds: i64) -> ActionOutcome {
        self.store.act(id, action, SINKS.to_vec(), at(seconds)).await.unwrap()
    }

    async fn the_one(&self) -> Incident {
        let mut all = self.store.list(Filter::default()).await.unwrap().incidents;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[tokio::test]
async fn a_thousand_crashes_are_one_alert_and_reminders_ever_further_apart() {
    let rig = Rig::new();
    for pid in 1..=1000 {
        rig.happens(IncidentKind::Crash, pid, i64::from(pid) / 100).await;
        if pid == 1 {
            assert_eq!(rig.send(0).await, ["new 1"]);
        }
    }
    let mut told = Vec::new();
    // It crashes every minute for an hour, and then every ten minutes for three days.
    let hour = (1..=60).map(|minute| (minute, 60));
    for (minute, passed) in hour.chain((70..=72 * 60).step_by(10).map(|minute| (minute, 600))) {
        let now = minute * MINUTE;
        rig.happens(IncidentKind::Crash, 10_000 + u32::try_from(minute).unwrap(), now - 1).await;
        rig.pass(passed, now).await;
        for said in rig.send(now).await {
            told.push((minute, said));
        }
    }
    let want = [
        (10, "reminder 1010+1009"),
        (70, "reminder 1061+51"),
        (430, "reminder 1097+36"),
        (1870, "reminder 1241+144"),
        (3310, "reminder 1385+144"),
    ];
    assert_eq!(told, want.map(|(minute, said)| (minute, said.to_owned())));
    assert_eq!(rig.the_one().await.count, 1000 + 60 + 71 * 6);
}

#[tokio::test]
async fn what_does_not_happen_again_is_not_reminded_of() {
    let rig = Rig::new();
    rig.happens(IncidentKind::Crash, 1, 0).await;
    assert_eq!(rig.send(0).await, ["new 1"]);
    rig.pass(60, 20 * MINUTE).await;
    assert_eq!(rig.send(20 * MINUTE).await, nothing());
    // Not twice before it is sent, and not while it waits for a retry.
    rig.happens(IncidentKind::Crash, 2, 21 * MINUTE).await;
    for second in 1..4 {
        rig.pass(1, 21 * MINUTE + second).await;
    }
    assert_eq!(rig.send(22 * MINUTE).await, ["reminder 2+1"]);
    rig.pass(1, 23 * MINUTE).await;
    assert_eq!(rig.send(23 * MINUTE).await, nothing());
}

#[tokio::test]
async fn reminders_go_only_where_the_first_alert_arrived() {
    let rig = Rig::new();
    rig.happens(IncidentKind::Crash, 1, 0).await;
    let alert = rig.store.due_alerts("slack", at(0), 1).await.unwrap().remove(0).id;
    let failure = super::super::DeliveryFailure { at: at(1), error: "no".into(), may_have_arrived: false };
    rig.store.mark_failed(alert, failure).await.unwrap();
    rig.happens(IncidentKind::Crash, 2, HOUR).await;
    assert_eq!(rig.pass(60, HOUR + 1).await, Advanced::default());
    // And only to receivers that there still are.
    let rig = Rig::new();
    rig.happens(IncidentKind::Crash, 1, 0).await;
    rig.send(0).await;
    rig.happens(IncidentKind::Crash, 2, HOUR).await;
    let advanced = rig.store.advance(Watched::default(), vec!["other"], at(HOUR)).await.unwrap();
    assert_eq!(advanced, Advanced::default());
    // Who is one changes at a start.
    let rig = rig.restart();
    assert_eq!(rig.pass(0, HOUR).await.alerts, 1);
}

#[tokio::test]
async fn an_event_is_over_after_silence_that_was_watched() {
    let rig = Rig::new();
    let id = rig.happens(IncidentKind::Crash, 1, 0).await.id;
    rig.send(0).await;
    // The daemon was down for a day, and walks alone see no crash.
    let rig = rig.restart();
    assert_eq!(rig.pass(0, 24 * HOUR).await, Advanced::default());
    let blind = Watched { walks: 1000, walked: Duration::from_secs(10_000), events: Duration::ZERO };
    assert_eq!(rig.store.advance(blind, SINKS.to_vec(), at(25 * HOUR)).await.unwrap(), Advanced::default());
    // Half of the silence, a restart, and one more: it begins anew.
    rig.pass(1200, 26 * HOUR).await;
    let rig = rig.restart();
    rig.happens(IncidentKind::Crash, 2, 26 * HOUR).await;
    assert_eq!(rig.pass(1200, 27 * HOUR).await.resolved, nothing());
    let over = rig.pass(600, 28 * HOUR).await;
    assert_eq!((over.resolved, over.alerts), (vec![id], 1));
    let it = rig.the_one().await;
    assert_eq!((it.status, it.resolved_at), (IncidentStatus::Resolved, Some(at(28 * HOUR))));
    // The note outlives a kill, and the reminder that was due is not sent after it.
    let rig = rig.restart();
    assert_eq!(rig.send(28 * HOUR).await, ["resolved 2+1"]);
    assert_eq!(rig.pass(9999, 60 * HOUR).await, Advanced::default());
}

#[tokio::test]
async fn a_condition_is_over_after_walks_without_it() {
    for (walks, walked_s, want) in [(3, 600, false), (4, 119, false), (4, 120, true), (100, 10, false)] {
        let rig = Rig::new();
        rig.happens(IncidentKind::FdExhaustion, 1, 0).await;
        let watched = Watched { walks, walked: Duration::from_secs(walked_s), events: Duration::ZERO };
        let advanced = rig.store.advance(watched, SINKS.to_vec(), at(600)).await.unwrap();
        assert_eq!(advanced.resolved.len(), usize::from(want), "{walks} walks in {walked_s} s");
        // Nobody was told of it: nobody is told that it is over.
        assert_eq!(advanced.alerts, 0);
    }
    // While the walks find it, it goes on.
    let rig = Rig::new();
    for walk in 0..100 {
        rig.happens(IncidentKind::FdExhaustion, 1, walk * 10).await;
        assert_eq!(rig.pass(10, walk * 10).await.resolved, nothing());
    }
    assert_eq!(rig.the_one().await.count, 1);
}

#[tokio::test]
async fn what_cannot_be_judged_yet_is_not_over() {
    let rig = Rig::new();
    let id = rig.happens(IncidentKind::MemoryGrowth, 1, 0).await.id;
    let mut other = case_by("b", 2, 0);
    other.kind = IncidentKind::FdExhaustion;
    let of_another_kind = rig.store.record_at(other, verdict("1"), slack_now(), at(0)).await.unwrap().id;
    rig.pass(20, 20).await;
    let rig = rig.restart();
    let patience = Duration::from_secs(1200);
    rig.store.hold_back(IncidentKind::FdExhaustion, patience, Arc::new(|key| key.pid != 2)).await.unwrap();
    rig.store.hold_back(IncidentKind::MemoryGrowth, patience, Arc::new(|key| key.pid == 1)).await.unwrap();
    assert_eq!(rig.pass(600, 1200).await.resolved, [of_another_kind]);
    assert_eq!(rig.pass(700, 1900).await.resolved, nothing(), "20 minutes to judge, and two without it");
    assert_eq!(rig.pass(60, 1960).await.resolved, [id]);
}

#[tokio::test]
async fn a_process_in_another_cgroup_is_the_same_one() {
    let rig = Rig::new();
    let first = rig.happens(IncidentKind::MemoryGrowth, 1, 0).await.id;
    let moved = |pid, kind| {
        let mut it = case_by("moved", pid, 60);
        it.kind = kind;
        it.file.process.cgroup = Some("/elsewhere".into());
        it
    };
    for (pid, kind, same) in [
        (1, IncidentKind::MemoryGrowth, true),
        (1, IncidentKind::CpuSpin, false),
        (2, IncidentKind::MemoryGrowth, false),
    ] {
        let it = moved(pid, kind);
        let recorded = rig.store.record_at(it, verdict("1"), slack_now(), at(60)).await.unwrap();
        assert_eq!(recorded.id == first, same, "{kind:?} of {pid}");
        if same {
            assert!(!recorded.new);
        }
    }
}

#[tokio::test]
async fn what_comes_back_in_time_is_the_same_incident() {
    let rig = Rig::new();
    let first = rig.happens(IncidentKind::Crash, 1, 0).await.id;
    assert_eq!(rig.send(0).await, ["new 1"]);
    rig.act(&first, IncidentAction::Acknowledge, 1).await;
    rig.pass(1800, 40 * MINUTE).await;
    assert_eq!(rig.send(40 * MINUTE).await, ["resolved 1+0"]);
    let back = rig.happens(IncidentKind::Crash, 2, 60 * MINUTE).await;
    assert!(back.reopened && back.shown && !back.new && back.id == first, "{back:?}");
    let it = rig.the_one().await;
    assert_eq!((it.status, it.count, it.process.pid), (IncidentStatus::Open, 2, 2));
    assert_eq!((it.acknowledged_at, it.resolved_at), (None, None));
    assert_eq!(rig.send(60 * MINUTE).await, ["reopened 2+1"]);
    // Another hour after its end it is a new one.
    rig.pass(1800, 100 * MINUTE).await;
    let later = rig.happens(IncidentKind::Crash, 3, 161 * MINUTE).await;
    assert!(later.new && later.id != first, "{later:?}");
}

#[tokio::test]
async fn what_comes_and_goes_is_told_of_ever_more_rarely() {
    let rig = Rig::new();
    let mut told = Vec::new();
    // Six minutes of full descriptors, six without, for twelve hours.
    for minute in 0..12 * 60 {
        let now = minute * MINUTE;
        if minute % 12 < 6 {
            rig.happens(IncidentKind::FdExhaustion, 1, now).await;
        }
        rig.pass(60, now).await;
        told.extend(
            rig.send(now).await.into_iter().map(|said| (minute, said.split(' ').next().unwrap().to_owned())),
        );
    }
    let alerts: Vec<_> =
        told.iter().filter(|(_, said)| said != "resolved").map(|(minute, _)| *minute).collect();
    let notes = told.len() - alerts.len();
    assert_eq!(alerts, [0, 12, 72, 432], "{told:?}");
    // To each alert its end, and no end of what nobody heard of.
    assert_eq!(notes, 4, "{told:?}");
    assert_eq!(rig.store.list(Filter::default()).await.unwrap().incidents.len(), 1);
}

#[tokio::test]
async fn an_acknowledged_incident_does_not_remind_and_still_ends() {
    let rig = Rig::new();
    let id = rig.happens(IncidentKind::Crash, 1, 0).await.id;
    rig.send(0).await;
    rig.happens(IncidentKind::Crash, 2, HOUR).await;
    assert_eq!(rig.pass(0, HOUR).await.alerts, 1);
    // The reminder waits to be sent: it is taken back.
    let ActionOutcome::Done(it) = rig.act(&id, IncidentAction::Acknowledge, HOUR + 1).await else { panic!() };
    assert_eq!((it.status, it.acknowledged_at), (IncidentStatus::Acknowledged, Some(at(HOUR + 1))));
    rig.happens(IncidentKind::Crash, 3, 2 * HOUR).await;
    rig.pass(0, 2 * HOUR).await;
    assert_eq!(rig.send(2 * HOUR).await, nothing());
    // An escalation is news all the same.
    rig.pass(1800, 3 * HOUR).await;
    assert_eq!(rig.send(3 * HOUR).await, ["resolved 3+2"]);
}

#[tokio::test]
async fn by_hand() {
    let rig = Rig::new();
    let id = rig.happens(IncidentKind::Crash, 1, 0).await.id;
    rig.send(0).await;
    assert_eq!(rig.act("nobody", IncidentAction::Resolve, 1).await, ActionOutcome::Unknown);
    let ActionOutcome::Done(first) = rig.act(&id, IncidentAction::Acknowledge, 1).await else { panic!() };
    // Again changes nothing, not even the time.
    assert_eq!(rig.act(&id, IncidentAction::Acknowledge, 2).await, ActionOutcome::Done(first));
    let ActionOutcome::Done(over) = rig.act(&id, IncidentAction::Resolve, 3).await else { panic!() };
    assert_eq!((over.status, over.resolved_at), (IncidentStatus::Resolved, Some(at(3))));
    assert_eq!(rig.send(3).await, ["resolved 1+0"]);
    let ActionOutcome::Done(again) = rig.act(&id, IncidentAction::Resolve, 4).await else { panic!() };
    assert_eq!(again.resolved_at, over.resolved_at);
    assert_eq!(rig.send(4).await, nothing());
    assert_eq!(
        rig.act(&id, IncidentAction::Acknowledge, 5).await,
        ActionOutcome::Conflict(IncidentStatus::Resolved)
    );
    // It is not over, whatever was said: the reminder's time decides when somebody is told.
    let back = rig.happens(IncidentKind::Crash, 2, 6).await;
    assert!(back.reopened);
    assert_eq!(rig.send(6).await, nothing());
    rig.pass(0, 11 * MINUTE).await;
    assert_eq!(rig.send(11 * MINUTE).await, ["reopened 2+1"]);
}

#[tokio::test]
async fn an_end_that_nobody_heard_of_yet_is_taken_back() {
    let rig = Rig::new();
    let id = rig.happens(IncidentKind::Crash, 1, 0).await.id;
    rig.send(0).await;
    rig.act(&id, IncidentAction::Resolve, 20 * MINUTE).await;
    rig.happens(IncidentKind::Crash, 2, 20 * MINUTE + 1).await;
    assert_eq!(rig.send(21 * MINUTE).await, ["reopened 2+1"]);
}

#[test]
fn without_a_base_there_are_no_reminders() {
    let rules = LifeRules { remind: Duration::ZERO, ..LifeRules::default() };
    assert_eq!(reminder_after(&rules, 0), None);
    let minutes: Vec<_> = (-1..6)
        .map(|earlier| reminder_after(&LifeRules::default(), earlier).unwrap().as_secs() / 60)
        .collect();
    assert_eq!(minutes, [10, 10, 60, 360, 1440, 1440, 1440]);
}

#[tokio::test]
async fn what_is_graver_and_what_is_news_goes_first() {
    let rig = Rig::new();
    let record = async |name: &str, severity, seconds| {
        let mut it = case_by(name, 1, seconds);
        it.severity = severity;
        rig.store.record_at(it, verdict("1"), slack_now(), at(seconds)).await.unwrap();
    };
    record("old", Severity::Warning, 0).await;
    record("grave", Severity::Critical, 50).await;
    record("late", Severity::Critical, 70).await;
    let due: Vec<DueAlert> = rig.store.due_alerts("slack", at(100), 9).await.unwrap();
    let names: Vec<_> = due.iter().map(|it| it.incident.fingerprint.as_str()).collect();
    assert_eq!(names, ["grave", "late", "old"], "however long the others wait");
    assert!(due.iter().all(|it| it.occasion == Occasion::New));
    let later = Timestamp::from_second(0).unwrap() + SignedDuration::ZERO;
    assert!(rig.store.due_alerts("slack", later, 9).await.unwrap().is_empty());
}
