//! Tests of the recorder: what is stored, what waits for the model, and what a full disk costs.

use std::time::Duration;

use jiff::SignedDuration;
use tempfile::TempDir;

use super::super::model::{ask_model, judge};
use super::*;
use crate::kinds::sample::{at, case, case_by, verdict};
use crate::model::{Incident, IncidentKind, Severity};
use crate::queue::cases::{case_queue, entry};
use crate::store::sample::open;
use crate::store::{DueAlert, Filter};

const DEADLINE: Duration = Duration::from_secs(3600);

struct RecorderRig {
    _dir: TempDir,
    store: Store,
    model: Queue<PendingQuestion>,
    metrics: Arc<Metrics>,
    health: Health,
    cases: Queue<Case>,
    audience: Audience,
    shutdown: CancellationToken,
}

impl RecorderRig {
    fn new(model_room: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Metrics::new();
        Self {
            store: open(dir.path()),
            _dir: dir,
            model: Queue::new("model", model_room, |waiting, newer| *waiting = newer, &metrics),
            cases: case_queue(&metrics),
            metrics,
            health: Health::default(),
            audience: Audience {
                editing: vec![],
                level: vec![],
                sinks: vec!["slack"],
                min_severity: Severity::Warning,
                quiet_until: Timestamp::UNIX_EPOCH,
                since_ticks: 0,
            },
            shutdown: CancellationToken::new(),
        }
    }

    fn recorder(&self, model_deadline: Option<Duration>) -> Recorder {
        Recorder {
            store: self.store.clone(),
            audience: watch::channel(self.audience.clone()).1,
            model: self.model.clone(),
            metrics: Arc::clone(&self.metrics),
            health: self.health.clone(),
            rules: |file| verdict(&format!("By the rules, of {}.", file.process.pid)),
            model_deadline,
            show_secrets: false,
        }
    }

    fn push(&self, case: Case) {
        assert!(matches!(self.cases.push(entry(case)), Pushed::Queued | Pushed::Merged));
    }

    /// Records what was pushed, as at shutdown, and returns.
    async fn record_all(&self, model_deadline: Option<Duration>) {
        self.cases.close();
        self.recorder(model_deadline).run(self.cases.clone(), CancellationToken::new()).await;
    }

    async fn incidents(&self) -> Vec<Incident> {
        self.store.list(Filter::default()).await.unwrap().incidents
    }

    async fn due(&self) -> Vec<DueAlert> {
        self.store.due_alerts("slack", Timestamp::now(), 10).await.unwrap()
    }
}

fn graded(fingerprint: &str, severity: Severity) -> Case {
    Case { severity, ..case(fingerprint) }
}

#[tokio::test]
async fn without_a_model_the_alert_is_due_at_once_with_the_rules_verdict() {
    let rig = RecorderRig::new(8);
    rig.push(case("a"));
    rig.push(graded("b", Severity::Info));
    rig.record_all(None).await;
    let due = rig.due().await;
    assert_eq!(due.len(), 1, "info makes no alert: {due:?}");
    assert_eq!(due[0].incident.verdict.summary, "By the rules, of 13674.");
    assert_eq!(rig.incidents().await.len(), 2);
    assert!(rig.model.is_empty());
}

#[tokio::test]
async fn with_a_model_the_alert_waits_for_its_verdict() {
    let rig = RecorderRig::new(8);
    rig.push(case("a"));
    rig.record_all(Some(DEADLINE)).await;
    assert!(rig.due().await.is_empty());
    let hold = rig.store.next_due("slack").await.unwrap().unwrap().duration_since(Timestamp::now());
    let longest = SignedDuration::from_millis(3_600_500);
    assert!(hold > SignedDuration::from_secs(3500) && hold <= longest, "the deadline and a little: {hold}");

    let pending = rig.model.pop().await.unwrap();
    judge(&pending, &rig.store, async { verdict("By the model.") }).await.unwrap();
    let due = rig.due().await;
    assert_eq!(due[0].incident.verdict.summary, "By the model.");
    assert_eq!(due[0].incident.verdict.note, None);
}

#[tokio::test]
async fn the_alert_of_an_unheard_model_goes_out_after_the_deadline_and_says_so() {
    let rig = RecorderRig::new(8);
    rig.push(case("a"));
    let deadline = Duration::from_secs(8);
    rig.record_all(Some(deadline)).await;
    // A verdict at the very end of the deadline still finds the alert held.
    let at_deadline = Timestamp::now() + deadline;
    assert!(rig.store.due_alerts("slack", at_deadline, 1).await.unwrap().is_empty());
    let due = rig.store.due_alerts("slack", at_deadline + SETTLING, 1).await.unwrap();
    let said = &due[0].incident.verdict;
    assert_eq!((said.summary.as_str(), said.note.as_deref()), ("By the rules, of 13674.", Some(UNHEARD)));
}

#[test]
fn who_is_told_of_what() {
    let (start, end) = (at(0), at(120));
    let audience = Audience {
        editing: vec![],
        level: vec![],
        sinks: vec!["slack"],
        min_severity: Severity::Warning,
        quiet_until: end,
        since_ticks: 500,
    };
    let zombies = |severity, start_ticks| {
        let mut it = Case { kind: IncidentKind::ZombiePileup, ..graded("a", severity) };
        it.file.process.start_ticks = start_ticks;
        it
    };
    let mut kill = zombies(Severity::Critical, 400);
    kill.kind = IncidentKind::OomKill;
    for (what, case, now, told, digest) in [
        ("harmless", zombies(Severity::Info, 400), start, false, None),
        ("there before", zombies(Severity::Warning, 400), start, true, Some(end)),
        ("started since", zombies(Severity::Warning, 500), start, true, None),
        ("found later", zombies(Severity::Critical, 400), end, true, None),
        ("the kernel's", kill, start, true, None),
    ] {
        let plan = audience.plan(&case, Some(start), now);
        assert_eq!((plan.sinks.len(), plan.digest_until), (usize::from(told), digest), "{what}");
        assert_eq!(plan.hold_until.is_some(), told, "{what}");
    }
    let strict = Audience { min_severity: Severity::Critical, ..audience };
    assert!(strict.plan(&zombies(Severity::Warning, 500), None, end).sinks.is_empty());
    assert_eq!(strict.plan(&zombies(Severity::Critical, 500), None, end).sinks, ["slack"]);
}

#[test]
fn the_log_tells_of_new_and_graver_incidents_and_not_of_repeats() {
    let case = Case { title: "Crash: \u{1b}[2Jevil".into(), ..case("a") };
    for (new, escalated, reopened, want) in [
        (true, false, false, Some("a new incident: Crash: \u{fffd}[2Jevil")),
        (false, true, true, Some("an incident escalated: Crash: \u{fffd}[2Jevil")),
        (false, false, true, Some("an incident is back: Crash: \u{fffd}[2Jevil")),
        (false, false, false, None),
    ] {
        let recorded = Recorded { id: "01J".into(), new, escalated, reopened, shown: true, count: 1 };
        assert_eq!(news(&recorded, &case).as_deref(), want);
    }
}

#[tokio::test]
async fn repeats_are_counted_and_not_asked_about() {
    let rig = RecorderRig::new(8);
    rig.push(case("a"));
    rig.push(case_by("a", 2, 2));
    rig.push(case_by("b", 3, 3));
    rig.record_all(Some(DEADLINE)).await;
    let again = RecorderRig { cases: case_queue(&rig.metrics), ..rig };
    again.push(case_by("a", 4, 4));
    again.record_all(Some(DEADLINE)).await;
    let counts: Vec<_> = again.incidents().await.into_iter().map(|it| (it.fingerprint, it.count)).collect();
    assert_eq!(counts, [("b".to_owned(), 1), ("a".to_owned(), 3)]);
    assert_eq!(again.model.len(), 2);
    let text = again.metrics.render();
    assert!(text.contains(r#"cases_total{kind="oom_kill"} 4"#), "{text}");
    assert!(text.contains(r#"incidents_total{kind="oom_kill"} 2"#), "{text}");
}

#[tokio::test]
async fn what_finds_no_room_before_the_model_is_alerted_now() {
    let rig = RecorderRig::new(1);
    rig.push(graded("critical", Severity::Critical));
    rig.push(graded("warning", Severity::Warning));
    rig.push(graded("another warning", Severity::Warning));
    rig.record_all(Some(DEADLINE)).await;
    let due: Vec<_> = rig.due().await.into_iter().map(|it| it.incident.fingerprint).collect();
    assert_eq!(due, ["warning", "another warning"], "refused");

    let rig = RecorderRig { cases: case_queue(&rig.metrics), ..RecorderRig::new(1) };
    rig.push(graded("warning", Severity::Warning));
    rig.record_all(Some(DEADLINE)).await;
    let rig = RecorderRig { cases: case_queue(&rig.metrics), ..rig };
    rig.push(graded("critical", Severity::Critical));
    rig.record_all(Some(DEADLINE)).await;
    let due: Vec<_> = rig.due().await.into_iter().map(|it| it.incident.fingerprint).collect();
    assert_eq!(due, ["warning"], "evicted");
    assert_eq!(rig.model.pop().await.unwrap().case.severity, Severity::Critical);
}

#[tokio::test]
async fn a_rise_asks_the_model_again_and_the_old_answer_is_not_taken() {
    let rig = RecorderRig::new(8);
    rig.push(graded("a", Severity::Warning));
    rig.record_all(Some(DEADLINE)).await;
    let asked = rig.model.pop().await.unwrap();
    let rig = RecorderRig { cases: case_queue(&rig.metrics), ..rig };
    rig.push(case_by("a", 2, 2));
    rig.record_all(Some(DEADLINE)).await;
    let newer = rig.model.pop().await.unwrap();
    assert_eq!((&newer.id, newer.case.severity), (&asked.id, Severity::Critical));
    for (pending, want) in [(asked, "By the rules, of 2."), (newer, "By the model.")] {
        judge(&pending, &rig.store, async { verdict("By the model.") }).await.unwrap();
        assert_eq!(rig.incidents().await[0].verdict.summary, want);
    }
    assert_eq!(rig.due().await.len(), 1);
}

#[tokio::test]
async fn at_shutdown_what_waits_is_recorded_first() {
    let rig = RecorderRig::new(8);
    for n in 0..20 {
        rig.push(case(&n.to_string()));
    }
    rig.shutdown.cancel();
    rig.recorder(None).run(rig.cases.clone(), rig.shutdown.clone()).await;
    assert_eq!(rig.incidents().await.len(), 20);
    assert!(matches!(rig.cases.push(entry(case("late"))), Pushed::Refused(_)));
}

#[tokio::test]
async fn a_full_disk_holds_no_case_up() {
    let rig = RecorderRig::new(8);
    rig.store.limit_pages(1);
    let mut big = case("a");
    big.file.evidence[0].body = vec![7; 1_000_000];
    rig.push(big);
    rig.push(case("b"));
    rig.record_all(None).await;
    let names = async || {
        let all = rig.incidents().await;
        all.into_iter().map(|it| it.fingerprint).collect::<Vec<_>>().join("")
    };
    assert_eq!((names().await.as_str(), rig.due().await.len()), ("ba", 2), "from memory");
    assert!(rig.store.is_in_memory());
    rig.store.limit_pages(1_000_000);
    rig.store.tend().await.unwrap();
    assert!(!rig.store.is_in_memory());
    assert_eq!((names().await.as_str(), rig.due().await.len()), ("ba", 2), "from the file");
    let id = &rig.incidents().await[1].id;
    assert_eq!(rig.store.evidence(id, "status").await.unwrap().unwrap().body.len(), 1_000_000);
}

#[test]
fn the_workers_can_be_spawned() {
    fn sendable<T: Send>(_: fn(Queue<PendingQuestion>, Store, Analyst, CancellationToken) -> T) {}
    sendable(ask_model);
}
