//! Requests a second, beside a handler that does only the system calls and beside the seed's way of serving, in turn and
//! in the same run: this machine drifts, and only what ran side by side can be compared. Then what it costs: the
//! daemon's memory and threads after many clients asked for much at once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::process;

use super::load::Background;
use super::{Bench, MIB, float, values};
use crate::daemon::{Daemon, KEY};
use crate::report::{Figure, Findings, Table, number};
use crate::running::{memory_bytes, status_number};
use crate::stats::{max, median};

/// Clients at a time: more than there are cores on small machines, as many as a dashboard and a few scripts are.
const CONNECTIONS: usize = 16;
/// How long each is asked in a turn, and turns a round: many short ones beside each other, because others use the machine
/// as well.
const LASTS: Duration = Duration::from_millis(300);
const TURNS: usize = 8;
/// What a kubelet waits by default.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Clients that ask for a thousand processes each, all at once.
const MANY: usize = 250;
/// What the README says of memory.
const README_MIB: u32 = 35;
/// What they may leave behind, whatever else the daemon holds: it sees all that goes on on the host meanwhile.
const GROWTH_MIB: u32 = 10;
const THREADS: u32 = 24;
/// The seed's own figure for its list of processes, on a machine like this one.
const SEED_LISTS: f64 = 115.0;

/// What is asked, of whom, and what must come of it.
struct Target {
    path: &'static str,
    /// Whether the bare handler, and the seed's stand-in, have it, too.
    bare: bool,
    seed: bool,
    bar: Option<Bar>,
}

enum Bar {
    /// At least so many percent of the bare handler's.
    OfBare(u32),
    /// At least so many a second.
    Rate(f64),
}

const TARGETS: [Target; 6] = [
    Target { path: "/proc", bare: true, seed: true, bar: Some(Bar::OfBare(85)) },
    Target { path: "/proc/1/status", bare: true, seed: true, bar: Some(Bar::OfBare(85)) },
    Target { path: "/", bare: false, seed: true, bar: Some(Bar::Rate(50.0 * SEED_LISTS)) },
    Target { path: "/api/v1/incidents", bare: false, seed: false, bar: Some(Bar::Rate(5000.0)) },
    Target { path: "/api/v1/processes?limit=50", bare: false, seed: false, bar: Some(Bar::Rate(5000.0)) },
    Target { path: "/healthz", bare: true, seed: false, bar: None },
];

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let daemon = bench.start_daemon()?;
    make_incidents(bench, &daemon)?;
    let (bare, bare_address) = start(bench, "bare")?;
    let (seed, seed_address) = start(bench, "seed")?;
    let mut findings = Findings::default();
    let processes = daemon.live_processes()?;
    let mut table = Table::new(
        format!("HTTP with {CONNECTIONS} clients, {processes} processes: answers a second"),
        &["path", "ai-debugger", "bare handler", "% of it", "the seed's way", "slowest ms"],
    );
    for target in &TARGETS {
        let (mut ours, mut bares, mut shares, mut seeds, mut slowest) =
            (vec![], vec![], vec![], vec![], vec![]);
        for turn in 0..bench.rounds * TURNS {
            let ours_now = || ask(bench, daemon.address(), target.path, CONNECTIONS, true);
            let bare_now = || ask(bench, bare_address, target.path, CONNECTIONS, true);
            // Who is first changes, so that a machine that gets busier or idler favours neither.
            let (got, beside) = match (target.bare, turn % 2) {
                (false, _) => (ours_now()?, None),
                (true, 0) => {
                    let got = ours_now()?;
                    (got, Some(bare_now()?.rate))
                }
                (true, _) => {
                    let beside = bare_now()?.rate;
                    (ours_now()?, Some(beside))
                }
            };
            if let Some(rate) = beside {
                shares.push(got.rate / rate * 100.0);
                bares.push(rate);
            }
            ours.push(got.rate);
            slowest.push(got.slowest_ms);
            if target.seed {
                seeds.push(ask(bench, seed_address, target.path, CONNECTIONS, false)?.rate);
            }
        }
        let (rate, share) = (median(&ours), median(&shares));
        table.row([
            format!("`{}`", target.path),
            number(rate.round()),
            number(median(&bares).round()),
            number(share),
            number(median(&seeds).round()),
            number(median(&slowest)),
        ]);
        findings.figures.extend(target.bar.as_ref().map(|bar| match bar {
            Bar::OfBare(percent) => {
                Figure::at_least(format!("{} beside the bare handler", target.path), share, "%", *percent)
            }
            Bar::Rate(least) => Figure::at_least(format!("{} a second", target.path), rate, "", *least),
        }));
        findings.data.insert(
            format!("http {}", target.path),
            json!({"ours": values(&ours), "bare": values(&bares), "seed": values(&seeds)}),
        );
    }
    bare.end()?;
    seed.end()?;
    findings.tables.push(table);
    findings.add(probes(bench, &daemon)?);
    findings.add(cost(bench, &daemon)?);
    Ok(findings)
}

/// Probes while somebody without a key does what he can from the same address.
fn probes(bench: &Bench, daemon: &Daemon) -> Result<Findings> {
    let mut table = Table::new(
        "Probes under attack: `/healthz` on a new connection each",
        &["attack", "probes", "answered within 1 s", "slowest ms"],
    );
    let mut findings = Findings::default();
    for (attack, count, name) in
        [("silent", 1500, "1,500 sockets that say nothing"), ("slow", 500, "500 heads a byte at a time")]
    {
        let address = daemon.address().to_string();
        let mut attacker =
            Background::start(Command::new(&bench.web).args([attack, &address, &count.to_string()]))?;
        let line = attacker.line()?;
        ensure!(line == "under way\n", "it said {line:?}");
        let probes = if bench.quick { 10 } else { 40 };
        let mut slowest = Vec::new();
        for _ in 0..probes {
            slowest.push(probe(daemon.address()));
            std::thread::sleep(Duration::from_millis(100));
        }
        attacker.end()?;
        let answered: Vec<f64> =
            slowest.iter().flatten().map(Duration::as_secs_f64).map(|it| it * 1e3).collect();
        let percent = float(answered.len().try_into()?) / float(probes) * 100.0;
        table.row([name.to_owned(), probes.to_string(), format!("{percent:.0} %"), number(max(&answered))]);
        findings.figures.push(Figure::at_least(format!("probes answered in 1 s, {name}"), percent, "%", 100));
    }
    findings.tables.push(table);
    Ok(findings)
}

/// How long it took; `None`: there was no good answer within a second.
fn probe(address: SocketAddr) -> Option<Duration> {
    let began = Instant::now();
    let left = || PROBE_TIMEOUT.checked_sub(began.elapsed()).filter(|it| !it.is_zero());
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT).ok()?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let (mut answer, mut part) = (Vec::new(), [0; 1024]);
    loop {
        stream.set_read_timeout(Some(left()?)).ok()?;
        match stream.read(&mut part).ok()? {
            0 => return answer.starts_with(b"HTTP/1.1 200 ").then(|| began.elapsed()),
            got => answer.extend_from_slice(&part[..got]),
        }
    }
}

/// Memory and threads before, while and after many ask for much.
fn cost(bench: &Bench, daemon: &Daemon) -> Result<Findings> {
    const LARGE: &str = "/api/v1/processes?limit=1000";
    let wanted = bench.scaled(1000);
    let (sleepers, made, _) = bench.load.sleepers(wanted)?;
    bench.load.settle(daemon.pid())?;
    let threads = || status_number(daemon.pid(), "Threads").map(float);
    let mut table = Table::new(
        format!("Memory of the daemon, with {made} processes more and {MANY} clients"),
        &["when", "RSS MiB", "PSS MiB", "threads"],
    );
    let mut take = |when: &str| -> Result<(f64, f64)> {
        let (rss, threads) = (float(daemon.rss_bytes()?) / MIB, threads()?);
        let pss = float(daemon.pss_bytes()?) / MIB;
        table.row([when.to_owned(), number(rss), number(pss), number(threads)]);
        Ok((rss, threads))
    };
    let (before, _) = take("before")?;
    let got = ask(bench, daemon.address(), LARGE, MANY, true)?;
    let (during, threads_during) = take("when the last of them has its answer")?;
    std::thread::sleep(Duration::from_secs(5));
    let (after, threads_after) = take("five seconds later")?;
    sleepers.end()?;
    let peak = float(memory_bytes(daemon.pid(), "status", "VmHWM")?) / MIB;
    table.notes.push(format!(
        "They asked for `{LARGE}`: {} answers a second, {} MiB a second; the slowest took {} ms. The peak since the \
         start, loading included, is {} MiB.",
        number(got.rate.round()),
        number(got.bytes_a_second / MIB),
        number(got.slowest_ms),
        number(peak),
    ));
    let mut findings = Findings::default();
    findings.figures.extend([
        Figure::at_most(
            format!("RSS after {MANY} clients of a thousand processes"),
            during,
            "MiB",
            README_MIB,
        ),
        Figure::at_most("what they added", after - before, "MiB", GROWTH_MIB),
        Figure::at_most("the same, five seconds later", after, "MiB", README_MIB),
        Figure::at_most("threads then", threads_during.max(threads_after), "", THREADS),
    ]);
    findings.data.insert(
        "http memory".to_owned(),
        json!({"during_mib": during, "after_mib": after, "peak_mib": peak, "threads": threads_during}),
    );
    findings.tables.push(table);
    Ok(findings)
}

/// A page of crashes to be listed.
fn make_incidents(bench: &Bench, daemon: &Daemon) -> Result<()> {
    const CRASHES: usize = 20;
    for n in 0..CRASHES {
        bench.load.crash(&format!("http-{n}"))?;
    }
    crate::http::wait_for("incidents", Duration::from_secs(60), || {
        (daemon.newest(CRASHES).ok()?.len() == CRASHES).then_some(())
    })
}

/// What a run of the client saw.
struct Got {
    rate: f64,
    bytes_a_second: f64,
    slowest_ms: f64,
}

fn ask(bench: &Bench, address: SocketAddr, path: &str, clients: usize, keep: bool) -> Result<Got> {
    // Many take as long until all of them are there.
    let lasts = if clients > CONNECTIONS { LASTS * 5 } else { LASTS };
    let lasts = if bench.quick { lasts / 3 } else { lasts };
    let mut command = Command::new("nice");
    command.args(["-n", "-10"]).arg(&bench.web).args([
        "load",
        &address.to_string(),
        path,
        KEY,
        &clients.to_string(),
    ]);
    command.arg(lasts.as_millis().to_string()).arg(if keep { "keep" } else { "once" });
    let text = process::output(&mut command).with_context(|| format!("{path} of {address}"))?;
    let seen: Value = serde_json::from_str(&text)?;
    let of = |name: &str| seen[name].as_f64().context("not as agreed");
    let (answers, seconds) = (of("answers")?, of("seconds")?);
    ensure!(answers > 0.0, "{path}: no answer");
    Ok(Got { rate: answers / seconds, bytes_a_second: of("bytes")? / seconds, slowest_ms: of("slowest_ms")? })
}

/// One of the servers to compare with, at the priority that the daemon gives itself: else who has the CPU on a busy
/// machine would be measured.
fn start(bench: &Bench, which: &str) -> Result<(Background, SocketAddr)> {
    let mut command = Command::new("nice");
    let mut server = Background::start(command.args(["-n", "-10"]).arg(&bench.web).arg(which))?;
    let address = server.line()?.trim().parse().context("not an address")?;
    Ok((server, address))
}
