//! Many different incidents at once, and a critical one among them, through queue, recorder, store and alerts. Prints when
//! it began, when the critical one came, and when all were recorded and told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ai_debugger::alerts::{self, Sinks};
use ai_debugger::analyst::Analyst;
use ai_debugger::config::Receivers;
use ai_debugger::health::Health;
use ai_debugger::host::Host;
use ai_debugger::kinds::case::Case;
use ai_debugger::metrics::Metrics;
use ai_debugger::model::{IncidentKind, Severity};
use ai_debugger::queue::Pushed;
use ai_debugger::queue::cases::{case_queue, entry};
use ai_debugger::recorder::{Audience, Recorder, lifecycle, model_queue};
use ai_debugger::store::Store;
use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::cases;

/// What has not been told by then is not waited for.
const PATIENCE: Duration = Duration::from_secs(180);
/// The queue's room for cases with all they have: it is not what is measured.
const ROOM: usize = 500;
const POLL: Duration = Duration::from_millis(5);
/// The name of the one that is critical.
const CRITICAL: &str = "bars-critical";

pub(crate) async fn play(count: u32, dir: &Path, receivers: Receivers) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let (metrics, health, stop) = (Metrics::new(), Health::default(), CancellationToken::new());
    let store = Store::open(dir, Host::read(Path::new("/proc")), Arc::clone(&metrics), health.clone())?;
    let analyst = Analyst::new(None, health.clone(), Arc::clone(&metrics))?;
    let sinks = Sinks::new(receivers)?;
    let names = sinks.names();
    let audience = watch::channel(Audience {
        sinks: sinks.names(),
        editing: sinks.editing(),
        level: sinks.level(),
        min_severity: Severity::Info,
        quiet_until: Timestamp::MIN,
        since_ticks: 0,
    })
    .1;
    let (queue, pending) = (case_queue(&metrics), model_queue(&metrics));
    let visibility = lifecycle::Visibility {
        coverage: metrics.coverage.clone(),
        cases: queue.clone(),
        scan_interval: Duration::from_secs(10),
        patience: Vec::new(),
        is_alive: Arc::new(|_| true),
    };
    let living = tokio::spawn(lifecycle::run(store.clone(), audience.clone(), visibility, stop.clone()));
    let recorder =
        Recorder::new(store.clone(), &analyst, audience, pending, Arc::clone(&metrics), health.clone());
    let recording = tokio::spawn(recorder.run(queue.clone(), stop.clone()));
    let telling = tokio::spawn(alerts::run(store.clone(), sinks, metrics, health, stop.clone()));

    let began = Timestamp::now();
    let template = cases::case(IncidentKind::AbnormalExit, began)?;
    let mut critical_ms = 0;
    for number in 0..count {
        let mut next = entry(numbered(&template, number, number == count / 2));
        if next.item.severity == Severity::Critical {
            critical_ms = Timestamp::now().as_millisecond();
        }
        while queue.len() >= ROOM {
            sleep(POLL).await;
        }
        while let Pushed::Refused(back) | Pushed::Evicted(back) = queue.push(next) {
            sleep(POLL).await;
            next = back;
        }
    }
    while !queue.is_empty() {
        sleep(POLL).await;
    }
    let recorded_ms = Timestamp::now().as_millisecond();
    let waiting = Instant::now();
    // Programs are told of each; people get a summary, which may take its time.
    for name in names.into_iter().filter(|name| *name != alerts::SLACK) {
        while store.next_due(name).await?.is_some() && waiting.elapsed() < PATIENCE {
            sleep(POLL).await;
        }
    }
    while store.next_due(alerts::SLACK).await?.is_some() && waiting.elapsed() < PATIENCE {
        sleep(POLL).await;
    }
    let line = json!({
        "began_ms": began.as_millisecond(),
        "critical_ms": critical_ms,
        "recorded_ms": recorded_ms,
        "critical": CRITICAL,
    });
    println!("{line}");
    stop.cancel();
    recording.await?;
    telling.await?;
    living.await?;
    Ok(())
}

/// One of a fault of its own.
fn numbered(template: &Case, number: u32, critical: bool) -> Case {
    let mut it = template.clone();
    it.severity = if critical { Severity::Critical } else { Severity::Warning };
    it.file.findings.iter_mut().for_each(|finding| finding.severity = it.severity);
    let name = if critical { CRITICAL.to_owned() } else { format!("bars-{number}") };
    it.fingerprint = name.clone();
    it.title = format!("Abnormal exit: {name} (pid {number})");
    it.file.observed_at = Timestamp::now();
    let process = &mut it.file.process;
    (process.pid, process.start_ticks, process.ppid) = (1_000_000 + number, u64::from(number), 1);
    process.cgroup = Some(format!("/bars/{number}"));
    process.name = name;
    it
}
