//! The daemon's memory after many short processes, after as many again, and with many that live.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Bench, MIB, float};
use crate::daemon::Daemon;
use crate::report::{Figure, Findings, Table, number};

const SHORT: u64 = 100_000;
const LIVE: u64 = 10_000;
/// Growth by the second [`SHORT`] processes that still counts as flat: what an allocator keeps is not a leak.
const FLAT_MIB: u32 = 2;
/// Long enough for two scans of /proc, which is how processes that never exec are found.
const WALKS: Duration = Duration::from_secs(21);

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let daemon = bench.start_daemon()?;
    bench.load.settle(daemon.pid())?;
    let count = number(float(bench.scaled(SHORT)));
    let mut table = Table::new("Memory of the daemon", &["when", "RSS MiB", "PSS MiB", "peak RSS MiB"]);
    let start = take(&daemon, &mut table, "after the start".to_owned())?;
    let first = after_storm(bench, &daemon, &mut table, format!("after {count} short processes"))?;
    let second = after_storm(bench, &daemon, &mut table, format!("after another {count}"))?;

    let wanted = bench.scaled(LIVE);
    let (sleepers, made, why_not) = bench.load.sleepers(wanted)?;
    std::thread::sleep(WALKS);
    bench.load.settle(daemon.pid())?;
    let seen = daemon.live_processes()?;
    let live = take(&daemon, &mut table, format!("with {} live ones", number(float(made))))?;
    sleepers.end()?;
    if made < wanted {
        table.notes.push(format!("{wanted} live processes were wanted; the kernel refused more: {why_not}"));
    }
    table.notes.push(format!("The daemon then had {seen} live processes in its table."));

    let mut findings = Findings::default();
    let growth = (second - first) / MIB;
    findings.figures.extend([
        Figure::at_most(format!("RSS after {count} short processes"), first / MIB, "MiB", 64),
        Figure::at_most(format!("growth by another {count}"), growth, "MiB", FLAT_MIB),
    ]);
    findings.data.insert(
        "memory_rss_bytes".to_owned(),
        json!({"start": start, "after": first, "after_twice": second, "with_live": live, "live": made, "live_seen": seen}),
    );
    findings.tables.push(table);
    Ok(findings)
}

fn after_storm(bench: &Bench, daemon: &Daemon, table: &mut Table, when: String) -> Result<f64> {
    bench.load.storm(bench.scaled(SHORT), bench.cores, "mark-memory")?;
    bench.load.settle(daemon.pid())?;
    take(daemon, table, when)
}

/// Adds a row; the RSS in bytes.
fn take(daemon: &Daemon, table: &mut Table, when: String) -> Result<f64> {
    let rss = float(daemon.rss_bytes()?);
    let (pss, peak) = (float(daemon.pss_bytes()?), float(daemon.peak_rss_bytes()?));
    table.row([when, number(rss / MIB), number(pss / MIB), number(peak / MIB)]);
    Ok(rss)
}
