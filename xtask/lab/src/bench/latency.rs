//! From the kernel's time stamp to the process table, and from a crash to its incident over HTTP: with nothing
//! else going on, and under a storm from as many workers as there are cores.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::load::Background;
use super::{Bench, values};
use crate::daemon::Daemon;
use crate::metrics::percentile as bucket_percentile;
use crate::report::{Figure, Findings, Table, number};
use crate::stats::{max, percentile};

/// Between two looks for an incident.
const POLL: Duration = Duration::from_millis(1);
/// Pause between two crashes, so that they do not queue.
const PAUSE: Duration = Duration::from_millis(20);
/// An incident that is not there by then is a lost one.
const DEADLINE: Duration = Duration::from_secs(10);
const HISTOGRAM: &str = "ai_debugger_event_delay_seconds";

/// What else goes on, how many crashes, and the bar.
struct Scene {
    name: &'static str,
    storm: bool,
    crashes: u64,
    bar_ms: u32,
}

const SCENES: [Scene; 2] = [
    Scene { name: "idle", storm: false, crashes: 100, bar_ms: 50 },
    Scene { name: "under the storm", storm: true, crashes: 50, bar_ms: 250 },
];

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut table = Table::new("Latency", &["from → to", "scene", "p50 ms", "p99 ms", "max ms", "count"]);
    for scene in &SCENES {
        over_http(bench, scene, &mut findings, &mut table)?;
        through_the_library(bench, scene, &mut findings, &mut table)?;
    }
    table.notes.push(
        "To the incident: from before the crashing program is started to the first answer of \
         `/api/v1/incidents` that has it, asked for every millisecond. To the table: off the buckets of \
         `event_delay_seconds`, so up to a third too high. To the library's reader: each one measured. Common \
         events wait for the batch timer by design."
            .to_owned(),
    );
    findings.tables.push(table);
    Ok(findings)
}

fn over_http(bench: &Bench, scene: &Scene, findings: &mut Findings, table: &mut Table) -> Result<()> {
    let daemon = bench.start_daemon()?;
    bench.load.settle(daemon.pid())?;
    let before = daemon.metrics()?;
    let storm = scene.storm.then(|| bench.load.endless_storm(bench.cores, "mark-latency")).transpose()?;
    let mut delays_ms = Vec::new();
    for number in 0..bench.scaled(scene.crashes) {
        std::thread::sleep(PAUSE);
        let name = format!("lat-{}-{number}", u8::from(scene.storm));
        let began = bench.load.crash(&name)?;
        delays_ms.push(visible(&daemon, &name, began)?.as_secs_f64() * 1000.0);
    }
    storm.map(Background::end).transpose()?;
    let after = daemon.metrics()?;
    row(table, "crash → incident over HTTP", scene, &delays_ms);
    let name = format!("crash → incident over HTTP, p99, {}", scene.name);
    findings.figures.push(Figure::at_most(name, percentile(&delays_ms, 99), "ms", scene.bar_ms));
    findings.data.insert(format!("incident_ms_{}", scene.name), values(&delays_ms));
    for ring in ["grave", "common"] {
        let buckets = after.histogram_since(&before, HISTOGRAM, &[("ring", ring)]);
        let of = |percent| number(bucket_percentile(&buckets, percent) * 1000.0);
        let count = number(buckets.last().map_or(0.0, |(_, count)| *count));
        let name = format!("{ring} event → process table");
        table.row([name, scene.name.to_owned(), of(50.0), of(99.0), of(100.0), count]);
    }
    Ok(())
}

/// How long after `began` the newest incidents have this process.
fn visible(daemon: &Daemon, name: &str, began: Instant) -> Result<Duration> {
    loop {
        if daemon.newest(5)?.iter().any(|it| it.process.name == name) {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < DEADLINE, "no incident of {name} within {} s", DEADLINE.as_secs());
        std::thread::sleep(POLL);
    }
}

fn through_the_library(
    bench: &Bench,
    scene: &Scene,
    findings: &mut Findings,
    table: &mut Table,
) -> Result<()> {
    let consumer = bench.start_consumer("mark-latency")?;
    let storm = scene.storm.then(|| bench.load.endless_storm(bench.cores, "mark-latency")).transpose()?;
    for number in 0..bench.scaled(scene.crashes) {
        std::thread::sleep(PAUSE);
        bench.load.crash(&format!("lib-{}-{number}", u8::from(scene.storm)))?;
    }
    storm.map(Background::end).transpose()?;
    let seen: Value = serde_json::from_str(&consumer.end()?)?;
    for ring in ["grave", "common"] {
        let delays = seen[format!("{ring}_delays_us")].as_array().map(Vec::as_slice).unwrap_or_default();
        let delays_ms: Vec<f64> = delays.iter().filter_map(Value::as_f64).map(|us| us / 1000.0).collect();
        row(table, &format!("{ring} event → the library's reader"), scene, &delays_ms);
        let summary = [50, 99, 100].map(|percent| percentile(&delays_ms, percent));
        findings.data.insert(format!("reader_p50_p99_max_ms_{ring}_{}", scene.name), values(&summary));
    }
    Ok(())
}

fn row(table: &mut Table, what: &str, scene: &Scene, delays_ms: &[f64]) {
    let of = |percent| number(percentile(delays_ms, percent));
    let (most, count) = (number(max(delays_ms)), delays_ms.len().to_string());
    table.row([what.to_owned(), scene.name.to_owned(), of(50), of(99), most, count]);
}
