//! Budgets, the breaker and remembered verdicts, through the whole analyst: what is asked, what is not, and what is
//! said instead.

use tokio::net::TcpListener;

use super::*;

fn with(url: &str, limits: LlmLimits) -> Asked {
    let (health, metrics) = (Health::default(), Metrics::new());
    let deadline = Duration::from_secs(50);
    let config = LlmConfig {
        base_url: url.to_owned(),
        model: MODEL.to_owned(),
        api_key: KEY.into(),
        deadline,
        limits,
    };
    let analyst = Analyst::new(Some(config), health.clone(), Arc::clone(&metrics)).unwrap();
    Asked { analyst, health, metrics }
}

/// As [`oom`], as another fault than those with another number.
fn fault(number: usize) -> CaseFile {
    let mut file = oom();
    file.process.argv = vec!["app".into(), "x".repeat(number)];
    file
}

async fn ask_all(asked: &Asked, faults: std::ops::Range<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    for number in faults {
        notes.push(asked.analyst.verdict(&fault(number)).await.note.unwrap_or_default());
    }
    notes
}

#[tokio::test]
async fn over_a_budget_nothing_is_asked_and_the_note_says_which_and_until_when() {
    for (limits, words, degraded) in [
        (LlmLimits { requests_per_minute: 2, ..LlmLimits::default() }, "requests per minute", false),
        (LlmLimits { requests_per_day: 2, ..LlmLimits::default() }, "requests per day", true),
        (LlmLimits { nano_usd_per_day: 1_300_000, ..LlmLimits::default() }, "money per day", true),
    ] {
        let peer = Peer::new([good()]).await;
        let asked = with(&peer.url, limits);
        let notes = ask_all(&asked, 1..5).await;
        let over: Vec<_> = notes.iter().filter(|note| !note.is_empty()).collect();
        assert!(!over.is_empty() && over.len() + peer.requests() == 4, "{notes:?}");
        let start = format!("the model is unavailable: the budget of {words} is used up until 20");
        assert!(over.iter().all(|note| note.starts_with(&start) && note.contains(" UTC;")), "{over:?}");
        let text = asked.metrics.render();
        let line = format!("turned_away_total{{limit=\"model_budget\"}} {}", over.len());
        assert!(text.contains(&line), "{line} in {text}");
        assert_eq!(!asked.health.degraded().is_empty(), degraded, "{words}");
    }
}

#[tokio::test]
async fn it_stops_before_the_429_that_the_headers_announce() {
    let told = vec![("x-ratelimit-remaining-tokens", "12"), ("x-ratelimit-reset-tokens", "59.9s")];
    let peer = Peer::new([Reply::Telling(told, Box::new(good()))]).await;
    let asked = with(&peer.url, LlmLimits::default());
    let notes = ask_all(&asked, 1..3).await;
    assert_eq!((notes[0].as_str(), peer.requests()), ("", 1));
    assert!(notes[1].contains("the budget of the service, by its own count, is used up until"), "{notes:?}");
    // And a 429 that says how long to wait is kept to, by the next question as well.
    let peer = Peer::new([Reply::RateLimited(Some("60"))]).await;
    let asked = with(&peer.url, LlmLimits::default());
    let notes = ask_all(&asked, 1..3).await;
    assert!(notes[0].contains("429 rate limited (retry after 60 s)"), "{notes:?}");
    assert!(notes[1].contains("by its own count") && peer.requests() == 1, "{notes:?}");
}

#[tokio::test]
async fn a_sick_model_is_left_alone_and_costs_no_deadline() {
    let peer = Peer::new([status(400)]).await;
    let asked = with(&peer.url, LlmLimits::default());
    let notes = ask_all(&asked, 1..8).await;
    assert_eq!(peer.requests(), 5, "{notes:?}");
    assert!(notes[4].contains("400 request refused"), "{notes:?}");
    assert!(
        notes[5].contains("not asked until 20") && notes[5].contains("after 5 failures in a row"),
        "{notes:?}"
    );
    asked.counted("breaker 2, http_4xx 5");
    let status = asked.analyst.status();
    assert_eq!((&status["breaker"]["state"], &status["breaker"]["failures"]), (&json!("open"), &json!(5)));
    assert!(status["breaker"]["until"].is_string());
    assert!(asked.metrics.render().contains("ai_debugger_model_breaker_open 1"));
    assert_eq!(asked.health.degraded().len(), 1);
}

#[tokio::test]
async fn the_same_fault_is_asked_about_once_and_a_graver_one_anew() {
    let peer = Peer::new([good()]).await;
    let asked = with(&peer.url, LlmLimits::default());
    let first = asked.analyst.verdict(&oom()).await;
    let mut again = oom();
    again.process.pid = 777;
    let second = asked.analyst.verdict(&again).await;
    assert_eq!((second.by, &second.summary, peer.requests()), (VerdictBy::Model, &first.summary, 1));
    assert!(second.note.unwrap().contains("on the same fault"));
    assert_eq!(second.next_steps, built_in(&again).next_steps, "for this pid");
    let mut milder = oom();
    milder.findings[0].severity = Severity::Warning;
    asked.analyst.verdict(&milder).await;
    assert_eq!(peer.requests(), 2);
    assert!(asked.metrics.render().contains("ai_debugger_model_verdicts_reused_total 1"));
    asked.counted("ok 2");
}

#[tokio::test]
async fn what_it_cost_is_known_and_outlives_the_daemon() {
    let data = tempfile::tempdir().unwrap();
    let peer = Peer::new([good()]).await;
    let asked = with(&peer.url, LlmLimits::default());
    asked.analyst.keep_usage(data.path()).unwrap();
    asked.analyst.verdict(&oom()).await;
    let status = asked.analyst.status();
    // The peer's bill: one token in, one out.
    assert_eq!(status["budget"]["tokens_per_day"], json!({"limit": 200_000, "used": 2, "left": 199_998}));
    assert_eq!(status["budget"]["requests_per_day"]["used"], 1);
    assert_eq!(status["budget"]["usd_per_day"], json!({"limit": 1.0, "used": 0.00000075}));
    let file = data.path().join("model-usage.json");
    let settled = || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"tokens\":2,"));
    while !settled() {
        tokio::task::yield_now().await;
    }
    let next = with(&peer.url, LlmLimits::default());
    next.analyst.keep_usage(data.path()).unwrap();
    assert_eq!(next.analyst.status()["budget"]["requests_per_day"]["used"], 1);
}

#[tokio::test]
async fn without_a_model_no_byte_leaves() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let off = Analyst::new(None, Health::default(), Metrics::new()).unwrap();
    off.check_model().await;
    assert_eq!(off.verdict(&oom()).await.by, VerdictBy::Rules);
    assert_eq!(off.question(&oom()).request, None);
    let asked = with(&url, LlmLimits::default());
    let question = asked.analyst.question(&oom());
    assert_eq!(question.request.unwrap()["messages"][1]["content"], json!(question.user));
    let connection = listener.accept();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), connection).await.is_err(),
        "to look sends nothing"
    );
}

#[tokio::test]
async fn a_model_that_was_retired_is_said_so_once() {
    let error =
        json!({"error": {"message": "gone", "type": "x", "code": "model_decommissioned"}}).to_string();
    let peer = Peer::new([Reply::Status(400, "application/json", error)]).await;
    let asked = with(&peer.url, LlmLimits::default());
    let notes = ask_all(&asked, 1..2).await;
    assert!(notes[0].contains("400 request refused, model_decommissioned"), "{notes:?}");
    let told = asked.health.degraded();
    assert!(told[0].remedy.starts_with("set --llm-model"), "{told:?}");
}
