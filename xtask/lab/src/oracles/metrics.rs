//! /metrics of the running daemon: by Prometheus' linter, and by the strict parser of its client library.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use xtask::oracle_tools::Tools;

use super::scene::Scene;
use super::{CheckOutcome, or_failed, script};

/// Families that one crash, its alert, the model's answer and a scan of /proc leave behind.
const FAMILIES: [&str; 13] = [
    "events_total",
    "events_sent_total",
    "event_delay_seconds",
    "processes",
    "scans_total",
    "scan_seconds",
    "cases_total",
    "queue_depth",
    "incidents_total",
    "model_requests_total",
    "model_seconds",
    "alerts_total",
    "http_responses_total",
];
/// What the linter must not take: a sample without help, and a counter by a wrong name.
const FAULTS: [&str; 2] = ["a 1\n", "# HELP a Things.\n# TYPE a counter\na 1\n"];

pub(super) fn promtool(tools: &Tools, scene: &Scene) -> CheckOutcome {
    let promtool = match &tools.promtool {
        Ok(promtool) => promtool,
        Err(why) => return CheckOutcome::Skipped(why.clone()),
    };
    or_failed(linted(promtool, scene), |outcome| outcome)
}

fn linted(promtool: &Path, scene: &Scene) -> Result<CheckOutcome> {
    for fault in FAULTS {
        if lint(promtool, fault)?.is_none() {
            return Ok(CheckOutcome::Failed(format!("no oracle: promtool takes {fault:?}")));
        }
    }
    // Asked once before: an answer is counted when it is over.
    let ask = || scene.daemon.client.text("/metrics", "text/plain");
    ask()?;
    let text = ask()?;
    let absent = match &scene.incident {
        Ok(_) => missing(&text, &FAMILIES),
        // Without kernel events there is nothing to count.
        Err(_) => vec![],
    };
    Ok(match lint(promtool, &text)? {
        Some(said) => CheckOutcome::Failed(format!("{said}\n{text}")),
        None if !absent.is_empty() => CheckOutcome::Failed(format!("no {}\n{text}", absent.join(", no "))),
        None => {
            let count = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
            CheckOutcome::Ok(format!(
                "`check metrics` has nothing against {count} families, and something against a fault"
            ))
        }
    })
}

/// What it has against them.
fn lint(promtool: &Path, metrics: &str) -> Result<Option<String>> {
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start promtool")?;
    // It says nothing before it has read all.
    child.stdin.take().context("stdin is a pipe")?.write_all(metrics.as_bytes())?;
    let output = child.wait_with_output()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // It ends well where the linter only complains, as it did in older versions.
    Ok((!output.status.success() || !said.trim().is_empty()).then(|| said.trim().to_owned()))
}

/// The families of ours that are not there.
fn missing(text: &str, wanted: &[&'static str]) -> Vec<&'static str> {
    let there = |name: &&str| {
        text.lines().any(|line| {
            let family = line.strip_prefix("# TYPE ai_debugger_").and_then(|it| it.split(' ').next());
            family == Some(name)
        })
    };
    wanted.iter().copied().filter(|name| !there(name)).collect()
}

/// The other format, which Prometheus asks for by name.
pub(super) fn open_metrics(tools: &Tools, scene: &Scene, dir: &Path) -> CheckOutcome {
    let file = dir.join("open-metrics.txt");
    let written = scene
        .daemon
        .client
        .text("/metrics", "application/openmetrics-text")
        .and_then(|text| fs::write(&file, text).context("cannot write the metrics"));
    or_failed(written, |()| script(tools, "open_metrics.py", &file.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_there_by_its_whole_name() {
        let text = "# HELP ai_debugger_a_total x\n# TYPE ai_debugger_a_total counter\nai_debugger_b 1\n";
        assert_eq!(missing(text, &["a_total", "a", "b"]), ["a", "b"]);
    }
}
