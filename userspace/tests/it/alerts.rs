//! The main job, end to end: a real fault, and soon an incident, a verdict and an alert.

use serde_json::Value;

use crate::daemon::Setup;
use crate::faults::{Fault, Limited};
use crate::peers::{self, Mood};
use crate::requires::{no_kernel_events, report_skip, skip_if};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oom_kill_becomes_one_incident_one_question_and_one_alert() {
    skip_if!(no_kernel_events());
    let limited = match Limited::new(24 << 20) {
        Ok(limited) => limited,
        Err(reason) => {
            return report_skip("an_oom_kill_becomes_one_incident_one_question_and_one_alert", &reason);
        }
    };
    let (model, slack) = (peers::model(Mood::Answers, "").await, peers::slack(None).await);
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).model(model.address).slack(slack.address).start();
    let fault = Fault::new();
    let command = limited.command(&fault, &["wait-eat", "--password=hunter2-in-argv"]);
    let mut victim = fault.start_command(command);
    let start_ticks = victim.start_ticks();
    victim.go();
    let ended = victim.wait();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(9));

    let incident = daemon.wait_for_incident("oom_kill", &fault.name).await;
    let process = &incident["process"];
    assert_eq!(process["pid"], ended.pid);
    assert_eq!(process["start_ticks"], start_ticks);
    assert_eq!(process["argv"][1], "wait-eat");
    assert_eq!(process["cgroup"], limited.path);
    assert_eq!(incident["severity"], "critical");
    assert_eq!(incident["count"], 1);
    assert!(incident["title"].as_str().unwrap().starts_with("OOM kill: "));
    assert!(!incident["facts"].as_array().unwrap().is_empty());
    assert!(incident["evidence"].as_array().unwrap().iter().any(|it| it["name"] == "kernel-exit.json"));

    let question = model.wait_for(&fault.name).await;
    assert_eq!(question.headers["authorization"], "Bearer gsk_integration_tests_only");
    assert_eq!(question.body["model"], "openai/gpt-oss-120b");
    assert_eq!(question.body["response_format"]["json_schema"]["strict"], true);
    let message = slack.wait_for(&fault.name).await;
    let text = message.body.to_string();
    assert!(text.contains("THE-MODEL-SPEAKS"), "the alert waited for the model: {text}");
    assert!(!text.contains("hunter2") && !question.body.to_string().contains("hunter2"));

    let id = incident["id"].as_str().unwrap();
    let delivered = daemon
        .wait_until("delivery on the incident", async || {
            let incident = daemon.get(&format!("/api/v1/incidents/{id}")).await?;
            (incident["alerts"][0]["status"] == "sent").then_some(incident)
        })
        .await;
    assert_eq!(delivered["verdict"]["by"], "model");
    assert_eq!(
        daemon.incidents_of(&fault.name).await.iter().filter(|it| it["kind"] == "oom_kill").count(),
        1
    );
    assert_eq!(model.mentioning(&fault.name).len(), 1);
    assert_eq!(slack.mentioning(&fault.name).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segfault_is_one_crash_and_a_plain_kill_9_is_none_and_no_oom_kill() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let (crashing, killed, recovering) = (Fault::new(), Fault::new(), Fault::new());
    recovering.run(&["handled-segv"]);
    let victim = killed.start(&["sleep"]);
    victim.kill(rustix::process::Signal::KILL);
    let killed_pid = victim.wait().pid;
    let ended = crashing.run(&["segv"]);

    let incident = daemon.wait_for_incident("crash", &crashing.name).await;
    assert_eq!(incident["process"]["pid"], ended.pid);
    assert_eq!(incident["process"]["argv"][1], "segv");
    let facts = incident["facts"].to_string();
    assert!(facts.contains("SIGSEGV (signal 11"), "{facts}");
    assert_eq!(incident["verdict"]["by"], "rules");
    assert_eq!(daemon.incidents_of(&crashing.name).await.len(), 1);
    // The kill came before the crash: had it made an incident, it would be there by now.
    let view = daemon
        .wait_until("record of the killed process", async || {
            let view = daemon.get(&format!("/api/v1/processes/{killed_pid}")).await?;
            view.get("exit").cloned()
        })
        .await;
    assert_eq!(view["cause"], serde_json::json!({"signal": 9}));
    assert_eq!(view["oom_killed"], false);
    assert_eq!(daemon.incidents_of(&killed.name).await, Vec::<Value>::new());
    assert_eq!(daemon.incidents_of(&recovering.name).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_crashes_are_counted_and_become_a_loop() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let slack = peers::slack(None).await;
    let daemon = Setup::new(data.path()).slack(slack.address).start();
    let fault = Fault::new();
    for _ in 0..5 {
        fault.run(&["segv"]);
    }
    let looping = daemon.wait_for_incident("crash_loop", &fault.name).await;
    // Nobody supervises it: somebody starts it by hand.
    assert_eq!(looping["severity"], "warning");
    let crash = daemon
        .wait_until("crash counted five times", async || {
            daemon
                .incidents_of(&fault.name)
                .await
                .into_iter()
                .find(|it| it["kind"] == "crash" && it["count"] == 5)
        })
        .await;
    assert_eq!(daemon.incidents_of(&fault.name).await.len(), 2, "{crash}");
    // One message, however often it crashes: the crash explains the loop.
    slack.wait_for(crash["id"].as_str().unwrap()).await;
    let folded = daemon
        .wait_until("the loop told of by the crash", async || {
            let incidents = daemon.incidents_of(&fault.name).await;
            incidents
                .into_iter()
                .find(|it| it["kind"] == "crash_loop" && it["alerts"][0]["status"] == "folded")
        })
        .await;
    assert_eq!(folded["alerts"][0]["folded_into"], crash["id"]);
    assert_eq!(folded["related"][0]["relation"], "caused_by");
    assert_eq!(slack.mentioning(&fault.name).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_the_model_does_the_alert_goes_out_with_the_rules_verdict() {
    skip_if!(no_kernel_events());
    let check = |mood, want: &'static str, deadline: &'static str| async move {
        let fault = Fault::new();
        let (model, slack) = (peers::model(mood, &fault.name).await, peers::slack(None).await);
        let data = tempfile::tempdir().unwrap();
        let setup = Setup::new(data.path()).model(model.address).slack(slack.address);
        let daemon = setup.variable("AI_DEBUGGER_LLM_DEADLINE", deadline).start();
        let (name, ended) =
            (fault.name.clone(), tokio::task::spawn_blocking(move || fault.run(&["segv"])).await);
        ended.unwrap();
        let message = slack.wait_for(&name).await;
        assert!(message.body.to_string().contains("SIGSEGV"), "{mood:?}: {}", message.body);
        // On a host with other work the hold, or the deadline, may be over before there is an answer. Then the message
        // says that.
        let text = message.body.to_string();
        let answered = text.contains("the model is unavailable") && text.contains(want);
        let unheard = ["no answer from the model so far", "no answer before the deadline"]
            .iter()
            .any(|it| text.contains(it));
        assert!(answered || unheard, "{mood:?}: {text}");
        assert!(!answered || !model.mentioning(&name).is_empty(), "{mood:?}: the model was asked");
        let incident = daemon.wait_for_incident("crash", &name).await;
        assert_eq!(incident["verdict"]["by"], "rules", "{mood:?}");
        assert!(incident["verdict"]["note"].is_string(), "{mood:?}: {}", incident["verdict"]);
        (slack.mentioning(&name).len(), answered)
    };
    // Not spawned but joined: each has its own daemon and peers, and the workers run those meanwhile.
    let (a, b, c, d, e) = tokio::join!(
        check(Mood::Refuses(429), "429", "1m"),
        check(Mood::Refuses(500), "500", "1s"),
        check(Mood::Refuses(401), "401", "1m"),
        check(Mood::Garbage, "its reply", "1m"),
        check(Mood::Hangs, "no answer before the deadline", "1s"),
    );
    let outcomes = [a, b, c, d, e];
    assert!(outcomes.iter().all(|(messages, _)| *messages == 1), "one message each: {outcomes:?}");
    assert!(outcomes.iter().any(|(_, answered)| *answered), "no mood was met: {outcomes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_survives_a_dead_slack_and_a_killed_daemon() {
    skip_if!(no_kernel_events());
    // A port that is free again: nobody listens there until Slack is back.
    let address = peers::slack(None).await.address;
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).slack(address).start();
    let fault = Fault::new();
    fault.run(&["segv"]);
    let incident = daemon
        .wait_until("failed try on the incident", async || {
            daemon.incidents_of(&fault.name).await.into_iter().find(|it| it["alerts"][0]["attempts"] != 0)
        })
        .await;
    assert_eq!(incident["alerts"][0]["status"], "pending");
    drop(daemon);

    let daemon = Setup::new(data.path()).slack(address).start();
    let slack = peers::slack(Some(address)).await;
    slack.wait_for(&fault.name).await;
    let id = incident["id"].as_str().unwrap();
    daemon
        .wait_until("delivery", async || {
            let incident = daemon.get(&format!("/api/v1/incidents/{id}")).await?;
            (incident["alerts"][0]["status"] == "sent").then_some(())
        })
        .await;
    assert_eq!(daemon.incidents_of(&fault.name).await.len(), 1, "exactly one incident");
    assert_eq!(slack.mentioning(&fault.name).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_daemon_keeps_its_incidents_and_stops_in_time() {
    skip_if!(no_kernel_events());
    let data = tempfile::tempdir().unwrap();
    let daemon = Setup::new(data.path()).start();
    let fault = Fault::new();
    fault.run(&["segv"]);
    // Stopped right after the fault: what was seen last is still recorded.
    assert_eq!(daemon.terminate().code(), Some(0));
    let daemon = Setup::new(data.path()).start();
    let kept = daemon.incidents_of(&fault.name).await;
    assert_eq!(kept.len(), 1);
    let id = kept[0]["id"].as_str().unwrap();
    let body = daemon.get(&format!("/api/v1/incidents/{id}/evidence/kernel-exit.json")).await.unwrap();
    assert_eq!(body["cause"], serde_json::json!({"signal": 11}));
}
