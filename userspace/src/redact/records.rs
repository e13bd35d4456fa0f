//! Whole records without their secrets: what is stored and served unless the operator wants it raw. Where there is
//! no secret a record stays byte for byte what it was.

use super::{Censor, Tally};
use crate::kinds::part::Part as _;
use crate::model::{
    Case, CaseFile, EvidenceFile, Fact, Finding, Incident, ProcessInfo, ProcessView, Verdict,
};

/// A case as it may be stored. Its file says how much was masked.
pub fn case(mut case: Case) -> Case {
    let mut censor = Censor::new(&case.file.process.argv);
    // One that was cut may end in half a secret, which only the whole one tells.
    censor.keep(&mut case.title);
    mask_file(&mut censor, &mut case.file);
    case
}

/// A case file as it may be shown.
pub fn file(mut file: CaseFile) -> CaseFile {
    let mut censor = Censor::new(&file.process.argv);
    mask_file(&mut censor, &mut file);
    file
}

/// A live or ended process as it may be shown.
pub fn view(mut view: ProcessView) -> ProcessView {
    let mut censor = Censor::new(&view.info.argv);
    mask_process(&mut censor, &mut view.info);
    if let Some(exit) = &mut view.exit {
        censor.keep(&mut exit.parent_name);
    }
    view
}

/// An incident as it may be shown: one that was stored raw has its secrets yet.
pub fn incident(mut incident: Incident) -> Incident {
    let mut censor = Censor::new(&incident.process.argv);
    let it = &mut incident;
    it.related.iter_mut().map(|it| &mut it.title).chain([&mut it.title]).for_each(|title| censor.keep(title));
    mask_process(&mut censor, &mut it.process);
    it.facts.iter_mut().for_each(|fact| fact.each_text(&mut |text| censor.keep(text)));
    it.findings.iter_mut().for_each(|finding| censor.keep(&mut finding.summary));
    it.completeness.missing.iter_mut().for_each(|missing| censor.keep(missing));
    it.related.iter_mut().for_each(|related| censor.keep(&mut related.title));
    mask_verdict(&mut censor, &mut it.verdict);
    incident
}

/// A frozen file of the process with these arguments, as it may be shown.
pub fn evidence(mut file: EvidenceFile, argv: &[String]) -> EvidenceFile {
    mask_evidence(&mut Censor::new(argv), &mut file);
    file
}

fn mask_file(censor: &mut Censor, file: &mut CaseFile) {
    mask_process(censor, &mut file.process);
    for Fact { id: _, data, source, at: _ } in &mut file.facts {
        data.each_name(&mut |name| censor.keep(name.raw_mut()));
        censor.keep(source);
    }
    for Finding { kind: _, severity: _, facts: _, summary } in &mut file.findings {
        summary.each_name(&mut |name| censor.keep(name.raw_mut()));
    }
    file.completeness.missing.iter_mut().for_each(|missing| censor.keep(missing));
    file.evidence.iter_mut().for_each(|file| mask_evidence(censor, file));
    add(&mut file.completeness.masked, censor.tally());
}

/// Adds to the counts of a case file.
fn add(masked: &mut std::collections::BTreeMap<String, u64>, tally: &Tally) {
    for (rule, count) in tally {
        *masked.entry(rule.as_str().to_owned()).or_default() += count;
    }
}

fn mask_process(censor: &mut Censor, process: &mut ProcessInfo) {
    censor.keep_argv(&mut process.argv);
    censor.keep(&mut process.name);
    let places = process.exe.iter_mut().chain(&mut process.cgroup).chain(&mut process.unit);
    places.for_each(|text| censor.keep(text));
}

fn mask_verdict(censor: &mut Censor, verdict: &mut Verdict) {
    [&mut verdict.summary, &mut verdict.probable_cause]
        .into_iter()
        .chain(verdict.note.as_mut())
        .for_each(|text| censor.keep(text));
    verdict.hypotheses.iter_mut().for_each(|it| censor.keep(&mut it.cause));
    verdict
        .next_steps
        .iter_mut()
        .flat_map(|step| [&mut step.why, &mut step.command])
        .for_each(|text| censor.keep(text));
}

/// Files in which the kernel writes numbers, its own words and its own symbols only (proc_pid_io(5),
/// proc_pid_limits(5), proc_pid_stack(5), kernel Documentation/admin-guide/cgroup-v2.rst): most of a case's bytes,
/// and searching takes time for each.
const NUMBERS: [&str; 9] =
    ["statm", "schedstat", "io", "limits", "oom_score", "oom_score_adj", "wchan", "syscall", "stack"];

fn mask_evidence(censor: &mut Censor, file: &mut EvidenceFile) {
    match file.name.as_str() {
        name if NUMBERS.contains(&name) || name.starts_with("cgroup.memory.") => {}
        "environ" => file.body = censor.environ(&file.body),
        "cmdline" => mask_cmdline(censor, &mut file.body),
        _ => censor.keep_lines(&mut file.body, file.truncated),
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
