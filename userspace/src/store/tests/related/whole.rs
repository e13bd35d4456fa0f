//! What was opened for a part of a fault becomes the incident of the whole.

use super::*;

/// Ends of a service that its supervisor starts again, at these seconds.
async fn end_again_and_again(store: &Store, times: &[i64]) -> String {
    let mut id = String::new();
    for (pid, seconds) in (20..).zip(times) {
        let end = Fault { kind: AbnormalExit, severity: Warning, pid, ppid: 1, seconds: *seconds, ..KILL };
        id = store.record_at(started_again(end), verdict("1"), slack_now(), at(*seconds)).await.unwrap().id;
    }
    id
}

#[tokio::test]
async fn the_incident_of_a_bad_end_becomes_that_of_its_loop() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = end_again_and_again(&store, &[0, 4]).await;
    assert_eq!(due(&store, 5).await, [""; 0], "what is started again may be a loop");
    let whole = store.record_at(
        build(Fault { pid: 22, ppid: 1, seconds: 5, ..LOOP }),
        verdict("2"),
        slack_now(),
        at(5),
    );
    let whole = whole.await.unwrap();
    assert_eq!(
        (&whole.id, whole.new, whole.escalated, whole.shown, whole.count),
        (&id, false, true, true, 3)
    );
    let shown = get(&store, &id).await;
    assert_eq!((shown.kind, shown.severity, shown.count), (CrashLoop, Critical, 3));
    assert_eq!((shown.title.as_str(), shown.first_seen, shown.last_seen), ("crash_loop of 22", at(0), at(5)));
    assert_eq!((shown.verdict, shown.related.len()), (verdict("2"), 0));
    assert_eq!(shown.was.unwrap().kind, AbnormalExit);
    assert_eq!(store.list(Filter::default()).await.unwrap().incidents.len(), 1);
    assert_eq!(due(&store, 7).await, [""; 0], "its own cause may come yet");
    assert_eq!(due(&store, 8).await, ["crash_loop of 22"], "one message");
    // The next death is one more of it; and so is the next loop's after a while.
    let again = Fault { pid: 23, ppid: 1, seconds: 12, ..LOOP };
    assert_eq!(record(&store, again).await, id);
    assert_eq!(get(&store, &id).await.count, 4);
}

#[tokio::test]
async fn who_was_told_of_the_bad_end_is_told_that_it_is_a_loop() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = end_again_and_again(&store, &[0]).await;
    let alert = store.due_alerts("slack", at(10), 1).await.unwrap().remove(0).id;
    store.start_attempt(alert, at(10)).await.unwrap();
    store.mark_sent(alert, (crate::model::VerdictBy::Rules, None), at(10)).await.unwrap();
    assert_eq!(record(&store, Fault { pid: 22, ppid: 1, seconds: 50, ..LOOP }).await, id);
    let told = store.due_alerts("slack", at(60), 9).await.unwrap();
    let told: Vec<_> = told.iter().map(|it| (it.incident.kind, it.occasion)).collect();
    assert_eq!(told, [(CrashLoop, Occasion::Escalated)]);
}

#[tokio::test]
async fn a_container_that_is_started_again_as_another_is_the_same_loop() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let [first, second] = [
        "/kubepods/pod1/abababababababababababababababababababababababababababababababab",
        "/kubepods/pod1/cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
    ];
    let id = record(&store, Fault { cgroup: first, program: "app", ..EXIT }).await;
    assert_eq!(record(&store, Fault { cgroup: second, seconds: 300, ..LOOP }).await, id);
}

#[tokio::test]
async fn an_incident_of_another_program_or_time_or_that_is_over_becomes_nothing() {
    for (what, over, loops) in [
        ("another program", false, Fault { program: "other", ..LOOP }),
        ("another service", false, Fault { cgroup: "/system.slice/b.service", ..LOOP }),
        ("long after", false, Fault { seconds: 700, ..LOOP }),
        ("resolved", true, LOOP),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let id = end_again_and_again(&store, &[0]).await;
        if over {
            set_status(&store, &id, IncidentStatus::Resolved).await;
        }
        let whole = record(&store, Fault { pid: 22, ppid: 1, seconds: loops.seconds + 2, ..loops }).await;
        assert_ne!(whole, id, "{what}");
        assert_eq!(get(&store, &id).await.kind, AbnormalExit, "{what}");
    }
}

#[tokio::test]
async fn an_end_and_a_loop_that_another_tells_of_stay_two() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    record(&store, KILL).await;
    let id = end_again_and_again(&store, &[1]).await;
    let whole = record(&store, Fault { seconds: 2, ..LOOP }).await;
    assert_ne!(whole, id);
    assert_eq!(due(&store, 3600).await, ["oom_kill of 20"]);
}
