//! Memory and CPU with nothing going on but the periodic scans of /proc, at their default interval.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::{Bench, MIB, float};
use crate::report::{Figure, Findings, Table, number};

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(60);

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let daemon = bench.start_daemon()?;
    let before = bench.load.settle(daemon.pid())?;
    let began = Instant::now();
    std::thread::sleep(if bench.quick { WATCHED / 10 } else { WATCHED });
    let cpu_ns = float(bench.load.cpu_ns(daemon.pid())? - before);
    let percent = cpu_ns / began.elapsed().as_secs_f64() / 1e7;
    let (rss, pss) = (float(daemon.rss_bytes()?), float(daemon.pss_bytes()?));
    let peak = float(daemon.peak_rss_bytes()?);
    let processes = daemon.live_processes()?;

    let seconds = number(began.elapsed().as_secs_f64().round());
    let mut table = Table::new(
        format!("Idle for {seconds} s, {processes} processes on the host"),
        &["CPU % of a core", "RSS MiB", "PSS MiB", "peak RSS MiB"],
    );
    table.row([number(percent), number(rss / MIB), number(pss / MIB), number(peak / MIB)]);
    table.notes.push(
        "RSS counts the pages of the rings twice, because each ring is mapped twice in a row; PSS counts them \
         once. The peak is that of the start, when the kernel's types are read."
            .to_owned(),
    );
    let mut findings = Findings::default();
    findings.figures.extend([
        Figure::at_most("idle RSS, both mappings of the rings", rss / MIB, "MiB", 25),
        Figure::at_most("idle PSS, the rings once", pss / MIB, "MiB", 25),
        Figure::at_most("idle CPU of a core", percent, "%", 0.3),
    ]);
    findings.data.insert(
        "idle".to_owned(),
        json!({"cpu_percent": percent, "rss_bytes": rss, "pss_bytes": pss, "peak_rss_bytes": peak}),
    );
    findings.tables.push(table);
    Ok(findings)
}
