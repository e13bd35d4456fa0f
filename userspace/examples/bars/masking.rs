//! What masking costs: the same functions on the same material, over and over, each run timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ai_debugger::analyst::prompt::{DEFAULT_TOKENS, prompt};
use ai_debugger::kinds::case::Case;
use ai_debugger::model::{EvidenceFile, IncidentKind};
use ai_debugger::redact::{self, records};
use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;

use crate::cases;

/// At the most, and only while there is time: a build for tests is a hundred times slower.
const TIMES: usize = 2_000;
const TIME: Duration = Duration::from_secs(4);

/// Prints a line of JSON for each.
pub(crate) fn measure() -> Result<()> {
    let short = ["nginx", "-g", "daemon off;"].map(str::to_owned);
    let long = long_argv();
    let case = case()?;
    let masked = records::masked(case.clone());
    time("argv of 3 arguments", || drop(black_box(redact::argv(&short))));
    time("argv of 40 arguments, 3 secrets", || drop(black_box(redact::argv(&long))));
    let files: usize = case.file.evidence.iter().map(|it| it.body.len()).sum();
    let name = format!("case before it is stored, {} KiB of files", files / 1024);
    time(&name, || drop(black_box(records::masked(case.clone()))));
    time("prompt of that case, put together and masked again", || {
        drop(black_box(prompt(&masked.file, DEFAULT_TOKENS)));
    });
    Ok(())
}

fn long_argv() -> Vec<String> {
    let mut argv: Vec<String> = (0..37).map(|n| format!("--option-{n}=/srv/app/{n}/data.json")).collect();
    argv.extend(
        ["--password=hunter2-plain", "postgres://bob:tr0ub4dor@db/x", "TOKEN=q7ZtR2mX9cVb4LwK"]
            .map(str::to_owned),
    );
    argv
}

/// With frozen files as they are of a living process: this one's own.
fn case() -> Result<Case> {
    let mut case = cases::case(IncidentKind::Crash, Timestamp::now())?;
    case.file.process.argv = long_argv();
    case.file.evidence = Vec::new();
    for name in ["status", "limits", "maps", "environ", "smaps_rollup", "io", "stat"] {
        case.file.evidence.push(EvidenceFile {
            name: name.to_owned(),
            source: format!("proc:{name}"),
            taken_at: Timestamp::now(),
            body: std::fs::read(format!("/proc/self/{name}"))?,
            truncated: false,
        });
    }
    Ok(case)
}

fn time(what: &str, mut act: impl FnMut()) {
    let start = Instant::now();
    let mut took_us: Vec<f64> = (0..TIMES)
        .take_while(|_| start.elapsed() < TIME)
        .map(|_| {
            let began = Instant::now();
            act();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    took_us.sort_by(f64::total_cmp);
    let times = took_us.len();
    let (median_us, p99_us) = (took_us[times / 2], took_us[times * 99 / 100]);
    println!("{}", json!({"what": what, "times": times, "median_us": median_us, "p99_us": p99_us}));
}
