//! The worker against a Slack that answers by a script.

mod receivers;
mod rig;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::*;
use crate::config::Receivers;
use crate::kinds::sample::{case, verdict};
use crate::model::{AlertStatus, Occasion, Severity, Verdict, VerdictBy};
use crate::store::AlertPlan;
use crate::store::sample::until;
use receivers::bot;
use rig::{PATIENCE, Reply, Rig, quick, slack};

/// For each script: requests made, what became of the alert, the error shown, and what health says.
#[tokio::test]
async fn answers_are_understood() {
    use AlertStatus::{Failed, Sent};
    use Reply::Status;
    let later = Status(500, "rollup_error");
    for (replies, requests, status, error, degraded) in [
        (&[][..], 1, Sent, "", ""),
        // Not Slack's answer, but somebody's in between: nobody was told.
        (&[Status(204, "")], 2, Sent, "", ""),
        (&[Status(200, "<!DOCTYPE html><title>Log in</title>")], 2, Sent, "", ""),
        (&[Status(200, "")], 2, Sent, "", ""),
        (&[Status(200, "invalid_payload")], 1, Failed, "Slack answered 200: invalid_payload", ""),
        (
            &[Status(200, "no_service")],
            1,
            Failed,
            "Slack answered 200: no_service",
            "create a new incoming webhook",
        ),
        (&[later, later, later], 4, Sent, "", ""),
        (&[Status(503, "")], 2, Sent, "", ""),
        (&[Reply::RetryAfter("nonsense")], 2, Sent, "", ""),
        (
            &[Status(404, "no_service")],
            1,
            Failed,
            "Slack answered 404: no_service",
            "create a new incoming webhook",
        ),
        (&[later, Status(410, "gone")], 2, Failed, "Slack answered 410: gone", "unarchive"),
        (
            &[Status(403, "action_prohibited")],
            1,
            Failed,
            "Slack answered 403: action_prohibited",
            "administrator",
        ),
        (&[Status(400, "invalid_payload")], 1, Failed, "Slack answered 400: invalid_payload", ""),
        (&[Status(400, "\x1b[31ma\nb\u{202e}")], 1, Failed, "Slack answered 400: \u{fffd}[31ma b", ""),
        (&[Status(302, "")], 1, Failed, "Slack answered 302", "new address"),
    ] {
        let mut rig = Rig::new(replies).await;
        rig.serve().await;
        let worker = rig.work(rig.sinks(quick()));
        let id = rig.record("a").await;
        for _ in 0..requests {
            let (_, body) = rig.request().await;
            assert!(!body.to_string().contains("may be a repeat"), "{error}");
        }
        let alert = rig.end(worker, &id).await;
        assert_eq!((alert.status, alert.attempts), (status, requests), "{error}");
        assert_eq!(alert.error.unwrap_or_default(), error);
        assert!(rig.counted(status.as_str(), 1), "{}", rig.metrics.render());
        assert!(requests == 1 || rig.counted("retried", requests - 1), "{}", rig.metrics.render());
        let remedy = rig.health.degraded().first().map(|it| it.remedy.clone()).unwrap_or_default();
        assert!(remedy.contains(degraded) && remedy.is_empty() == degraded.is_empty(), "{error}: {remedy}");
    }
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let body: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    let mut rig = Rig::new(&[Reply::Status(400, body)]).await;
    rig.serve().await;
    let worker = rig.work(rig.sinks(quick()));
    let id = rig.record("a").await;
    rig.request().await;
    let error = rig.end(worker, &id).await.error.unwrap();
    assert_eq!(error.chars().count(), 200);
}

#[tokio::test]
async fn retry_after_is_obeyed_by_every_alert() {
    let mut rig = Rig::new(&[Reply::RetryAfter("1")]).await;
    rig.serve().await;
    let first = rig.record("a").await;
    let worker = rig.work(rig.sinks(quick()));
    let (asked, _) = rig.request().await;
    rig.record("b").await;
    for _ in 0..2 {
        let (at, _) = rig.request().await;
        assert!(at - asked >= Duration::from_secs(1), "{:?}", at - asked);
    }
    assert_eq!(rig.end(worker, &first).await.attempts, 2);
}

#[tokio::test]
async fn a_retry_after_without_end_is_cut() {
    let mut rig = Rig::new(&[Reply::RetryAfter("4000000000")]).await;
    rig.serve().await;
    let pace = Pace { longest_retry_after: Duration::from_millis(10), ..quick() };
    let id = rig.record("a").await;
    let worker = rig.work(rig.sinks(pace));
    rig.request().await;
    rig.request().await;
    assert_eq!(rig.end(worker, &id).await.status, AlertStatus::Sent);
}

#[tokio::test]
async fn messages_keep_their_distance() {
    let mut rig = Rig::new(&[]).await;
    rig.serve().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(rig.record(name).await);
    }
    let between = Duration::from_millis(60);
    let worker = rig.work(rig.sinks(Pace { between, ..quick() }));
    let mut last: Option<Instant> = None;
    for name in ["a", "b", "c"] {
        let (at, body) = rig.request().await;
        assert!(body["text"].as_str().unwrap().ends_with(&format!(". {name}")), "{body}");
        // The worker counts from answer to request, which is the shorter span.
        assert!(last.is_none_or(|last| at - last >= between), "{:?}", last.map(|last| at - last));
        last = Some(at);
    }
    assert_eq!(rig.end(worker, &ids[2]).await.status, AlertStatus::Sent);
}

#[tokio::test]
async fn no_answer_is_tried_again_and_says_so() {
    let mut rig = Rig::new(&[Reply::Hang]).await;
    rig.serve().await;
    let worker = rig.work(rig.sinks(Pace { timeout: Duration::from_secs(2), ..quick() }));
    let id = rig.record("a").await;
    assert!(!rig.request().await.1.to_string().contains("may be a repeat"));
    assert!(rig.request().await.1.to_string().contains("may be a repeat"));
    let alert = rig.end(worker, &id).await;
    assert_eq!((alert.status, alert.attempts), (AlertStatus::Sent, 2));
}

#[tokio::test]
async fn a_daemon_that_died_while_sending_repeats_and_says_so() {
    let mut rig = Rig::new(&[Reply::Hang]).await;
    rig.serve().await;
    let id = rig.record("a").await;
    let killed = rig.work(rig.sinks(quick()));
    rig.request().await;
    killed.abort();
    assert!(killed.await.unwrap_err().is_cancelled());
    let worker = rig.work(rig.sinks(quick()));
    let (_, body) = rig.request().await;
    assert!(body["text"].as_str().unwrap().ends_with("(may be a repeat)"), "{body}");
    assert_eq!(rig.end(worker, &id).await.status, AlertStatus::Sent);
}

#[tokio::test]
async fn a_slack_that_comes_back_gets_it_once_and_no_secret_shows() {
    let mut rig = Rig::new(&[]).await;
    let id = rig.record("a").await;
    let worker = rig.work(rig.sinks(quick()));
    let down = async {
        while rig.health.degraded().is_empty() || !rig.counted("retried", 2) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, down).await.expect("two tries in time");
    let shown = rig.store.get(&id).await.unwrap().unwrap().alerts.remove(0).error.unwrap();
    assert!(shown.starts_with("Slack can't be reached"), "{shown}");
    for text in [shown, format!("{:?}", rig.health.degraded())] {
        assert!(!text.contains("SECRET") && !text.contains("services"), "{text}");
    }
    rig.serve().await;
    assert!(!rig.request().await.1.to_string().contains("may be a repeat"));
    assert_eq!(rig.end(worker, &id).await.status, AlertStatus::Sent);
    assert!(rig.health.degraded().is_empty());
}

#[tokio::test]
async fn after_a_day_it_is_given_up() {
    let mut rig = Rig::new(&[Reply::Status(500, "down")]).await;
    rig.serve().await;
    let worker = rig.work(rig.sinks(Pace { give_up_after: Duration::ZERO, ..quick() }));
    let id = rig.record("a").await;
    rig.request().await;
    let alert = rig.end(worker, &id).await;
    assert_eq!(alert.status, AlertStatus::Failed);
    assert_eq!(alert.error.unwrap(), "gave up after 0ns: Slack answered 500: down");
}

#[tokio::test]
async fn a_receiver_that_is_gone_from_the_configuration_fails_its_alerts() {
    let mut rig = Rig::new(&[]).await;
    let id = rig.record("a").await;
    let worker = rig.work(Sinks::new(Receivers::default()).unwrap());
    let failed = async {
        while rig.store.next_due("slack").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, failed).await.expect("a decision in time");
    let alert = rig.end(worker, &id).await;
    assert_eq!(alert.status, AlertStatus::Failed);
    assert_eq!(alert.error.unwrap(), "`slack` is no longer configured");
}

const POSTED: &str = r#"{"ok":true,"channel":"C042","ts":"1700.5"}"#;

#[tokio::test]
async fn a_bot_is_told_at_once_and_the_models_verdict_follows_in_the_thread() {
    let posted = Reply::Status(200, POSTED);
    let mut rig = Rig::new(&[posted, posted, posted]).await;
    rig.serve().await;
    let sinks = Sinks::with_pace(bot(&rig.url()), quick()).unwrap();
    let plan = AlertPlan {
        sinks: sinks.names(),
        editing: sinks.editing(),
        hold_until: Some(Timestamp::MAX),
        ..AlertPlan::default()
    };
    let id = rig.store.record(case("a"), verdict("By the rules."), plan).await.unwrap().id;
    let worker = rig.work(sinks);
    let (_, first) = rig.request().await;
    assert!(first["thread_ts"].is_null() && first["blocks"].to_string().contains("By the rules."), "{first}");
    let by_model = Verdict { by: VerdictBy::Model, ..verdict("By the model.") };
    rig.store.set_verdict(&id, by_model).await.unwrap();
    let ((_, edited), (_, news)) = (rig.request().await, rig.request().await);
    assert_eq!((&edited["ts"], &news["thread_ts"]), (&"1700.5".into(), &"1700.5".into()));
    for (message, lead) in [(edited, false), (news, true)] {
        let said = message["blocks"].to_string();
        assert!(said.contains("By the model.") && !said.contains("By the rules."), "{said}");
        assert_eq!(said.contains("The model's verdict"), lead, "{said}");
    }
    until(|| rig.counted("sent", 2)).await;
    let alerts = rig.ended(worker, &id).await;
    let told: Vec<_> = alerts.iter().map(|it| (it.occasion, it.status)).collect();
    assert_eq!(told, [(Occasion::New, AlertStatus::Sent), (Occasion::Verdict, AlertStatus::Sent)]);
}

#[tokio::test]
async fn who_cannot_edit_hears_of_a_verdict_once() {
    let mut rig = Rig::new(&[]).await;
    rig.serve().await;
    let worker = rig.work(rig.sinks(quick()));
    let id = rig.record("a").await;
    rig.request().await;
    until(|| rig.counted("sent", 1)).await;
    let by_model = Verdict { by: VerdictBy::Model, ..verdict("By the model.") };
    rig.store.set_verdict(&id, by_model).await.unwrap();
    assert_eq!(rig.end(worker, &id).await.occasion, Occasion::New);
}

#[tokio::test]
async fn a_receiver_that_is_down_holds_up_no_other() {
    let mut rig = Rig::new(&[]).await;
    rig.serve().await;
    let gone = "http://127.0.0.1:9".to_owned();
    let config = Receivers { alertmanager_url: Some(gone), ..slack(format!("{}/hook", rig.url())) };
    let sinks = Sinks::with_pace(config, Pace { first_retry: Duration::from_secs(3600), ..quick() }).unwrap();
    for name in ["a", "b", "c"] {
        let plan = AlertPlan { sinks: sinks.names(), ..AlertPlan::default() };
        rig.store.record(case(name), verdict(name), plan).await.unwrap();
    }
    let worker = rig.work(sinks);
    for _ in 0..3 {
        rig.request().await;
    }
    until(|| rig.counted("sent", 3)).await;
    let waits = rig.health.degraded().into_iter().any(|it| it.component == "alerts.alertmanager");
    worker.abort();
    assert!(waits, "{:?}", rig.health.degraded());
}

#[tokio::test]
async fn the_sinks_are_who_is_configured() {
    let rig = Rig::new(&[]).await;
    assert_eq!(rig.sinks(quick()).names(), [SLACK]);
    assert!(Sinks::new(Receivers::default()).unwrap().names().is_empty());
}

#[test]
fn a_webhook_that_is_no_url_is_an_error_without_the_secret() {
    for url in ["hooks.slack.com/services/SECRET", "", "ftp://h/SECRET", "https://:x/SECRET"] {
        let err = format!("{:#}", Sinks::new(slack(url.to_owned())).err().expect("an error"));
        assert!(err.contains("SLACK_WEBHOOK_URL") && !err.contains("SECRET"), "{err}");
    }
}

#[test]
fn delays_double_up_to_a_cap_and_half_of_each_is_chance() {
    let pace = Pace::default();
    for (tries, chance, want_ms) in [
        (1, u32::MAX, 1000),
        (1, 0, 500),
        (2, u32::MAX, 2000),
        (4, u32::MAX, 8000),
        (9, u32::MAX, 256_000),
        (10, u32::MAX, 300_000),
        (10, 0, 150_000),
        (u32::MAX, u32::MAX, 300_000),
        (0, u32::MAX, 1000),
    ] {
        assert_eq!(pace.delay(tries, chance), Duration::from_millis(want_ms), "{tries} {chance}");
    }
}

#[tokio::test]
async fn an_outbox_that_fails_degrades_until_it_works() {
    let mut rig = Rig::new(&[]).await;
    rig.serve().await;
    let raw = rusqlite::Connection::open(rig.dir.path().join("incidents.db")).unwrap();
    raw.execute_batch("ALTER TABLE alerts RENAME TO hidden").unwrap();
    let worker = rig.work(rig.sinks(quick()));
    until(|| !rig.health.degraded().is_empty()).await;
    let shown = rig.health.degraded().remove(0);
    assert!(shown.component == "alerts" && shown.reason.contains("outbox cannot be used"), "{shown:?}");
    raw.execute_batch("ALTER TABLE hidden RENAME TO alerts").unwrap();
    rig.store.release_alerts("nobody").await.unwrap();
    until(|| rig.health.degraded().is_empty()).await;
    let id = rig.record("a").await;
    rig.request().await;
    assert_eq!(rig.end(worker, &id).await.status, AlertStatus::Sent);
}

#[tokio::test]
async fn without_a_receiver_health_says_so() {
    let rig = Rig::new(&[]).await;
    let worker = rig.work(Sinks::new(Receivers::default()).unwrap());
    until(|| !rig.health.degraded().is_empty()).await;
    let shown = rig.health.degraded().remove(0);
    assert!(shown.component == "alerts" && shown.remedy.contains("SLACK_WEBHOOK_URL"), "{shown:?}");
    worker.abort();
}

#[tokio::test]
async fn a_backlog_is_a_summary_and_what_is_critical_goes_before_it_singly() {
    let mut rig = Rig::new(&[]).await;
    rig.serve().await;
    for number in 0..60 {
        rig.record_as(&format!("w{number}"), Severity::Warning).await;
    }
    rig.record_as("critical", Severity::Critical).await;
    let worker = rig.work(rig.sinks(quick()));
    let (_, first) = rig.request().await;
    assert!(first["text"].as_str().unwrap().starts_with("CRITICAL"), "{first}");
    let (_, second) = rig.request().await;
    let said = second["blocks"].to_string();
    assert!(second["text"].as_str().unwrap().contains("60 incidents, the worst"), "{second}");
    assert!(said.contains("60 × OOM kill, warning") && said.contains("… and 49 more"), "{said}");
    until(|| rig.counted("sent", 2)).await;
    let told = rig.store.list(crate::store::Filter { limit: 100, ..Default::default() }).await.unwrap();
    let grouped = told.incidents.iter().filter(|it| it.alerts[0].status == AlertStatus::Grouped).count();
    assert_eq!(grouped, 59, "one of them leads");
    worker.abort();
}

#[tokio::test]
async fn a_receiver_that_is_down_is_asked_about_one_alert_at_a_time() {
    // Alertmanager's own answers have no body.
    let replies = [&[Reply::Status(500, "down"); 3][..], &[Reply::Status(200, ""); 50]].concat();
    let mut rig = Rig::new(&replies).await;
    rig.serve().await;
    let config = Receivers { alertmanager_url: Some(rig.url()), ..Receivers::default() };
    let sinks = Sinks::with_pace(config, quick()).unwrap();
    for number in 0..50 {
        let plan = AlertPlan { sinks: sinks.names(), level: sinks.level(), ..AlertPlan::default() };
        rig.store.record(case(&number.to_string()), verdict("1"), plan).await.unwrap();
    }
    let worker = rig.work(sinks);
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 50 + 50 + 2 {
        sizes.push(rig.request().await.1.as_array().unwrap().len());
    }
    assert_eq!(sizes[..3], [50, 1, 1], "{sizes:?}");
    worker.abort();
}
