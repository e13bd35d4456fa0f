//! Very many different incidents at once: when programs and people are told, how long a critical one among them waits,
//! and what it costs afterwards that they are stored.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use xtask::process;

use super::{Bench, float};
use crate::daemon::{Daemon, bare};
use crate::peers::{PeerRequest, Receivers};
use crate::report::{Figure, Findings, Table, number};
use crate::running::guarded;
use crate::workspace::empty_dir;

const INCIDENTS: u64 = 10_000;
/// How long the daemon is watched with all of them stored.
const WATCHED: Duration = Duration::from_secs(60);
/// A start reads the kernel's types, and tells of what is due.
const SETTLE: Duration = Duration::from_secs(20);

/// When each incident was told of first, by the name of its process.
type Told = HashMap<String, i64>;

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let count = bench.scaled(INCIDENTS);
    let header = ["Slack by", "receiver", "told of", "s to the last", "s of the critical one", "requests"];
    let mut table = Table::new(format!("{count} different incidents, one of them critical"), &header);
    let (mut last_s, mut critical_s, mut missing, mut messages) = (0.0_f64, 0.0_f64, 0, 0);
    let mut recorded_s = 0.0_f64;
    for by_bot in [false, true] {
        let receivers = Receivers::at_once(by_bot)?;
        let dir = empty_dir(&bench.dir.join("incidents"))?;
        let mut command = Command::new(&bench.bars);
        command.args(["incidents", &count.to_string()]).arg(dir.join("data"));
        command
            .args([receivers.slack.url(if by_bot { "/api" } else { "/hook" }), receivers.hook.url("/hook")]);
        command.arg(receivers.alertmanager.url(""));
        let line: Value = serde_json::from_str(&process::output(&mut command)?)?;
        let ms = |key: &str| line[key].as_i64().with_context(|| format!("no {key} in {line}"));
        let (began, critical) = (ms("began_ms")?, ms("critical_ms")?);
        recorded_s = recorded_s.max(seconds(ms("recorded_ms")? - began));
        let name = line["critical"].as_str().context("no name of the critical one")?;
        let way = if by_bot { "bot" } else { "webhook" };
        for (receiver, told, requests) in [
            ("webhook", by_hook(&receivers.hook.seen()), receivers.hook.seen().len()),
            (
                "Alertmanager",
                by_alertmanager(&receivers.alertmanager.seen()),
                receivers.alertmanager.seen().len(),
            ),
        ] {
            let last = told.values().max().map_or(f64::INFINITY, |at| seconds(at - began));
            let grave = told.get(name).map_or(f64::INFINITY, |at| seconds(at - critical));
            last_s = last_s.max(last);
            critical_s = critical_s.max(grave);
            missing += count.saturating_sub(u64::try_from(told.len())?);
            let cells = [told.len().to_string(), number(last), number(grave), requests.to_string()];
            let [told, last, grave, requests] = cells;
            table.row([way.to_owned(), receiver.to_owned(), told, last, grave, requests]);
        }
        let slack = receivers.slack.seen();
        let its = slack.iter().find(|it| it.body.contains(name) && it.body.contains("CRITICAL"));
        let grave = its.map_or(f64::INFINITY, |it| seconds(it.at_ms - critical));
        critical_s = critical_s.max(grave);
        messages = messages.max(slack.len());
        let summaries = slack.iter().filter(|it| it.body.contains("incidents, the worst")).count();
        let told = format!("{summaries} summaries");
        table.row([
            way.to_owned(),
            "Slack".to_owned(),
            told,
            "–".to_owned(),
            number(grave),
            slack.len().to_string(),
        ]);
    }
    table.notes.push(format!("All were recorded after {} s at the most.", number(recorded_s)));
    let percent = idle(bench)?;
    let mut findings = Findings::default();
    let name = |what: &str| format!("{count} different incidents: {what}");
    findings.figures.extend([
        Figure::at_most(name("not told of, at webhook or Alertmanager"), float(missing), "", 0),
        Figure::at_most(name("to the last at webhook and Alertmanager"), last_s, "s", 60),
        Figure::at_most(name("the critical one at each receiver"), critical_s, "s", 10),
        Figure::at_most(name("messages to people"), float(u64::try_from(messages)?), "", 100),
        Figure::at_most(name("CPU of a core afterwards"), percent, "%", 1),
    ]);
    let data = json!({"recorded_s": recorded_s, "told_s": last_s, "critical_s": critical_s, "idle_percent": percent});
    findings.data.insert("incidents".to_owned(), data);
    findings.tables.push(table);
    Ok(findings)
}

/// What the real daemon needs with all that is stored by then, in per cent of a core.
fn idle(bench: &Bench) -> Result<f64> {
    let receivers = Receivers::at_once(false)?;
    let mut command = bare(guarded(&bench.daemon));
    receivers.configure(&mut command);
    let daemon = Daemon::start_seeing(command, &bench.dir.join("incidents"), &["--no-llm"])?;
    std::thread::sleep(SETTLE);
    let before = bench.load.settle(daemon.pid())?;
    let began = Instant::now();
    std::thread::sleep(if bench.quick { WATCHED / 10 } else { WATCHED });
    let cpu_ns = float(bench.load.cpu_ns(daemon.pid())? - before);
    Ok(cpu_ns / began.elapsed().as_secs_f64() / 1e7)
}

fn by_hook(seen: &[PeerRequest]) -> Told {
    let mut told = Told::new();
    for it in seen {
        let body: Value = serde_json::from_str(&it.body).unwrap_or_default();
        note(&mut told, &body["incident"]["process"]["name"], it.at_ms);
    }
    told
}

fn by_alertmanager(seen: &[PeerRequest]) -> Told {
    let mut told = Told::new();
    for it in seen {
        let body: Value = serde_json::from_str(&it.body).unwrap_or_default();
        for alert in body.as_array().into_iter().flatten() {
            note(&mut told, &alert["labels"]["process"], it.at_ms);
        }
    }
    told
}

fn note(told: &mut Told, name: &Value, at_ms: i64) {
    if let Some(name) = name.as_str() {
        told.entry(name.to_owned()).and_modify(|first| *first = at_ms.min(*first)).or_insert(at_ms);
    }
}

/// Milliseconds as seconds; endless where it never came.
fn seconds(ms: i64) -> f64 {
    i32::try_from(ms).map_or(f64::INFINITY, |ms| f64::from(ms) / 1000.0)
}
