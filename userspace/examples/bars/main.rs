//! The part of `cargo xtask bench alerts` that runs below the kernel: a case file of every kind through recorder,
//! analyst, store and alerts, each kind in a pipeline of its own, against the model and the Slack that it is told
//! of. Prints a line of JSON for each kind once it is settled.

mod cases;
mod incidents;
mod masking;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ai_debugger::alerts::{self, Sinks};
use ai_debugger::analyst::Analyst;
use ai_debugger::config::{HookConfig, LlmConfig, LlmLimits, Receivers, SlackConfig};
use ai_debugger::health::Health;
use ai_debugger::host::Host;
use ai_debugger::kinds::case::Case;
use ai_debugger::metrics::Metrics;
use ai_debugger::model::{AlertStatus, Incident, IncidentKind, Severity};
use ai_debugger::queue::cases::{case_queue, entry};
use ai_debugger::recorder::{Audience, Recorder, ask_model, model_queue};
use ai_debugger::store::Store;
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::sync::{Barrier, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long an alert waits for the model: the daemon's default.
const MODEL_DEADLINE: Duration = Duration::from_secs(8);
/// An alert that has not gone out by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// A second message would come in this time.
const AFTERWARDS: Duration = Duration::from_secs(3);
const USAGE: &str = "this is a part of `cargo xtask bench alerts`; run that";
const POLL: Duration = Duration::from_millis(20);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["masking"] {
        return masking::measure();
    }
    if let [part, count, dir, slack, hook, alertmanager] = args.as_slice()
        && part == "incidents"
    {
        let receivers = with_webhook(slack, hook, alertmanager);
        // By the bot's address, where it is one.
        let slack = if slack.ends_with("/api") { with_bot(slack).slack } else { receivers.slack.clone() };
        return incidents::play(count.parse()?, Path::new(dir), Receivers { slack, ..receivers }).await;
    }
    let mut parts = args.split(|it| it == "--");
    let (Some(urls), Some([dir])) = (parts.next(), parts.next()) else { bail!(USAGE) };
    let (model, receivers) = match urls {
        [model, slack, hook, alertmanager] => (model, vec![with_webhook(slack, hook, alertmanager)]),
        [model, slack, hook, alertmanager, bot] => {
            (model, vec![with_webhook(slack, hook, alertmanager), with_bot(bot)])
        }
        _ => bail!(USAGE),
    };
    let all: Vec<_> = receivers.iter().flat_map(|it| IncidentKind::ALL.map(|kind| (kind, it))).collect();
    let ready = Arc::new(Barrier::new(all.len()));
    let mut pipelines = Vec::new();
    for (kind, receivers) in all {
        let (model, receivers) = (model.clone(), of_kind(receivers, kind));
        let by_bot = matches!(receivers.slack, Some(SlackConfig::Bot { .. }));
        let dir = PathBuf::from(dir).join(if by_bot { "bot" } else { "webhook" }).join(kind.as_str());
        let ready = Arc::clone(&ready);
        pipelines.push(tokio::spawn(async move { pipeline(kind, model, receivers, &dir, &ready).await }));
    }
    for pipeline in pipelines {
        println!("{}", pipeline.await??);
    }
    Ok(())
}

fn with_webhook(slack: &str, hook: &str, alertmanager: &str) -> Receivers {
    Receivers {
        slack: Some(SlackConfig::Webhook { url: slack.into() }),
        webhook: Some(HookConfig { url: hook.into(), secret: None }),
        alertmanager_url: Some(alertmanager.to_owned()),
        public_url: None,
    }
}

fn with_bot(api_url: &str) -> Receivers {
    let slack = SlackConfig::Bot {
        token: "xoxb-benchmark-only".into(),
        channel: "C1".into(),
        api_url: api_url.into(),
    };
    Receivers { slack: Some(slack), ..Receivers::default() }
}

/// Slack under a path of the kind's own.
fn of_kind(receivers: &Receivers, kind: IncidentKind) -> Receivers {
    let mut its = receivers.clone();
    match &mut its.slack {
        Some(SlackConfig::Webhook { url }) => *url = format!("{}/{kind}", url.expose_secret()).into(),
        Some(SlackConfig::Bot { api_url, .. }) => *api_url = format!("{api_url}/{kind}"),
        None => {}
    }
    its
}

/// One case on its way; what became of it.
async fn pipeline(
    kind: IncidentKind,
    model: String,
    receivers: Receivers,
    dir: &Path,
    ready: &Barrier,
) -> Result<serde_json::Value> {
    std::fs::create_dir_all(dir)?;
    let (metrics, health, stop) = (Metrics::new(), Health::default(), CancellationToken::new());
    let store = Store::open(dir, Host::read(Path::new("/proc")), Arc::clone(&metrics), health.clone())?;
    let analyst = Analyst::new(Some(llm(model)), health.clone(), Arc::clone(&metrics))?;
    let by_bot = matches!(receivers.slack, Some(SlackConfig::Bot { .. }));
    let sinks = Sinks::new(receivers)?;
    let audience = Audience {
        sinks: sinks.names(),
        editing: sinks.editing(),
        level: sinks.level(),
        min_severity: Severity::Info,
        quiet_until: Timestamp::MIN,
        since_ticks: 0,
    };
    let (cases, pending) = (case_queue(&metrics), model_queue(&metrics));
    let recorder = Recorder::new(
        store.clone(),
        &analyst,
        watch::channel(audience).1,
        pending.clone(),
        Arc::clone(&metrics),
        health.clone(),
    );
    let work = [
        tokio::spawn(recorder.run(cases.clone(), stop.clone())),
        tokio::spawn(ask_model(pending, store.clone(), analyst, stop.clone())),
        tokio::spawn(alerts::run(store.clone(), sinks, metrics, health, stop.clone())),
    ];
    // Setting up is work, and none of the daemon's while it runs: the clock starts when all are ready.
    ready.wait().await;
    let case = cases::case(kind, Timestamp::now())?;
    let expected = case.clone();
    drop(cases.push(entry(case)));
    let incident = settled(&store, kind).await?;
    stop.cancel();
    for task in work {
        task.await?;
    }
    let mut outcome = outcome(&expected, &incident);
    outcome["by_bot"] = by_bot.into();
    Ok(outcome)
}

fn llm(base_url: String) -> LlmConfig {
    LlmConfig {
        base_url,
        model: "openai/gpt-oss-120b".to_owned(),
        api_key: "gsk_benchmark_only".into(),
        deadline: MODEL_DEADLINE,
        limits: LlmLimits::default(),
    }
}

/// The incident once its alert is sent and a second one would have been.
async fn settled(store: &Store, kind: IncidentKind) -> Result<Incident> {
    let began = Instant::now();
    loop {
        let incident = store.list(ai_debugger::store::Filter::default()).await?.incidents.pop();
        let incident = match incident {
            Some(it) => store.get(&it.id).await?,
            None => None,
        };
        let done = incident.as_ref().is_some_and(|it| {
            !it.alerts.is_empty() && it.alerts.iter().all(|alert| alert.status != AlertStatus::Pending)
        });
        if done || began.elapsed() > PATIENCE {
            sleep(AFTERWARDS).await;
            let id = incident.with_context(|| format!("no incident of {kind}"))?.id;
            return store.get(&id).await?.context("the incident is gone");
        }
        sleep(POLL).await;
    }
}

fn outcome(case: &Case, incident: &Incident) -> serde_json::Value {
    json!({
        "kind": case.kind,
        "severity": case.severity,
        "event_ms": case.file.observed_at.as_millisecond(),
        "facts": incident.facts.iter().map(|fact| &fact.id).collect::<Vec<_>>(),
        "rules_summary": ai_debugger::analyst::built_in(&case.file).summary,
        "incident": incident,
    })
}
