//! One trouble, several incidents: linked whichever comes first, told of once.

mod whole;

use super::super::Watched;
use super::*;
use crate::kinds::case::{Case, Statement, cite};
use crate::kinds::pieces::Sender;
use crate::kinds::shared::ending::facts::EndFact;
use crate::kinds::shared::signal::facts::SignalFact;
use crate::model::{Occasion, Relation};

use IncidentKind::{AbnormalExit, Crash, CrashLoop, FdExhaustion, MemoryPressure, OomKill};
use Severity::{Critical, Warning};

/// A fault as far as relations go.
#[derive(Clone, Copy)]
struct Fault {
    kind: IncidentKind,
    severity: Severity,
    pid: u32,
    ppid: u32,
    cgroup: &'static str,
    program: &'static str,
    /// Whether somebody's signal ended it.
    is_sent: bool,
    seconds: i64,
}

const SERVICE: &str = "/system.slice/app.service";

const KILL: Fault = Fault {
    kind: OomKill,
    severity: Critical,
    pid: 20,
    ppid: 10,
    cgroup: SERVICE,
    program: "app",
    is_sent: false,
    seconds: 0,
};
const LOOP: Fault = Fault { kind: CrashLoop, ..KILL };
const EXIT: Fault =
    Fault { kind: AbnormalExit, severity: Warning, pid: 10, ppid: 1, program: "sh", seconds: 1, ..KILL };

fn build(it: Fault) -> Case {
    let mut case = case_by(it.kind.as_str(), it.pid, it.seconds);
    (case.kind, case.severity) = (it.kind, it.severity);
    case.title = format!("{} of {}", it.kind, it.pid);
    case.file.process.ppid = it.ppid;
    case.file.process.cgroup = Some(it.cgroup.into());
    case.file.process.exe = Some(format!("/opt/{}", it.program));
    if it.is_sent {
        let by = Sender { name: "kill".into(), pid: 7, ..Sender::default() };
        let sent = SignalFact::SignalSent { signal: 9, by, way: None };
        cite(&mut case.file.facts, Statement::new("kernel:signal_generate", sent));
    }
    case
}

async fn record(store: &Store, it: Fault) -> String {
    let seconds = it.seconds.max(0);
    store.record_at(build(it), verdict("1"), slack_now(), at(seconds)).await.unwrap().id
}

async fn due(store: &Store, seconds: i64) -> Vec<String> {
    let due = store.due_alerts("slack", at(seconds), 9).await.unwrap();
    due.into_iter().map(|it| it.incident.title).collect()
}

#[tokio::test]
async fn the_kill_tells_of_the_exit_and_the_loop_in_any_order() {
    for order in [
        [KILL, LOOP, EXIT],
        [KILL, EXIT, LOOP],
        [LOOP, KILL, EXIT],
        [LOOP, EXIT, KILL],
        [EXIT, KILL, LOOP],
        [EXIT, LOOP, KILL],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let shown = order.map(|it| it.kind);
        let mut ids = std::collections::HashMap::new();
        for it in order {
            ids.insert(it.kind, record(&store, it).await);
        }
        assert_eq!(due(&store, 3600).await, ["oom_kill of 20"], "{shown:?}");
        let root = store.due_alerts("slack", at(60), 1).await.unwrap().remove(0).id;
        let root = store.start_attempt(root, at(60)).await.unwrap().unwrap();
        let also: Vec<_> = root.also.iter().map(|it| it.kind).collect();
        assert_eq!((also, root.also_count), (vec![CrashLoop, AbnormalExit], 2), "{shown:?}");
        let kill = get(&store, &ids[&OomKill]).await;
        assert_eq!(kill.related.len(), 2);
        assert!(kill.related.iter().all(|it| it.relation == Relation::Explains));
        for kind in [CrashLoop, AbnormalExit] {
            let effect = get(&store, &ids[&kind]).await;
            let cause = effect.related.iter().find(|it| it.id == kill.id).unwrap();
            assert_eq!((cause.relation, cause.kind), (Relation::CausedBy, OomKill), "{shown:?}");
            assert_eq!(effect.alerts.len(), 1);
            assert_eq!(effect.alerts[0].status, AlertStatus::Grouped, "{shown:?}");
            assert_eq!(effect.alerts[0].folded_into.as_ref(), Some(&kill.id), "{shown:?}");
        }
        let listed = store.list(Filter::default()).await.unwrap().incidents;
        assert!(listed.iter().all(|it| it.related.len() == 2), "{shown:?}");
    }
}

/// Which second incident is one trouble with an OOM kill of pid 20, and whether it has its own alert.
#[tokio::test]
async fn what_belongs_together_and_what_does_not() {
    let other = Fault { pid: 30, ppid: 31, program: "app", ..EXIT };
    let session = "/user.slice/user-1000.slice/session-3.scope";
    let container = "/docker/abababababababababababababababababababababababababababababababab";
    for (what, first, second, linked, alone) in [
        ("its supervisor", KILL, Fault { cgroup: "/elsewhere", ..EXIT }, true, false),
        ("of the same service", KILL, other, true, false),
        ("of another service", KILL, Fault { cgroup: "/system.slice/b.service", ..other }, false, true),
        (
            "of the same container",
            Fault { cgroup: container, ..KILL },
            Fault { cgroup: container, ..other },
            true,
            false,
        ),
        (
            "of the same login",
            Fault { cgroup: session, ..KILL },
            Fault { cgroup: session, ..other },
            false,
            true,
        ),
        ("of the same host", Fault { cgroup: "/", ..KILL }, Fault { cgroup: "/", ..other }, false, true),
        ("a minute later", KILL, Fault { seconds: 60, ..other }, true, false),
        ("more than a minute later", KILL, Fault { seconds: 61, ..other }, false, true),
        ("stamped a little before", KILL, Fault { seconds: -2, ..other }, true, false),
        ("before", KILL, Fault { seconds: -3, ..other }, false, true),
        ("graver", Fault { severity: Warning, ..KILL }, Fault { severity: Critical, ..EXIT }, true, true),
        (
            "an orphan's exit is not init's",
            Fault { ppid: 1, cgroup: "/a", ..KILL },
            Fault { pid: 1, cgroup: "/b", ..EXIT },
            false,
            true,
        ),
        (
            "pressure before the kill",
            Fault { kind: MemoryPressure, severity: Warning, ..KILL },
            Fault { seconds: 5, ..KILL },
            true,
            true,
        ),
        ("of a kind that explains nothing", Fault { kind: FdExhaustion, ..KILL }, LOOP, false, true),
    ] {
        for swapped in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path());
            let order = if swapped { [second, first] } else { [first, second] };
            for it in order {
                record(&store, it).await;
            }
            let all = store.list(Filter::default()).await.unwrap().incidents;
            assert!(
                all.iter().all(|it| it.related.len() == usize::from(linked)),
                "{what}, {swapped}: {all:?}"
            );
            let alerts = due(&store, 3600).await.len();
            assert_eq!(alerts, if alone { 2 } else { 1 }, "{what}, {swapped}");
        }
    }
}

/// A crash, and what else happened in its service in the same minute: what that is to it, and who is told.
#[tokio::test]
async fn the_same_service_alone_proves_nothing() {
    let crash = Fault { kind: Crash, severity: Warning, ..KILL };
    let exit = Fault { pid: 30, ppid: 31, program: "app", ..EXIT };
    let possible = Relation::MayBeRelated;
    for (what, second, relation, alerts) in [
        ("the next instance", exit, Relation::CausedBy, 1),
        ("its supervisor, another program", Fault { pid: 10, program: "sh", ..exit }, Relation::CausedBy, 1),
        ("another program", Fault { program: "other", ..exit }, possible, 2),
        (
            "a loop that it is the last of",
            Fault { program: "other", severity: Warning, ..LOOP },
            Relation::CausedBy,
            1,
        ),
        ("a loop of another", Fault { program: "other", pid: 40, ppid: 41, ..LOOP }, possible, 2),
        ("the next instance, killed by somebody", Fault { is_sent: true, ..exit }, possible, 2),
        ("its supervisor, killed by somebody", Fault { is_sent: true, pid: 10, ..exit }, possible, 2),
    ] {
        for swapped in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path());
            let order = if swapped { [second, crash] } else { [crash, second] };
            for it in order {
                record(&store, it).await;
            }
            let all = store.list(Filter::default()).await.unwrap().incidents;
            let effect = all.iter().find(|it| it.kind == second.kind).unwrap();
            let related: Vec<_> = effect.related.iter().map(|it| it.relation).collect();
            assert_eq!(related, [relation], "{what}, {swapped}");
            let cause = all.iter().find(|it| it.kind == Crash).unwrap();
            let back = if relation == possible { possible } else { Relation::Explains };
            assert_eq!(cause.related.iter().map(|it| it.relation).collect::<Vec<_>>(), [back], "{what}");
            assert_eq!(due(&store, 3600).await.len(), alerts, "{what}, {swapped}");
        }
    }
}

/// First it only may be related; then the same two incidents happen again, and now it is proven.
#[tokio::test]
async fn what_is_possible_becomes_what_is_proven_and_not_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let crash = Fault { kind: Crash, severity: Warning, ..KILL };
    let exit = Fault { program: "sh", pid: 30, ppid: 31, ..EXIT };
    record(&store, crash).await;
    let id = record(&store, exit).await;
    for (again, want) in [
        (Fault { pid: 10, seconds: 2, ..exit }, Relation::CausedBy),
        (Fault { seconds: 3, ..exit }, Relation::CausedBy),
    ] {
        assert_eq!(record(&store, again).await, id);
        let shown = get(&store, &id).await.related;
        assert_eq!(shown.iter().map(|it| it.relation).collect::<Vec<_>>(), [want]);
    }
}

#[tokio::test]
async fn what_was_told_long_before_does_not_tell_of_what_comes_now() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let crash = Fault { kind: Crash, ..KILL };
    record(&store, crash).await;
    let alert = store.due_alerts("slack", at(0), 1).await.unwrap().remove(0).id;
    store.start_attempt(alert, at(0)).await.unwrap();
    store.mark_sent(alert, (crate::model::VerdictBy::Rules, None), at(0)).await.unwrap();
    // The third crash, minutes later, makes it a loop: that is news.
    for pid in [21, 22] {
        record(&store, Fault { pid, seconds: 300, ..crash }).await;
    }
    record(&store, Fault { pid: 22, seconds: 300, ..LOOP }).await;
    let told = store.due_alerts("slack", at(310), 9).await.unwrap().remove(0);
    let told = store.start_attempt(told.id, at(310)).await.unwrap().unwrap();
    assert_eq!((told.incident.kind, told.occasion), (CrashLoop, Occasion::New));
    assert_eq!(told.incident.related[0].relation, Relation::CausedBy, "the root cause is on top");
}

#[tokio::test]
async fn an_effect_waits_a_moment_for_its_cause_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = record(&store, LOOP).await;
    // A verdict does not hurry it.
    store.set_verdict(&id, verdict("By the model.")).await.unwrap();
    let next = store.next_due("slack").await.unwrap().unwrap();
    assert_eq!(next.duration_since(at(0)).as_secs(), 3);
}

#[tokio::test]
async fn an_effect_that_outlives_its_cause_is_told_of_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    record(&store, KILL).await;
    record(&store, EXIT).await;
    let alert = store.due_alerts("slack", at(1), 1).await.unwrap().remove(0).id;
    store.start_attempt(alert, at(1)).await.unwrap();
    store.mark_sent(alert, (crate::model::VerdictBy::Rules, None), at(1)).await.unwrap();
    let advance = async |seconds| {
        store.advance(Watched::default(), vec!["slack"], at(seconds)).await.unwrap();
        let due = store.due_alerts("slack", at(seconds), 9).await.unwrap();
        due.into_iter().map(|it| (it.incident.kind, it.occasion)).collect::<Vec<_>>()
    };
    // Both go on: the cause's reminder does for both.
    record(&store, Fault { pid: 120, ppid: 110, seconds: 900, ..KILL }).await;
    record(&store, Fault { pid: 110, seconds: 901, ..EXIT }).await;
    assert_eq!(advance(902).await, [(OomKill, Occasion::Reminder)]);
    let alert = store.due_alerts("slack", at(902), 1).await.unwrap().remove(0).id;
    store.start_attempt(alert, at(902)).await.unwrap();
    store.mark_sent(alert, (crate::model::VerdictBy::Rules, None), at(902)).await.unwrap();
    // It fails without any kill now.
    record(&store, Fault { pid: 210, seconds: 1700, ..EXIT }).await;
    assert_eq!(advance(1701).await, [(AbnormalExit, Occasion::New)]);
}

#[tokio::test]
async fn a_cause_that_nobody_is_told_of_tells_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.record_at(build(KILL), verdict("1"), AlertPlan::default(), at(0)).await.unwrap();
    record(&store, EXIT).await;
    assert_eq!(due(&store, 60).await, ["abnormal_exit of 10"]);
}

/// An end that its supervisor says it starts again after.
fn started_again(it: Fault) -> Case {
    let mut case = build(it);
    let parent = EndFact::Parent { name: "systemd".into(), pid: 1, starts_it_again: true };
    cite(&mut case.file.facts, Statement::new("kernel:sched_process_exit", parent));
    case
}

#[tokio::test]
async fn an_end_that_nobody_starts_again_is_told_as_soon_as_any_effect() {
    for (again, want) in [(false, 3), (true, 10)] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let case = if again { started_again(EXIT) } else { build(EXIT) };
        store.record_at(case, verdict("1"), slack_now(), at(0)).await.unwrap();
        let next = store.next_due("slack").await.unwrap().unwrap();
        assert_eq!(next.duration_since(at(0)).as_secs(), want, "{again}");
    }
}
