//! What the evaluation says at its end: recall, precision and time to detect for each kind, every miss and every
//! false alarm with what raised it, and each bar with whether it is reached.

use serde_json::{Value, json};

use super::case::{Case, Kind, Role, is_event};
use super::incident::SeenIncident;
use super::score::{Outcome, Score, belongs};
use super::windows::{SCAN_INTERVAL, Windows};
use crate::model::{Incident, line};
use crate::report::{Figure, Findings, Table, number};
use crate::stats::{max, median};

/// Incidents elsewhere on the host that are shown.
const ELSEWHERE: usize = 12;

/// One case that was run.
pub(super) struct Played {
    pub(super) case: Case,
    pub(super) outcome: Outcome,
    pub(super) score: Score,
}

/// One that was not, and why.
pub(super) struct Skipped {
    pub(super) case: Case,
    pub(super) why: String,
}

/// Everything of a run.
pub(super) struct Results<'a> {
    pub(super) played: &'a [Played],
    pub(super) skipped: &'a [Skipped],
    pub(super) windows: &'a Windows,
    /// All incidents there were.
    pub(super) seen: &'a [SeenIncident],
}

/// What the cases of one kind come to.
#[derive(Debug, PartialEq)]
struct Row {
    kind: Kind,
    faults: usize,
    /// With an incident of this kind, whoever it names.
    noticed: usize,
    /// With an incident of this kind that names the right process.
    found: usize,
    delays_s: Vec<f64>,
    /// Incidents of this kind that are right, and all that are not companions.
    right: usize,
    raised: usize,
    near_misses: usize,
    /// Raised by this kind's near misses, of whatever kind.
    false_alarms: usize,
}

pub(super) fn findings(results: &Results<'_>) -> Findings {
    let rows: Vec<Row> = Kind::ALL.into_iter().filter_map(|kind| row(kind, results.played)).collect();
    let mut findings = Findings { figures: figures(&rows, results), ..Findings::default() };
    findings.tables.push(by_kind(&rows, results.windows));
    let optional =
        [noise(results), missed(results), false_alarms(results), not_run(results), elsewhere(results)];
    findings.tables.extend(optional.into_iter().filter(|table| !table.rows.is_empty()));
    findings.data.insert("cases".to_owned(), results.played.iter().map(case_data).collect());
    findings.data.insert("windows".to_owned(), json!(results.windows.given));
    findings
}

fn row(kind: Kind, played: &[Played]) -> Option<Row> {
    let of_kind: Vec<&Played> =
        played.iter().filter(|it| it.case.kind() == Some(kind) && it.outcome.broken.is_none()).collect();
    if of_kind.is_empty() {
        return None;
    }
    let (faults, near): (Vec<&Played>, Vec<&Played>) = of_kind.iter().partition(|it| it.case.is_fault());
    let is = |it: &&Incident| it.kind == kind;
    let right = faults.iter().map(|it| it.score.right.len()).sum();
    let wrong = |it: &Played| it.score.wrong_process.iter().chain(&it.score.false_alarms).filter(is).count();
    Some(Row {
        kind,
        faults: faults.len(),
        noticed: faults
            .iter()
            .filter(|it| {
                let score = &it.score;
                [&score.right, &score.wrong_process, &score.too_quiet].iter().any(|them| !them.is_empty())
            })
            .count(),
        found: faults.iter().filter(|it| it.score.delay_s.is_some()).count(),
        // Seen before the program could tell that it is real.
        delays_s: faults.iter().filter_map(|it| it.score.delay_s).map(|it| it.max(0.0)).collect(),
        right,
        raised: right + played.iter().map(wrong).sum::<usize>(),
        near_misses: near.len(),
        false_alarms: near.iter().map(|it| it.score.false_alarms.len()).sum(),
    })
}

impl Row {
    /// NaN of nothing, which reaches no bar.
    fn recall_percent(&self) -> f64 {
        percent(self.found, self.faults)
    }

    fn precision_percent(&self) -> f64 {
        percent(self.right, self.raised)
    }

    fn bar_s(&self) -> f64 {
        if is_event(self.kind) { 1.0 } else { 2.0 * SCAN_INTERVAL.as_secs_f64() }
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let float = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { f64::NAN } else { 100.0 * float(part) / float(whole) }
}

fn figures(rows: &[Row], results: &Results<'_>) -> Vec<Figure> {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let mut figures = Vec::new();
    for row in rows.iter().filter(|row| row.faults > 0) {
        let name = |what: &str| format!("{}: {what}", row.kind);
        figures.push(Figure::at_least(name("recall, right process"), row.recall_percent(), "%", 100));
        figures.push(Figure::at_most(
            name("time to detect, median"),
            median(&row.delays_s),
            "s",
            row.bar_s(),
        ));
    }
    let alarms = |roles: fn(&Role) -> bool| {
        let of = results.played.iter().filter(|it| roles(&it.case.role));
        count(of.map(|it| it.score.false_alarms.len()).sum())
    };
    let any = |roles: fn(&Role) -> bool| results.played.iter().any(|it| roles(&it.case.role));
    for (what, roles) in [
        ("false incidents during faults", (|it| matches!(it, Role::Fault(_))) as fn(&Role) -> bool),
        ("false incidents on near misses", |it| matches!(it, Role::NearMiss(_))),
        ("false incidents on noise", |it| matches!(it, Role::Noise | Role::Idle)),
    ] {
        if any(roles) {
            figures.push(Figure::at_most(what, alarms(roles), "", 0));
        }
    }
    let broken = results.played.iter().filter(|it| it.outcome.broken.is_some()).count();
    figures.push(Figure::at_most("cases that did not do what they are for", count(broken), "", 0));
    figures
}

fn by_kind(rows: &[Row], windows: &Windows) -> Table {
    let header = [
        "kind",
        "faults",
        "noticed",
        "right process",
        "recall %",
        "precision %",
        "median s",
        "max s",
        "near misses",
        "false alarms",
    ];
    let mut table = Table::new("By kind", &header);
    for row in rows {
        table.row([
            row.kind.to_string(),
            row.faults.to_string(),
            row.noticed.to_string(),
            row.found.to_string(),
            number(row.recall_percent()),
            number(row.precision_percent()),
            number(median(&row.delays_s)),
            number(max(&row.delays_s)),
            row.near_misses.to_string(),
            row.false_alarms.to_string(),
        ]);
    }
    table.notes.push(
        "Recall: faults with an incident of their kind, at warning or critical, that names the right process. \
         False is what is raised at warning or above. Precision: of all incidents of a kind, in all cases, those that are right; what tells \
         another truth about the same fault (the crash behind a crash loop) counts neither way. Time to detect: \
         from the moment the fault is real, as its program tells it, to the incident's first showing over HTTP, \
         looked at every 50 ms; of a state that must last, from the end of that time."
            .to_owned(),
    );
    let given: Vec<String> =
        windows.given.iter().map(|(flag, value)| format!("`--{flag} {value}`")).collect();
    table.notes.push(format!("Detection windows: {}.", given.join(", ")));
    if !windows.unknown.is_empty() {
        table.notes.push(format!("This daemon has no {}.", windows.unknown.join(", ")));
    }
    table
}

fn noise(results: &Results<'_>) -> Table {
    let mut table = Table::new("Noise", &["what", "seconds", "false alarms"]);
    for it in results.played.iter().filter(|it| matches!(it.case.role, Role::Noise | Role::Idle)) {
        table.row([
            format!("{}: {}", it.case.name, it.case.about),
            number(it.outcome.ended_s - it.outcome.started_s),
            it.score.false_alarms.len().to_string(),
        ]);
    }
    table
}

fn missed(results: &Results<'_>) -> Table {
    let mut table = Table::new("Missed faults", &["case", "what it is", "what came instead"]);
    let missed =
        |it: &&Played| it.case.is_fault() && it.outcome.broken.is_none() && it.score.delay_s.is_none();
    for it in results.played.iter().filter(missed) {
        let score = &it.score;
        let others: Vec<String> =
            [&score.too_quiet, &score.wrong_process, &score.companions, &score.false_alarms]
                .into_iter()
                .flatten()
                .map(line)
                .collect();
        let came = if others.is_empty() { "nothing".to_owned() } else { others.join("; ") };
        table.row([it.case.name.to_owned(), it.case.about.to_owned(), came]);
    }
    table
}

fn false_alarms(results: &Results<'_>) -> Table {
    let mut table = Table::new("False alarms", &["case", "what it is", "what was raised"]);
    for it in results.played {
        let wrong = it.score.wrong_process.iter().map(|it| format!("wrong process: {}", line(it)));
        for line in it.score.false_alarms.iter().map(line).chain(wrong) {
            table.row([it.case.name.to_owned(), it.case.about.to_owned(), line]);
        }
    }
    table
}

fn not_run(results: &Results<'_>) -> Table {
    let mut table = Table::new("Not run, or broken", &["case", "why"]);
    for it in results.skipped {
        table.row([it.case.name.to_owned(), format!("skipped: {}", it.why)]);
    }
    for it in results.played {
        if let Some(why) = &it.outcome.broken {
            table.row([it.case.name.to_owned(), format!("broken: {why}")]);
        }
    }
    table
}

/// What belongs to no case: the host's own, or a case's that could not be told to be.
fn elsewhere(results: &Results<'_>) -> Table {
    let mut table =
        Table::new("Elsewhere on the host meanwhile, counted only while idle", &["incident", "cgroup"]);
    let of_no_case = |it: &&SeenIncident| {
        let others =
            |played: &Played| played.case.role == Role::Idle || !belongs(&played.outcome, &it.incident);
        it.alarmed_at.is_some() && results.played.iter().all(others)
    };
    let all: Vec<&SeenIncident> = results.seen.iter().filter(of_no_case).collect();
    for it in all.iter().take(ELSEWHERE) {
        table.row([
            line(&it.incident),
            it.incident.process.cgroup.clone().unwrap_or_else(|| "unknown".to_owned()),
        ]);
    }
    if all.len() > ELSEWHERE {
        table.notes.push(format!("and {} more", all.len() - ELSEWHERE));
    }
    table
}

fn case_data(it: &Played) -> Value {
    json!({
        "name": it.case.name,
        "about": it.case.about,
        "role": match it.case.role {
            Role::Fault(_) => "fault",
            Role::NearMiss(_) => "near_miss",
            Role::Noise | Role::Idle => "noise",
        },
        "kind": it.case.kind(),
        "outcome": it.outcome,
        "score": it.score,
    })
}

#[cfg(test)]
mod tests;
