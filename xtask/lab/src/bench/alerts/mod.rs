//! The bars of the alert: whatever the model does, whatever happens to the daemon and however much happens at once,
//! the person is told once, in time, rightly, and no secret leaves.

mod ends;
mod faults;
mod flood;
mod killed;
mod masking;
mod matrix;
mod score;
mod subject;

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use super::Bench;
use crate::report::{Findings, Table};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Bars {
    /// Every kind × every behaviour of the model, below the kernel.
    Moods,
    /// Real faults from the kernel to Slack, and planted secrets.
    Faults,
    /// 10,000 crashes of one program, 200 different faults.
    Floods,
    /// kill -9 at random moments.
    Kills,
    /// How much time masking takes.
    Masking,
}

pub(super) fn measure(bench: &Bench, only: &[Bars]) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut took = Table::new("How long each part took", &["part", "s"]);
    for bars in Bars::value_variants() {
        if !only.is_empty() && !only.contains(bars) {
            continue;
        }
        eprintln!("bench: alerts: {bars:?}");
        let began = Instant::now();
        findings.add(match bars {
            Bars::Moods => matrix::measure(bench)?,
            Bars::Faults => ends::measure(bench)?,
            Bars::Floods => flood::measure(bench)?,
            Bars::Kills => killed::measure(bench)?,
            Bars::Masking => masking::measure(bench)?,
        });
        took.row([format!("{bars:?}").to_lowercase(), format!("{:.0}", began.elapsed().as_secs_f64())]);
    }
    took.notes.push("Of the measuring itself, waiting included.".to_owned());
    findings.tables.push(took);
    Ok(findings)
}

/// A count as a figure.
fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Milliseconds as seconds; endless where it never came.
fn seconds(ms: i64) -> f64 {
    i32::try_from(ms).map_or(f64::INFINITY, |ms| f64::from(ms) / 1000.0)
}
