//! The two things `cargo xtask bench` cannot do from outside a process of its own: take the kernel's events
//! as the daemon's ring reader does, with nothing behind it, and keep the kernel's run-time statistics for
//! BPF on. Both last until stdin ends, so neither outlives the benchmark.

use std::path::Path;
use std::time::Duration;

use ai_debugger::health::Health;
use ai_debugger::host::{Host, boot_time};
use ai_debugger::metrics::Metrics;
use ai_debugger::observation::Observation;
use ai_debugger::probes::{self, ProbeOptions};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::sync::mpsc;

/// The rings' sizes: the daemon's defaults.
const OPTIONS: ProbeOptions = ProbeOptions {
    grave_bytes: 256 << 10,
    common_bytes: 8 << 20,
    crash_bytes: 1 << 20,
    log: false,
    btf: None,
    proc_root: None,
};
/// Batches that may wait: as in the daemon.
const BATCHES: usize = 64;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run-time-statistics"] => {
            let _on =
                aya::sys::enable_stats(aya::sys::Stats::RunTime).context("cannot turn the statistics on")?;
            println!("ready");
            until_stdin_ends().await
        }
        ["events", mark] => events(mark).await,
        _ => bail!("this is a part of `cargo xtask bench`; run that"),
    }
}

async fn until_stdin_ends() -> Result<()> {
    let ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await?;
    ended.context("cannot read stdin").map(drop)
}

/// What was seen of the processes whose argv holds the mark.
#[derive(Default)]
struct ReadCounts {
    execs: u64,
    exits: u64,
    exits_with_argv_and_cause: u64,
    common_delays: Vec<Duration>,
    grave_delays: Vec<Duration>,
}

impl ReadCounts {
    fn take(&mut self, observation: &Observation, mark: &[u8]) {
        let now = boot_time();
        match observation {
            Observation::Exec(process) => {
                self.common_delays.push(now.saturating_sub(process.at));
                self.execs += u64::from(has(&process.argv, mark));
            }
            Observation::Exit(exit) => {
                let grave = exit.exit_code.is_some_and(|code| code & 0x7f != 0) || exit.oom_killed;
                let delays = if grave { &mut self.grave_delays } else { &mut self.common_delays };
                delays.push(now.saturating_sub(exit.process.at));
                // The load's programs end by status 0 or by a signal: any other cause would be a wrong one.
                let ours = has(&exit.process.argv, mark);
                self.exits += u64::from(ours);
                self.exits_with_argv_and_cause += u64::from(ours && (grave || exit.exit_code == Some(0)));
            }
            _ => {}
        }
    }
}

fn has(argv: &[u8], mark: &[u8]) -> bool {
    argv.windows(mark.len()).any(|window| window == mark)
}

async fn events(mark: &str) -> Result<()> {
    let (sender, mut batches) = mpsc::channel(BATCHES);
    let (metrics, health) = (Metrics::new(), Health::default());
    let host = Host::read(Path::new("/proc"));
    let started = probes::start(OPTIONS, host, sender, std::sync::Arc::clone(&metrics), &health).await;
    let probes = started.with_context(|| format!("no kernel events: {:?}", health.degraded()))?;
    println!("ready");
    let ended = tokio::spawn(async {
        let ended = until_stdin_ends().await;
        probes.stop().await;
        ended
    });
    let mut seen = ReadCounts::default();
    while let Some(batch) = batches.recv().await {
        batch.iter().for_each(|observation| seen.take(observation, mark.as_bytes()));
    }
    ended.await??;
    let micros = |delays: &[Duration]| -> Vec<u128> { delays.iter().map(Duration::as_micros).collect() };
    let coverage = metrics.coverage.now();
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.sum::<u64>();
    println!(
        "{}",
        json!({
            "execs": seen.execs,
            "exits": seen.exits,
            "exits_with_argv_and_cause": seen.exits_with_argv_and_cause,
            "sent": sum(&mut coverage.sent.values().copied()),
            "received": sum(&mut coverage.received.values().copied()),
            "lost": coverage.lost_total(),
            "common_delays_us": micros(&seen.common_delays),
            "grave_delays_us": micros(&seen.grave_delays),
        })
    );
    Ok(())
}
