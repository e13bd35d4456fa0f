//! Each receiver against a peer on loopback: what it is sent, and what its answers mean.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use super::super::Pace;
use super::super::post::PostResult;
use super::super::receiver::Receiver;
use crate::config::{HookConfig, Receivers, SlackConfig};
use crate::kinds::sample::incident;
use crate::model::Occasion;
use crate::store::DueAlert;
use crate::store::sample::due_alert;

/// What the peer was sent.
#[derive(Clone, Debug)]
struct PostedRequest {
    path: String,
    headers: HeaderMap,
    body: Value,
    bytes: Bytes,
}

struct StandInReceiver {
    url: String,
    seen: Arc<Mutex<Vec<PostedRequest>>>,
}

impl StandInReceiver {
    /// Answers every request by `answer`, with its number.
    async fn start(answer: impl Fn(usize) -> (u16, &'static str) + Clone + Send + Sync + 'static) -> Self {
        let number = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        Self::start_seeing(move |_| answer(number.fetch_add(1, std::sync::atomic::Ordering::Relaxed))).await
    }

    /// Answers every request by `answer`.
    async fn start_seeing(
        answer: impl Fn(&PostedRequest) -> (u16, &'static str) + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<PostedRequest>>> = Arc::default();
        let kept = Arc::clone(&seen);
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, bytes: Bytes| {
            let body = serde_json::from_slice(&bytes).unwrap();
            let this = PostedRequest { path: uri.path().to_owned(), headers, body, bytes };
            let (status, text) = answer(&this);
            kept.lock().unwrap().push(this);
            std::future::ready((StatusCode::from_u16(status).unwrap(), [("retry-after", "7")], text))
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<PostedRequest> {
        self.seen.lock().unwrap().clone()
    }

    fn receiver(&self, of: fn(&str) -> Receivers) -> Receiver {
        Receiver::all(of(&self.url), Pace::default()).unwrap().remove(0)
    }
}

pub(super) fn bot(url: &str) -> Receivers {
    let token = SecretString::from("xoxb-hunter2");
    let slack = SlackConfig::Bot { token, channel: "#alerts".into(), api_url: format!("{url}/api") };
    Receivers { slack: Some(slack), ..Receivers::default() }
}

fn hook(url: &str) -> Receivers {
    let url = SecretString::from(format!("{url}/hook?token=hunter2"));
    let webhook = HookConfig { url, secret: Some(SecretString::from("s3cret")) };
    Receivers { webhook: Some(webhook), ..Receivers::default() }
}

fn alertmanager(url: &str) -> Receivers {
    Receivers { alertmanager_url: Some(url.to_owned()), ..Receivers::default() }
}

const POSTED: &str = r#"{"ok":true,"channel":"C042","ts":"1700.5"}"#;

#[tokio::test]
async fn a_bot_posts_once_then_edits_and_answers_in_the_thread() {
    let peer = StandInReceiver::start(|_| (200, POSTED)).await;
    let bot = peer.receiver(bot);
    let first = due_alert(incident());
    assert_eq!(bot.tell(&first).await, PostResult::Delivered { receipt: Some("C042/1700.5".into()) });
    let seen = peer.seen();
    assert_eq!(
        (seen[0].path.as_str(), &seen[0].body["channel"]),
        ("/api/chat.postMessage", &"#alerts".into())
    );
    assert_eq!(seen[0].headers["authorization"], "Bearer xoxb-hunter2");
    for (occasion, broadcast) in
        [(Occasion::Reminder, false), (Occasion::Escalated, true), (Occasion::Resolved, false)]
    {
        let before = peer.seen().len();
        let later = DueAlert { occasion, first_receipt: Some("C042/1700.5".into()), ..first.clone() };
        assert_eq!(bot.tell(&later).await, PostResult::Delivered { receipt: None });
        let seen = peer.seen().split_off(before);
        let paths: Vec<_> = seen.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["/api/chat.update", "/api/chat.postMessage"], "{occasion:?}");
        assert_eq!((&seen[0].body["ts"], &seen[0].body["channel"]), (&"1700.5".into(), &"C042".into()));
        assert_eq!(
            (&seen[1].body["thread_ts"], &seen[1].body["channel"]),
            (&"1700.5".into(), &"C042".into())
        );
        assert_eq!(seen[1].body["reply_broadcast"], broadcast);
    }
}

#[tokio::test]
async fn a_bot_whose_edit_fails_passingly_tries_both_again() {
    let busy = r#"{"ok":false,"error":"internal_error"}"#;
    let peer = StandInReceiver::start(move |number| (200, if number == 1 { busy } else { POSTED })).await;
    let bot = peer.receiver(bot);
    let mut later = due_alert(incident());
    later.first_receipt = Some("C042/1700.5".into());
    assert!(matches!(bot.tell(&later).await, PostResult::Later { may_have_arrived: false, .. }));
    assert_eq!(bot.tell(&later).await, PostResult::Delivered { receipt: None });
    assert_eq!(peer.seen().len(), 4);
}

#[tokio::test]
async fn what_receivers_answer_decides_what_becomes_of_the_alert() {
    const LATER: &str = "later";
    const REFUSED: &str = "refused";
    type Of = fn(&str) -> Receivers;
    for (of, status, body, want, remedy) in [
        (bot as Of, 200, r#"{"ok":false,"error":"ratelimited"}"#, LATER, None),
        (bot, 429, "", LATER, None),
        (bot, 500, "", LATER, None),
        // A proxy's page in place of Slack's answer.
        (bot, 200, "<html>", LATER, None),
        (bot, 200, r#"{"ok":false,"error":"invalid_auth"}"#, REFUSED, Some("SLACK_BOT_TOKEN")),
        (bot, 200, r#"{"ok":false,"error":"not_in_channel"}"#, REFUSED, Some("invite")),
        (bot, 200, r#"{"ok":false,"error":"invalid_blocks"}"#, REFUSED, None),
        (bot, 204, "", LATER, None),
        (hook, 200, "<!doctype html><html>Log in</html>", LATER, None),
        (hook, 203, "", LATER, None),
        (alertmanager, 200, "<html>Log in</html>", LATER, None),
        (alertmanager, 200, "Welcome", LATER, None),
        (alertmanager, 202, "", LATER, None),
        (hook, 503, "", LATER, None),
        (hook, 408, "", LATER, None),
        (hook, 400, "no", REFUSED, None),
        (hook, 401, "", REFUSED, Some("ALERT_WEBHOOK_SECRET")),
        (hook, 302, "", REFUSED, Some("ALERT_WEBHOOK_URL")),
        (alertmanager, 500, "", LATER, None),
        (alertmanager, 400, r#""start time must be before end time""#, REFUSED, None),
        (alertmanager, 404, "", REFUSED, Some("ALERTMANAGER_URL")),
    ] {
        let peer = StandInReceiver::start(move |_| (status, body)).await;
        match (peer.receiver(of).tell(&due_alert(incident())).await, want) {
            (PostResult::Later { error, retry_after, may_have_arrived }, LATER) => {
                assert_eq!((retry_after, may_have_arrived), (Some(Duration::from_secs(7)), false));
                assert!(!error.contains("hunter2"), "{error}");
            }
            (PostResult::Refused { error, remedy: said }, REFUSED) => {
                assert!(!error.contains("hunter2"), "{error}");
                assert_eq!(said.is_some(), remedy.is_some(), "{status} {body}");
                assert!(remedy.is_none_or(|want| said.unwrap().contains(want)), "{said:?}");
            }
            (answer, want) => panic!("{status} {body}: {answer:?}, not {want}"),
        }
    }
}

#[tokio::test]
async fn nobody_there_is_not_now_and_nothing_of_a_secret_is_said() {
    for of in [bot, hook, alertmanager] {
        // Bound and not listening: nobody else gets this port meanwhile.
        let nobody = TcpSocket::new_v4().unwrap();
        nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", nobody.local_addr().unwrap());
        let receiver = Receiver::all(of(&url), Pace::default()).unwrap().remove(0);
        let PostResult::Later { error, may_have_arrived, .. } = receiver.tell(&due_alert(incident())).await
        else {
            panic!("not to be given up");
        };
        assert!(
            !may_have_arrived && error.contains("can't be reached") && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_hook_gets_the_whole_incident_signed_and_masked() {
    let peer = StandInReceiver::start(|_| (204, "")).await;
    let mut alert = due_alert(incident());
    alert.incident.process.argv = vec!["db".into(), "--password=hunter2".into()];
    alert.id = 17;
    assert_eq!(peer.receiver(hook).tell(&alert).await, PostResult::Delivered { receipt: None });
    let seen = peer.seen().remove(0);
    assert!(!String::from_utf8_lossy(&seen.bytes).contains("hunter2"), "{:?}", seen.body);
    assert_eq!(seen.body["version"], 1);
    assert_eq!(seen.body["occasion"], "new");
    assert_eq!(seen.body["incident"]["id"], alert.incident.id);
    assert_eq!(seen.headers["idempotency-key"], format!("{}-17", alert.incident.id).as_str());
    let timestamp = seen.headers["x-ai-debugger-timestamp"].to_str().unwrap();
    let signed = super::super::webhook::signature(b"s3cret", timestamp, str::from_utf8(&seen.bytes).unwrap());
    assert_eq!(seen.headers["x-ai-debugger-signature"], signed.as_str());
}

#[tokio::test]
async fn alertmanager_is_told_of_what_was_less_grave_that_it_is_over() {
    let peer = StandInReceiver::start(|_| (200, "")).await;
    let receiver = peer.receiver(alertmanager);
    let alert = DueAlert { occasion: Occasion::Escalated, ..due_alert(incident()) };
    receiver.tell(&alert).await;
    let seen = peer.seen().remove(0);
    assert_eq!(seen.path, "/api/v2/alerts");
    let severities: Vec<_> =
        seen.body.as_array().unwrap().iter().map(|it| it["labels"]["severity"].clone()).collect();
    assert_eq!(severities, ["critical", "warning", "info"]);
    assert!(seen.body[0]["endsAt"].as_str() > seen.body[1]["endsAt"].as_str(), "{}", seen.body);
}

#[tokio::test]
async fn alertmanager_is_told_of_many_in_one_request_and_one_it_refuses_costs_no_other() {
    let peer = StandInReceiver::start_seeing(|seen| {
        let refused = seen.body.as_array().unwrap().iter().any(|it| it["labels"]["process"] == "bad");
        if refused { (400, "bad label") } else { (200, "") }
    })
    .await;
    let receiver = peer.receiver(alertmanager);
    let alerts: Vec<_> = (0..16)
        .map(|number| {
            let mut it = incident();
            it.process.name = if number == 5 { "bad".into() } else { format!("p{number}") };
            due_alert(it)
        })
        .collect();
    let answers = receiver.tell_all(&alerts).await;
    for (number, answer) in answers.iter().enumerate() {
        let refused = matches!(answer, PostResult::Refused { .. });
        assert_eq!((refused, answers.len()), (number == 5, 16), "{number}: {answer:?}");
    }
    // Halves, not each by itself.
    assert_eq!(peer.seen().len(), 9);
    let firing = receiver.tell_all(&alerts[..5]).await;
    assert!(firing.iter().all(|it| matches!(it, PostResult::Delivered { .. })));
    assert_eq!(peer.seen().len(), 10);
}

#[tokio::test]
async fn alertmanager_is_told_how_it_stands_whatever_was_to_be_told() {
    let peer = StandInReceiver::start(|_| (200, "")).await;
    let mut alert = due_alert(incident());
    alert.incident.status = crate::model::IncidentStatus::Resolved;
    peer.receiver(alertmanager).tell(&alert).await;
    let ends: jiff::Timestamp = peer.seen()[0].body[0]["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(ends <= jiff::Timestamp::now(), "{ends}");
}
