//! What an event costs in the kernel, by the kernel's own run-time statistics of the daemon's programs.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::events::Events;
use super::{Bench, float, values};
use crate::report::{Figure, Findings, Table, number};
use crate::stats::median;

/// Processes of one round.
const SPAWNS: u64 = 20_000;
/// What the bar is about; other programs run so seldom that nobody notices them.
const HOOKS: [&str; 2] = ["sched_process_exec", "sched_process_exit"];

/// How often a program ran and how long, all runs together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Runs {
    count: u64,
    ns: u64,
}

/// One program in one round.
struct Round {
    runs: f64,
    us_per_run: f64,
    us_per_event: f64,
}

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let mut rounds: BTreeMap<String, Vec<Round>> = BTreeMap::new();
    // Ends the statistics with this part: the kernel counts them only while somebody holds them on.
    let _statistics = bench.start_statistics()?;
    let daemon = bench.start_daemon()?;
    for _ in 0..bench.rounds {
        let (events_before, before) = (Events::caught_up(&daemon)?, programs(daemon.pid())?);
        bench.load.storm(bench.scaled(SPAWNS), 1, "mark-kernel")?;
        let (events, after) = (Events::caught_up(&daemon)?.since(events_before), programs(daemon.pid())?);
        for (hook, after) in after {
            let before = before.get(&hook).copied().unwrap_or_default();
            let (runs, us) = (float(after.count - before.count), float(after.ns - before.ns) / 1000.0);
            let sent = match hook.as_str() {
                "sched_process_exec" => events.execs,
                "sched_process_exit" => events.exits,
                _ => f64::NAN,
            };
            if runs > 0.0 {
                rounds.entry(hook).or_default().push(Round {
                    runs,
                    us_per_run: us / runs,
                    us_per_event: us / sent,
                });
            }
        }
    }
    let findings = findings(&rounds);
    ensure!(findings.figures.len() == HOOKS.len(), "the daemon's programs were not found in its fdinfo");
    Ok(findings)
}

fn findings(rounds: &BTreeMap<String, Vec<Round>>) -> Findings {
    let mut findings = Findings::default();
    let header = ["hook", "µs an event, median", "µs a run, median", "runs a round"];
    let mut table = Table::new("Kernel cost", &header);
    for (hook, rounds) in rounds {
        let of = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
        let (per_event, per_run) = (of(|it| it.us_per_event), of(|it| it.us_per_run));
        let runs = number(median(&of(|it| it.runs)));
        table.row([hook.clone(), number(median(&per_event)), number(median(&per_run)), runs]);
        if HOOKS.contains(&hook.as_str()) {
            let name = format!("kernel cost of an event, {hook}");
            findings.figures.push(Figure::at_most(name, median(&per_event), "µs", 1.5));
        }
        findings.data.insert(format!("kernel_us_per_event_{hook}"), values(&per_event));
        findings.data.insert(format!("kernel_us_per_run_{hook}"), values(&per_run));
    }
    table.notes.push(
        "From `run_time_ns` and `run_cnt` of the programs. The exit hook runs at the end of every thread of the \
         host and sends an event only at a process's end: an event bears the cost of those runs, too."
            .to_owned(),
    );
    findings.tables.push(table);
    findings
}

/// The daemon's programs by the tracepoint they are attached to.
fn programs(pid: u32) -> Result<BTreeMap<String, Runs>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).context("the daemon is gone")? {
        // A descriptor that was closed meanwhile was not a program's.
        texts.extend(entry.ok().and_then(|it| fs::read_to_string(it.path()).ok()));
    }
    Ok(by_hook(&texts))
}

/// Joins the links (which hook, which program) with the programs (which program, how often).
fn by_hook(fdinfo: &[String]) -> BTreeMap<String, Runs> {
    let field = |text: &str, name: &str| -> Option<String> {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
    };
    let number = |text: &str, name: &str| field(text, name).and_then(|it| it.parse().ok());
    let runs: BTreeMap<String, Runs> = fdinfo
        .iter()
        .filter_map(|text| {
            let runs = Runs { count: number(text, "run_cnt")?, ns: number(text, "run_time_ns")? };
            Some((field(text, "prog_id")?, runs))
        })
        .collect();
    let links = fdinfo.iter().filter_map(|text| {
        let hook = field(text, "tp_name")?;
        Some((hook, *runs.get(&field(text, "prog_id")?)?))
    });
    links.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_name_the_hooks_of_programs() {
        let fdinfo = [
            "pos:\t0\nflags:\t02000002\n",
            "link_type:\traw_tracepoint\nlink_id:\t3\nprog_tag:\tab\nprog_id:\t21\ntp_name:\tsched_process_exec\n",
            "prog_type:\t26\nprog_id:\t21\nrun_time_ns:\t2600\nrun_cnt:\t2\n",
            "prog_type:\t26\nprog_id:\t22\nrun_time_ns:\t9\nrun_cnt:\t1\n",
            "link_type:\traw_tracepoint\nprog_id:\t23\ntp_name:\tmark_victim\n",
        ]
        .map(str::to_owned);
        let want = BTreeMap::from([("sched_process_exec".to_owned(), Runs { count: 2, ns: 2600 })]);
        assert_eq!(by_hook(&fdinfo), want);
    }
}
