//! Spawn storms, without a monitor and with each one in turn: what it costs, what it sees, what it slows down.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::events::Events;
use super::load::Storm;
use super::monitors::{self, Kind, OtherMonitor};
use super::{Bench, MIB, float, values};
use crate::daemon::Daemon;
use crate::report::{Figure, Findings, Table, number};
use crate::running::memory_bytes;
use crate::stats::median;

/// Processes of one storm.
const SPAWNS: u64 = 20_000;
/// Processes of one of the two storms of a pair, and pairs a round: slowdown takes many short pairs, because
/// the machine drifts.
const PAIR_SPAWNS: u64 = 5_000;
const PAIRS: usize = 4;
/// So many of a storm's last processes are asked for over HTTP.
const REMEMBERED: usize = 1000;

const DAEMON: &str = "ai-debugger";
const CONSUMER: &str = "its ring reader alone";
/// What root runs from where everybody may write costs no more than what it runs from elsewhere.
const FROM_TMP: &str = "ai-debugger, programs from /tmp";

/// One storm under one monitor.
#[derive(Default)]
struct Sample {
    cpu_us: f64,
    execs: f64,
    exits: f64,
    with_argv: f64,
    peak_rss_bytes: f64,
    seconds: f64,
    /// Only where the monitor says it.
    equation: Option<Events>,
    /// Of [`REMEMBERED`], in percent.
    remembered: Option<f64>,
}

/// All storms of one shape, by monitor.
struct StormShape {
    name: &'static str,
    workers: usize,
    without: Vec<f64>,
    samples: BTreeMap<&'static str, Vec<Sample>>,
    /// Storm with the daemon against storm without it, right before or after.
    ratios: Vec<f64>,
}

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let mut absent = Vec::new();
    let mut shapes = [("sequential", 1), ("parallel", bench.cores)].map(|(name, workers)| StormShape {
        name,
        workers,
        without: Vec::new(),
        samples: BTreeMap::new(),
        ratios: Vec::new(),
    });
    for round in 0..bench.rounds {
        for shape in &mut shapes {
            eprintln!("bench: storms, round {} of {}, {}", round + 1, bench.rounds, shape.name);
            shape.round(bench, &mut absent).with_context(|| format!("storm, {}", shape.name))?;
        }
    }
    pairs(bench, &mut shapes)?;
    let mut findings = Findings::default();
    for shape in &shapes {
        findings.tables.push(shape.table(bench));
        findings.figures.extend(shape.figures(bench));
        findings.data.insert(format!("storm_{}", shape.name), shape.data());
    }
    let last = findings.tables.last_mut().context("there are two shapes")?;
    last.notes.extend(absent);
    Ok(findings)
}

impl StormShape {
    fn round(&mut self, bench: &Bench, absent: &mut Vec<String>) -> Result<()> {
        self.without.push(self.storm(bench, "without")?.seconds);
        let sample = self.under_daemon(bench, None)?;
        self.samples.entry(DAEMON).or_default().push(sample);
        let tmp = bench.load.in_open_folder()?;
        let sample = self.under_daemon(bench, Some(tmp.path()))?;
        self.samples.entry(FROM_TMP).or_default().push(sample);
        let sample = self.under_consumer(bench)?;
        self.samples.entry(CONSUMER).or_default().push(sample);
        for peer in &monitors::ALL {
            match self.under_peer(bench, peer) {
                Ok(sample) => self.samples.entry(peer.name).or_default().push(sample),
                Err(error) => {
                    let note = format!("{}: not measured: {error:#}", peer.name);
                    eprintln!("bench: {note}");
                    if !absent.contains(&note) {
                        absent.push(note);
                    }
                }
            }
        }
        Ok(())
    }

    fn storm(&self, bench: &Bench, mark: &str) -> Result<Storm> {
        bench.load.storm(bench.scaled(SPAWNS), self.workers, mark)
    }

    fn under_daemon(&self, bench: &Bench, from: Option<&Path>) -> Result<Sample> {
        let mark = "mark-daemon";
        let daemon = bench.start_daemon()?;
        let cpu_before = bench.load.settle(daemon.pid())?;
        let before = Events::caught_up(&daemon)?;
        let storm = match from {
            Some(dir) => bench.load.storm_from(dir, bench.scaled(SPAWNS), self.workers, mark)?,
            None => self.storm(bench, mark)?,
        };
        let after = Events::caught_up(&daemon)?.since(before);
        let cpu_ns = bench.load.cpu_ns(daemon.pid())? - cpu_before;
        let peak_rss_bytes = float(daemon.peak_rss_bytes()?);
        let pids: Vec<u32> = storm.last_pids.iter().copied().take(REMEMBERED).collect();
        let remembered = remembered(&daemon, &pids, mark)?;
        Ok(Sample {
            cpu_us: float(cpu_ns) / 1000.0 / float(storm.made),
            execs: after.execs,
            exits: after.exits,
            with_argv: f64::NAN,
            peak_rss_bytes,
            seconds: storm.seconds,
            equation: Some(after),
            remembered: Some(100.0 * float(remembered as u64) / float(pids.len() as u64)),
        })
    }

    fn under_consumer(&self, bench: &Bench) -> Result<Sample> {
        let mark = "mark-consumer";
        let consumer = bench.start_consumer(mark)?;
        let cpu_before = bench.load.settle(consumer.pid())?;
        let storm = self.storm(bench, mark)?;
        let cpu_ns = bench.load.settle(consumer.pid())? - cpu_before;
        let peak_rss_bytes = float(memory_bytes(consumer.pid(), "status", "VmHWM")?);
        let seen: Value = serde_json::from_str(&consumer.end()?)?;
        let count = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
        Ok(Sample {
            cpu_us: float(cpu_ns) / 1000.0 / float(storm.made),
            execs: count("execs"),
            exits: count("exits"),
            with_argv: count("exits_with_argv_and_cause") + count("execs"),
            peak_rss_bytes,
            seconds: storm.seconds,
            equation: Some(Events {
                received: count("received"),
                sent: count("sent"),
                lost: count("lost"),
                ..Events::default()
            }),
            remembered: None,
        })
    }

    fn under_peer(&self, bench: &Bench, peer: &OtherMonitor) -> Result<Sample> {
        let mark = "mark-peer";
        let program = peer.find().with_context(|| {
            format!("not installed: `apt-get install {}`, or `cargo xtask setup --peers`", peer.package)
        })?;
        let running = bench.start_peer(peer, &program)?;
        let cpu_before = bench.load.settle(running.pid()).with_context(|| complaint(bench))?;
        let storm = self.storm(bench, mark)?;
        let cpu_ns = bench.load.settle(running.pid()).with_context(|| complaint(bench))? - cpu_before;
        let peak_rss_bytes = float(memory_bytes(running.pid(), "status", "VmHWM")?);
        running.end()?;
        let output = std::fs::read(bench.peer_output())?;
        let seen = peer.seen(&String::from_utf8_lossy(&output), mark);
        anyhow::ensure!(seen.execs + seen.exits > 0, "it saw nothing: {}", complaint(bench));
        Ok(Sample {
            cpu_us: float(cpu_ns) / 1000.0 / float(storm.made),
            execs: if peer.kinds.contains(&Kind::Exec) { float(seen.execs) } else { f64::NAN },
            exits: if peer.kinds.contains(&Kind::Exit) { float(seen.exits) } else { f64::NAN },
            with_argv: float(seen.with_argv),
            peak_rss_bytes,
            seconds: storm.seconds,
            equation: None,
            remembered: None,
        })
    }

    fn of(&self, monitor: &str, value: impl Fn(&Sample) -> f64) -> f64 {
        let samples = self.samples.get(monitor).map(Vec::as_slice).unwrap_or_default();
        median(&samples.iter().map(value).collect::<Vec<_>>())
    }

    fn table(&self, bench: &Bench) -> Table {
        let spawns = bench.scaled(SPAWNS);
        let title = format!("{} spawns, {}, {} worker(s)", number(float(spawns)), self.name, self.workers);
        let header = [
            "monitor",
            "CPU µs/process",
            "× ours",
            "execs seen",
            "exits seen",
            "with argv",
            "peak RSS MiB",
            "storm s",
        ];
        let mut table = Table::new(title, &header);
        let dash = || "–".to_owned();
        let alone = number(median(&self.without));
        table.row(["none".to_owned(), dash(), dash(), dash(), dash(), dash(), dash(), alone]);
        let ours = self.of(DAEMON, |it| it.cpu_us);
        for monitor in
            [DAEMON, FROM_TMP, CONSUMER].into_iter().chain(monitors::ALL.iter().map(|peer| peer.name))
        {
            if !self.samples.contains_key(monitor) {
                continue;
            }
            let of = |value: fn(&Sample) -> f64| self.of(monitor, value);
            table.row([
                monitor.to_owned(),
                number(of(|it| it.cpu_us)),
                number(of(|it| it.cpu_us) / ours),
                number(of(|it| it.execs)),
                number(of(|it| it.exits)),
                number(of(|it| it.with_argv)),
                number(of(|it| it.peak_rss_bytes) / MIB),
                number(of(|it| it.seconds)),
            ]);
        }
        table.notes.push(format!(
            "Medians of {} round(s). The daemon counts all events of the host, the others those of the storm; \
             peers report a process once or twice, by what they hook. `{CONSUMER}` is the library without table, \
             detectors and store; it keeps every delay it sees, and is there to look at every argv.",
            bench.rounds
        ));
        table
    }

    fn figures(&self, bench: &Bench) -> Vec<Figure> {
        let name = |what: &str| format!("{what} ({})", self.name);
        let ours = self.of(DAEMON, |it| it.cpu_us);
        let both = self.of("execsnoop", |it| it.cpu_us) + self.of("exitsnoop", |it| it.cpu_us);
        let spawns = float(bench.scaled(SPAWNS));
        let all = |monitor: &str| self.samples.get(monitor).into_iter().flatten();
        let worst = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NAN, f64::min);
        let equations = || all(DAEMON).chain(all(CONSUMER)).filter_map(|it| it.equation);
        let lost = equations().map(|it| it.lost).fold(f64::NAN, f64::max);
        let apart = equations().map(|it| (it.sent - it.received).abs()).fold(f64::NAN, f64::max);
        let seen = worst(&mut all(CONSUMER).map(|it| it.with_argv)) / (2.0 * spawns) * 100.0;
        let remembered = worst(&mut all(DAEMON).filter_map(|it| it.remembered));
        vec![
            Figure::at_most(name("daemon CPU per process"), ours, "µs", 6),
            Figure::at_most(
                name("daemon CPU per process that root runs from /tmp"),
                self.of(FROM_TMP, |it| it.cpu_us),
                "µs",
                6,
            ),
            Figure::at_most(name("daemon CPU against execsnoop + exitsnoop"), ours / both, "", 0.2),
            Figure::at_least(name("argv and cause at exec and exit, worst round"), seen, "%", 100),
            Figure::at_least(
                name("the last 1,000 over HTTP, with argv and cause, worst round"),
                remembered,
                "%",
                100,
            ),
            Figure::at_most(name("events lost, worst round"), lost, "", 0),
            Figure::at_most(name("events sent less those received, worst round"), apart, "", 0),
            Figure::at_most(
                format!("storm slowdown, median of {} pairs ({})", self.ratios.len(), self.name),
                (median(&self.ratios) - 1.0) * 100.0,
                "%",
                3,
            ),
        ]
    }

    fn data(&self) -> Value {
        let samples = self.samples.iter().map(|(monitor, samples)| {
            let samples = samples.iter().map(|it| {
                json!({
                    "cpu_us": it.cpu_us, "execs": it.execs, "exits": it.exits, "with_argv": it.with_argv,
                    "peak_rss_bytes": it.peak_rss_bytes, "seconds": it.seconds,
                    "sent": it.equation.map(|it| it.sent), "received": it.equation.map(|it| it.received),
                    "lost": it.equation.map(|it| it.lost), "remembered_percent": it.remembered,
                })
            });
            ((*monitor).to_owned(), samples.collect::<Value>())
        });
        json!({
            "without_seconds": values(&self.without),
            "pair_ratios": values(&self.ratios),
            "monitors": samples.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// Short storms with and without the daemon, in turn; which one is first alternates.
fn pairs(bench: &Bench, shapes: &mut [StormShape]) -> Result<()> {
    for pair in 0..bench.rounds * PAIRS {
        eprintln!("bench: pairs, {} of {}", pair + 1, bench.rounds * PAIRS);
        let storms = |shapes: &[StormShape]| -> Result<Vec<f64>> {
            let storm = |it: &StormShape| bench.load.storm(bench.scaled(PAIR_SPAWNS), it.workers, "pair");
            shapes.iter().map(|it| Ok(storm(it)?.seconds)).collect()
        };
        let with = |shapes: &[StormShape]| {
            let daemon = bench.start_daemon()?;
            bench.load.settle(daemon.pid())?;
            storms(shapes)
        };
        let (without, with) = if pair % 2 == 0 {
            let without = storms(shapes)?;
            (without, with(shapes)?)
        } else {
            let with = with(shapes)?;
            (storms(shapes)?, with)
        };
        for ((shape, without), with) in shapes.iter_mut().zip(without).zip(with) {
            shape.ratios.push(with / without);
        }
    }
    Ok(())
}

/// How many of these processes it shows with this argument and how they ended.
fn remembered(daemon: &Daemon, pids: &[u32], mark: &str) -> Result<usize> {
    let mut count = 0;
    for pid in pids {
        let (status, body) = daemon.client.get(&format!("/api/v1/processes/{pid}"))?;
        let process: Value = if status == 200 { serde_json::from_str(&body)? } else { json!(null) };
        count += usize::from(process["argv"][1] == mark && process["exit"]["cause"].is_object());
    }
    Ok(count)
}

/// The last line a peer complained with.
fn complaint(bench: &Bench) -> String {
    let errors = std::fs::read_to_string(bench.peer_output().with_extension("err")).unwrap_or_default();
    errors.lines().last().unwrap_or("it says nothing of why").to_owned()
}
