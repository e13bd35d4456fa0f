//! The daemon stopped (SIGSTOP) under a storm with crashes in it, then continued: what was lost, who counted
//! it, and whether anything grave was among it.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;
use serde_json::json;

use super::events::Events;
use super::load;
use super::{Bench, float};
use crate::daemon::Daemon;
use crate::report::{Figure, Findings, Table, number};

/// How long it is stopped.
const STOPPED: Duration = Duration::from_secs(5);
/// Crashes in that time.
const CRASHES: u32 = 20;
/// How long after it goes on an incident may take.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let daemon = bench.start_daemon()?;
    bench.load.settle(daemon.pid())?;
    let before = Events::caught_up(&daemon)?;
    let storm = bench.load.endless_storm(bench.cores, "mark-stop")?;
    daemon.running.signal(Signal::STOP)?;
    for number in 0..CRASHES {
        std::thread::sleep(STOPPED / CRASHES);
        bench.load.crash(&crash_name(number))?;
    }
    daemon.running.signal(Signal::CONT)?;
    // The storm goes on over the daemon's catching up.
    std::thread::sleep(Duration::from_secs(1));
    let storm = load::storm(&storm.end()?)?;
    let found = incidents(&daemon)?;
    let events = Events::caught_up(&daemon)?.since(before);

    let missing = CRASHES - found;
    let made = float(storm.made) + f64::from(CRASHES);
    let mut table = Table::new(
        format!("Stopped for {} s under a storm from {} workers", STOPPED.as_secs(), bench.cores),
        &["what", "count"],
    );
    for (what, count) in [
        ("processes made", made),
        ("crashes among them, while it was stopped", f64::from(CRASHES)),
        ("events put on the rings, counted by the kernel side", events.sent),
        ("events received, counted by the daemon", events.received),
        ("events lost, counted by the kernel side", events.lost),
        ("of those urgent", events.lost_grave),
        ("crashes without an incident", f64::from(missing)),
    ] {
        table.row([what.to_owned(), number(count)]);
    }
    let name = |what: &str| format!("{what}, stopped {} s under a storm", STOPPED.as_secs());
    let grave = f64::from(missing).max(events.lost_grave);
    let unaccounted = (made * 2.0 - events.sent - events.lost).max(0.0);
    let mut findings = Findings::default();
    findings.figures.extend([
        Figure::at_most(name("urgent events lost"), grave, "", 0),
        Figure::at_most(
            name("events sent less those received"),
            (events.sent - events.received).abs(),
            "",
            0,
        ),
        Figure::at_most(name("execs and exits neither sent nor counted as lost"), unaccounted, "", 0),
    ]);
    findings.data.insert(
        "stop".to_owned(),
        json!({
            "made": made, "sent": events.sent, "received": events.received, "lost": events.lost,
            "lost_grave": events.lost_grave, "crashes_without_incident": missing,
        }),
    );
    findings.tables.push(table);
    Ok(findings)
}

fn crash_name(number: u32) -> String {
    format!("stopped-{number}")
}

/// How many of the crashes have become incidents; waits for all of them, but not for ever.
fn incidents(daemon: &Daemon) -> Result<u32> {
    let began = Instant::now();
    loop {
        let incidents = daemon.newest(1000)?;
        let is_there = |number: &u32| incidents.iter().any(|it| it.process.name == crash_name(*number));
        let found = u32::try_from((0..CRASHES).filter(is_there).count())?;
        if found == CRASHES || began.elapsed() > DEADLINE {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
