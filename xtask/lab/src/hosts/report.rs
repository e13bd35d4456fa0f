//! What a run says at its end: each way with its counts, each case that failed with what was there instead, and each bar.

use std::collections::BTreeSet;

use serde_json::json;

use super::case::Way;
use super::results::Results;
use super::score::{Score, score_all};
use crate::model::line;
use crate::report::{Figure, Findings, Table, number};

/// Lines of a case that are shown.
const LINES: usize = 8;

/// One way with its scores, in the order of its cases.
pub(super) struct Judged {
    way: Way,
    results: Results,
    scores: Vec<Option<Score>>,
}

impl Judged {
    pub(super) fn new(way: Way, results: Results) -> Self {
        let scores = score_all(&results);
        Self { way, results, scores }
    }

    fn count(&self, of: impl Fn(&Score) -> usize) -> usize {
        self.scores.iter().flatten().map(of).sum()
    }

    /// Cases that did not run to their end, or did not do what they are for.
    fn broken(&self) -> usize {
        let runs = self.results.cases.iter();
        runs.filter(|(_, run)| run.as_ref().is_none_or(|run| run.status != 0)).count()
    }
}

pub(super) fn findings(ways: &[Judged]) -> Findings {
    let mut findings = Findings { figures: figures(ways), ..Findings::default() };
    findings.tables = vec![by_way(ways), failed(ways), differences(ways)];
    findings.tables.retain(|table| !table.rows.is_empty());
    for it in ways {
        let cases = it.results.cases.iter().zip(&it.scores);
        let data = cases.map(|((case, _), score)| json!({"name": case.name, "score": score}));
        findings.data.insert(it.way.to_string(), data.collect());
    }
    findings
}

fn figures(ways: &[Judged]) -> Vec<Figure> {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let mut figures = vec![];
    for it in ways {
        let expected = it.count(|score| usize::from(score.is_fault));
        let found = it.count(|score| usize::from(score.found));
        if expected > 0 {
            let name = format!("{}: recall, right subject", it.way);
            figures.push(Figure::at_least(name, 100.0 * float(found) / float(expected), "%", 100));
        }
        for (what, count) in [
            ("wrong subject", it.count(|score| score.wrong_subject.len())),
            ("not said as it must be", it.count(|score| score.words.len())),
            ("incidents said twice", it.count(|score| score.duplicates.len())),
            ("messages too many", it.count(|score| score.duplicate_alerts)),
            ("false alarms", it.count(|score| score.false_alarms.len())),
            ("cases with another problem", other_problems(it)),
            ("cases that are broken", it.broken()),
        ] {
            figures.push(Figure::at_most(format!("{}: {what}", it.way), float(count), "", 0));
        }
    }
    if ways.len() > 1 {
        let differ = different(ways).len();
        figures.push(Figure::at_most("cases that differ between the ways", float(differ), "", 0));
    }
    figures
}

/// Those whose only problem is counted nowhere else: told to nobody, or too loud.
fn other_problems(it: &Judged) -> usize {
    it.count(|score| {
        let counted = score.wrong_subject.len()
            + score.words.len()
            + score.duplicates.len()
            + score.duplicate_alerts
            + score.false_alarms.len()
            + usize::from(score.is_fault && !score.found);
        usize::from(counted == 0 && !score.problems.is_empty())
    })
}

fn by_way(ways: &[Judged]) -> Table {
    let header = [
        "way",
        "cases",
        "all right",
        "faults",
        "found",
        "wrong subject",
        "not said",
        "said twice",
        "messages too many",
        "false alarms",
        "broken",
        "start s",
        "start CPU s",
    ];
    let mut table = Table::new("By way of running", &header);
    for it in ways {
        let start = it.results.start.as_ref();
        table.row([
            it.way.to_string(),
            it.results.cases.len().to_string(),
            it.count(|score| usize::from(score.problems.is_empty())).to_string(),
            it.count(|score| usize::from(score.is_fault)).to_string(),
            it.count(|score| usize::from(score.found)).to_string(),
            it.count(|score| score.wrong_subject.len()).to_string(),
            it.count(|score| score.words.len()).to_string(),
            it.count(|score| score.duplicates.len()).to_string(),
            it.count(|score| score.duplicate_alerts).to_string(),
            it.count(|score| score.false_alarms.len()).to_string(),
            it.broken().to_string(),
            number(start.map_or(f64::NAN, |it| it.took_s)),
            number(start.map_or(f64::NAN, |it| it.cpu_s)),
        ]);
    }
    table.notes.push(
        "Found: an incident of the right kind, at least as severe as it must be, about the right unit or container. Not \
         said: words that an incident must have and has not, or has and must not. The start is in the guest's seconds \
         of an emulated CPU, from the process's start to its first answer."
            .to_owned(),
    );
    for it in ways {
        if let Some(why) = &it.results.failed {
            table.notes.push(format!("{}: the guest gave up: {why}", it.way));
        }
    }
    table
}

fn failed(ways: &[Judged]) -> Table {
    let mut table = Table::new("Cases that failed", &["way", "case", "what it is", "what was there instead"]);
    for it in ways {
        for ((case, _), score) in it.results.cases.iter().zip(&it.scores) {
            let came = match score {
                None => "broken: it did not run to its end".to_owned(),
                Some(score) if score.problems.is_empty() => continue,
                Some(score) => instead(score),
            };
            table.row([it.way.to_string(), case.name.clone(), case.about.clone(), came]);
        }
    }
    table
}

/// The problems; where it was missed, also what else was said.
fn instead(score: &Score) -> String {
    let mut lines = score.problems.clone();
    if score.is_fault && !score.found {
        let others: BTreeSet<String> = score.said.iter().map(line).collect();
        let new = others.into_iter().filter(|other| !score.problems.iter().any(|it| it.contains(other)));
        let new: Vec<String> = new.map(|it| format!("there was: {it}")).collect();
        lines.extend(if score.said.is_empty() { vec!["there was nothing".to_owned()] } else { new });
    }
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("; ")
}

/// Names of the cases of which not all ways say the same.
fn different(ways: &[Judged]) -> Vec<(String, Vec<Vec<String>>)> {
    let mut found = vec![];
    let Some(first) = ways.first() else { return found };
    for (at, (case, _)) in first.results.cases.iter().enumerate() {
        let said = ways.iter().map(|it| it.scores.get(at).and_then(Option::as_ref).map(Score::signature));
        let said: Vec<Vec<String>> = said.map(Option::unwrap_or_default).collect();
        if said.iter().any(|it| *it != said[0]) {
            found.push((case.name.clone(), said));
        }
    }
    found
}

fn differences(ways: &[Judged]) -> Table {
    let mut table = Table::new("Cases that differ between the ways", &["case", "way", "at warning or above"]);
    for (name, said) in different(ways) {
        for (it, said) in ways.iter().zip(said) {
            let said = if said.is_empty() { "nothing".to_owned() } else { said.join("; ") };
            table.row([name.clone(), it.way.to_string(), said]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::case::Case;
    use crate::hosts::results::CaseRun;
    use crate::model::{IncidentKind, Severity, sample};

    fn judged(way: Way, title: &str) -> Judged {
        let mut incident = sample("1", IncidentKind::Crash);
        incident.severity = Severity::Warning;
        incident.title = title.to_owned();
        let run = CaseRun { incidents: vec![incident], ..CaseRun::default() };
        let fault = Case::sample("kinds = ['crash']\nunit = 'lab-sample.service'");
        let quiet = Case { name: "noise/lost".into(), ..Case::sample("") };
        let results = Results { cases: vec![(fault, Some(run)), (quiet, None)], ..Results::default() };
        Judged::new(way, results)
    }

    #[test]
    fn what_failed_is_counted_and_told() {
        let right = judged(Way::Unit, "Crash: x (pid 7) in lab-sample.service");
        let wrong = judged(Way::Root, "Crash: x (pid 8) in other.service");
        let findings = findings(&[right, wrong]);
        let figure = |name: &str| findings.figures.iter().find(|it| it.name == name).unwrap().measured;
        assert_eq!(figure("unit: recall, right subject"), 100.0);
        assert_eq!(figure("root: recall, right subject"), 0.0);
        assert_eq!(figure("root: wrong subject"), 1.0);
        assert_eq!(figure("unit: cases that are broken"), 1.0);
        // Nobody was told of the right one.
        assert_eq!(figure("unit: cases with another problem"), 1.0);
        assert_eq!(figure("cases that differ between the ways"), 1.0);
        let failed = &findings.tables[1];
        let cells: Vec<(&str, &str)> = failed.rows.iter().map(|row| (&*row[0], &*row[1])).collect();
        assert_eq!(
            cells,
            [
                ("unit", "unit/sample"),
                ("unit", "noise/lost"),
                ("root", "unit/sample"),
                ("root", "noise/lost")
            ]
        );
        assert_eq!(failed.rows[0][3], "nobody was told");
        assert!(failed.rows[2][3].starts_with("no crash about it; wrong subject: warning crash: Crash: x"));
    }
}
