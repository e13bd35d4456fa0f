//! The bars of the alert: whatever the model does, whatever happens to the daemon and however much happens at once,
//! the person is told once, in time, rightly, and no secret leaves.

mod ends;
mod faults;
mod flood;
mod killed;
mod matrix;
mod message;
mod mood;
mod score;
mod service;
mod subject;

use anyhow::Result;

use super::Bench;
use super::report::Findings;

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let mut findings = Findings::default();
    for (name, part) in [
        ("kinds × moods", matrix::measure as fn(&Bench) -> Result<Findings>),
        ("real faults, and secrets", ends::measure),
        ("floods", flood::measure),
        ("kill -9", killed::measure),
    ] {
        eprintln!("bench: alerts: {name}");
        findings.add(part(bench)?);
    }
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
