//! Whole records without their secrets: what is stored and served unless the operator wants it raw. Where there is
//! no secret a record stays byte for byte what it was.

use std::collections::BTreeMap;

use super::censor::Censor;
use super::rule::Tally;
use crate::model::{EvidenceFile, Maskable, Written};

/// A record as it may be stored and shown. A case says how much was masked in it.
pub fn masked<T: Maskable>(mut record: T) -> T {
    let mut censor = Censor::new(record.argv());
    record.each_written(&mut |written| match written {
        // One that was cut may end in half a secret, which only the whole one tells.
        Written::Text(text) => censor.keep(text),
        Written::Arguments(argv) => censor.keep_argv(argv),
        Written::File(file) => mask_file(&mut censor, file),
    });
    if let Some(completeness) = record.completeness() {
        add(&mut completeness.masked, censor.tally());
    }
    record
}

/// A frozen file of the process with these arguments, as it may be shown.
pub fn evidence(mut file: EvidenceFile, argv: &[String]) -> EvidenceFile {
    mask_file(&mut Censor::new(argv), &mut file);
    file
}

/// Adds to the counts of a case file.
fn add(masked: &mut BTreeMap<String, u64>, tally: &Tally) {
    for (rule, count) in tally {
        *masked.entry(rule.as_str().to_owned()).or_default() += count;
    }
}

/// Files in which the kernel writes numbers, its own words and its own symbols only (proc_pid_io(5),
/// proc_pid_limits(5), proc_pid_stack(5), kernel Documentation/admin-guide/cgroup-v2.rst): most of a case's bytes,
/// and searching takes time for each.
const NUMBERS: [&str; 9] =
    ["statm", "schedstat", "io", "limits", "oom_score", "oom_score_adj", "wchan", "syscall", "stack"];

fn mask_file(censor: &mut Censor, file: &mut EvidenceFile) {
    // Where it was read is our own words.
    let EvidenceFile { name, source: _, taken_at: _, body, truncated } = file;
    match name.as_str() {
        name if NUMBERS.contains(&name) || name.starts_with("cgroup.memory.") => {}
        "environ" => *body = censor.environ(body),
        "cmdline" => mask_cmdline(censor, body),
        _ => censor.keep_lines(body, *truncated),
    }
}

/// Arguments, each ended by NUL (proc_pid_cmdline(5)).
fn mask_cmdline(censor: &mut Censor, body: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(body);
    let ended = text.ends_with('\0');
    let mut argv: Vec<String> =
        text.strip_suffix('\0').unwrap_or(&text).split('\0').map(str::to_owned).collect();
    let before = argv.clone();
    censor.keep_argv(&mut argv);
    if argv != before {
        let end = if ended { "\0" } else { "" };
        *body = format!("{}{end}", argv.join("\0")).into_bytes();
    }
}

#[cfg(test)]
mod tests;
