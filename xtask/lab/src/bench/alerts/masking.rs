//! What masking costs: each argv that is kept of an exec, each case that is stored, each prompt. Timed in a process
//! of its own, by the code that the daemon runs.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::process;

use super::super::Bench;
use crate::report::{Findings, Table, number};

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let text = process::output(Command::new(&bench.bars).arg("masking"))?;
    let mut table = Table::new("Masking", &["what", "times", "median µs", "99 % µs"]);
    let mut findings = Findings::default();
    for line in text.lines() {
        let it: Value = serde_json::from_str(line)?;
        let what = it["what"].as_str().context("a line without a name")?;
        let us = |key: &str| it[key].as_f64().unwrap_or(f64::NAN);
        let times = it["times"].to_string();
        table.row([what.to_owned(), times, number(us("median_us")), number(us("p99_us"))]);
        findings.data.insert(format!("masking_us_{what}"), us("median_us").into());
    }
    table.notes.push(
        "Time of one thread. The daemon masks no event on its way: an argv when somebody looks at the process, a case \
         when it is stored, once for each incident or occurrence, and again what leaves for a receiver or a model."
            .to_owned(),
    );
    findings.tables.push(table);
    Ok(findings)
}
