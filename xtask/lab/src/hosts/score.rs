//! What the daemon made of a case: found or not, about whom, how often said, and what was said for nothing. Pure.

use serde::Serialize;

use super::case::Case;
use super::results::{Alert, CaseRun, Results};
use crate::model::{Incident, IncidentKind, Severity, alarms, line};

/// Programs that pass on how what they started ended: never what a fault is about.
const RELAYS: [&str; 14] = [
    "conmon",
    "containerd-shim",
    "docker-proxy",
    "crun",
    "runc",
    "tini",
    "dumb-init",
    "s6-supervise",
    "catatonit",
    "podman-init",
    "docker-init",
    "podman",
    "systemd",
    "systemd-logind",
];
const OURSELVES: &str = "ai-debugger";

/// How one case went.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Score {
    pub(super) is_fault: bool,
    pub(super) found: bool,
    /// Of the right kind, at warning or above, about another one.
    pub(super) wrong_subject: Vec<Incident>,
    /// Right ones, but for the first.
    pub(super) duplicates: Vec<Incident>,
    /// Messages above the most.
    pub(super) duplicate_alerts: usize,
    pub(super) false_alarms: Vec<Incident>,
    /// What it does not say and has to, and what it says and must not.
    pub(super) words: Vec<String>,
    /// Each thing that is wrong, in words; empty: all is as it must be.
    pub(super) problems: Vec<String>,
    /// All that was said of it.
    pub(super) said: Vec<Incident>,
}

impl Score {
    /// For comparing the ways: kinds, severities and titles, without what differs from run to run.
    pub(super) fn signature(&self) -> Vec<String> {
        let alarming = self.said.iter().filter(|it| alarms(it));
        let mut all: Vec<String> = alarming
            .map(|it| format!("{} {} {}", it.severity, it.kind, without_numbers(&it.title)))
            .collect();
        all.sort();
        all
    }
}

/// Digits, and with them what is a container's id, become `#`.
fn without_numbers(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let is_id = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit());
        if is_id { "#".to_owned() } else { digits_as_one(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn digits_as_one(word: &str) -> String {
    let mut text = String::new();
    for c in word.chars() {
        match c {
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            c => text.push(c),
        }
    }
    text
}

/// One score a case that ran, in their order; with it the incidents, each counted for one case: the one that it names,
/// however late, or else the one in whose time it came or changed.
pub(super) fn score_all(results: &Results) -> Vec<Option<Score>> {
    let said = attribute(&results.cases);
    let scores = results.cases.iter().zip(said).map(|((case, run), said)| {
        let run = run.as_ref()?;
        Some(score(case, run, said, &results.alerts))
    });
    scores.collect()
}

fn attribute(cases: &[(Case, Option<CaseRun>)]) -> Vec<Vec<Incident>> {
    let mut said: Vec<Vec<Incident>> = vec![vec![]; cases.len()];
    let mut before: &[Incident] = &[];
    for (at, (_, run)) in cases.iter().enumerate() {
        let Some(run) = run else { continue };
        for incident in run.incidents.iter().filter(|it| changed(before, it)) {
            let named = cases.iter().position(|(case, run)| names_case(incident, case, run.as_ref()));
            // What is nobody's and goes on is a false alarm once.
            let known = || said.iter().position(|said| said.iter().any(|it| it.id == incident.id));
            let owner = named.or_else(known).unwrap_or(at);
            said[owner].retain(|it| it.id != incident.id);
            said[owner].push(incident.clone());
        }
        before = &run.incidents;
    }
    said
}

fn changed(before: &[Incident], incident: &Incident) -> bool {
    let same = |it: &&Incident| it.id == incident.id;
    before.iter().find(same).is_none_or(|it| it.count != incident.count || it.severity != incident.severity)
}

fn names_case(incident: &Incident, case: &Case, run: Option<&CaseRun>) -> bool {
    let process = &incident.process;
    let own = |id: &String| run.is_some_and(|run| run.containers.iter().any(|(_, known)| known == id));
    if process.container_id.as_ref().is_some_and(own) {
        return true;
    }
    let token = case.token();
    let texts = [&process.cgroup, &process.exe, &process.unit].into_iter().flatten();
    let mut texts = texts.chain(&process.argv).chain([&incident.title]);
    texts.any(|text| has_word(text, &token))
}

/// Whether the text has it, and not as the beginning of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    text.match_indices(word).any(|(at, _)| !goes_on(&text[at + word.len()..]))
}

fn score(case: &Case, run: &CaseRun, said: Vec<Incident>, alerts: &[Alert]) -> Score {
    let expect = &case.expect;
    let mut score = Score { is_fault: case.is_fault(), ..Score::default() };
    let mut right: Vec<&Incident> = vec![];
    let mut too_quiet: Vec<&Incident> = vec![];
    for incident in &said {
        let about = is_about(case, run, incident);
        match incident.kind {
            _ if is_ourselves(incident) => score.false_alarms.push(incident.clone()),
            kind if expect.kinds.contains(&kind) && about => {
                let enough = incident.severity >= expect.severity;
                if enough { &mut right } else { &mut too_quiet }.push(incident);
            }
            kind if expect.kinds.contains(&kind) && alarms(incident) => {
                score.wrong_subject.push(incident.clone());
            }
            kind if expect.also.contains(&kind) && about => {}
            _ if alarms(incident) => score.false_alarms.push(incident.clone()),
            _ => {}
        }
    }
    score.found = !right.is_empty();
    score.duplicates = right.iter().skip(1).copied().cloned().collect();
    let told = alerts.iter().filter(|it| it.tells() && said.iter().any(|incident| it.is_about(incident)));
    let told = told.count();
    let most = if !case.is_fault() || expect.most < Severity::Warning { 0 } else { expect.alerts };
    score.duplicate_alerts = told.saturating_sub(most);
    if let Some(first) = right.first() {
        score.words = words(case, first);
        if first.severity > expect.most {
            score.problems.push(format!("too loud: {}, at most {}", first.severity, expect.most));
        }
        if told == 0 && alarms(first) {
            score.problems.push("nobody was told".to_owned());
        }
    }
    let problems = problems(case, run, &score, told, &too_quiet);
    score.problems.extend(problems);
    score.said = said;
    score
}

fn problems(case: &Case, run: &CaseRun, score: &Score, told: usize, too_quiet: &[&Incident]) -> Vec<String> {
    let mut problems = vec![];
    if run.status != 0 {
        problems.push(format!("broken: its script ended by status {}", run.status));
    }
    if case.is_fault() && !score.found {
        let kinds: Vec<&str> = case.expect.kinds.iter().map(|kind| kind.as_str()).collect();
        problems.push(format!("no {} about it", kinds.join(" or ")));
    }
    problems.extend(too_quiet.iter().filter(|_| !score.found).map(|it| format!("too quiet: {}", line(it))));
    problems.extend(score.words.iter().cloned());
    for (what, incidents) in [
        ("wrong subject", &score.wrong_subject),
        ("said twice", &score.duplicates),
        ("false alarm", &score.false_alarms),
    ] {
        problems.extend(incidents.iter().map(|it| format!("{what}: {}", line(it))));
    }
    if score.duplicate_alerts > 0 {
        problems.push(format!("{told} messages, {} too many", score.duplicate_alerts));
    }
    problems
}

/// About itself, whatever it says; but that it was killed is for it alone to say.
fn is_ourselves(incident: &Incident) -> bool {
    incident.process.name == OURSELVES && incident.kind != IncidentKind::UncleanStop
}

fn is_about(case: &Case, run: &CaseRun, incident: &Incident) -> bool {
    let process = &incident.process;
    if RELAYS.contains(&process.name.as_str()) && !names_unit_in_title(case, incident) {
        return false;
    }
    let in_container = |name: &String| {
        let is = |(known, id): &(String, String)| known == name && process.container_id.as_ref() == Some(id);
        run.containers.iter().any(is) || has_word(&incident.title, name)
    };
    let in_unit = |name: &String| process.unit.as_ref() == Some(name) || has_word(&incident.title, name);
    let (unit, container) = (&case.expect.unit, &case.expect.container);
    unit.as_ref().is_none_or(in_unit) && container.as_ref().is_none_or(in_container)
}

/// A title that begins with the unit is about the unit, whichever process it quotes.
fn names_unit_in_title(case: &Case, incident: &Incident) -> bool {
    case.expect.unit.as_ref().is_some_and(|unit| {
        let subject = incident.title.split_once(": ").map_or(incident.title.as_str(), |(_, rest)| rest);
        subject.starts_with(unit.as_str())
    })
}

/// What the incident does not say and has to, and what it says and must not; of a container its name.
fn words(case: &Case, incident: &Incident) -> Vec<String> {
    let verdict = &incident.verdict;
    let findings = incident.findings.iter().map(|it| it.summary.as_str());
    let facts = incident.facts.iter().map(|it| it.text.as_str());
    let texts = [incident.title.as_str(), verdict.summary.as_str(), verdict.probable_cause.as_str()];
    let all: Vec<&str> = texts.into_iter().chain(findings).chain(facts).collect();
    let all = all.join("\n").to_lowercase();
    // A case's own name proves nothing: `lab-watchdog.service` does not say that a watchdog expired.
    let own = all.replace(&case.token(), "");
    // But where its name is what has to be said.
    let has = |word: &str| if word.contains(&case.token()) { all.contains(word) } else { own.contains(word) };
    let says = |words: &&String| words.to_lowercase().split('|').any(has);
    let expect = &case.expect;
    let unnamed = expect.container.iter().filter(|name| !all.contains(name.as_str()));
    let missing = unnamed.chain(expect.says.iter().filter(|it| !says(it)));
    let missing = missing.map(|it| format!("does not say `{it}`"));
    missing.chain(expect.says_not.iter().filter(says).map(|it| format!("says `{it}`"))).collect()
}

#[cfg(test)]
mod tests;
