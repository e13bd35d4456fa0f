//! From the kernel to Slack: real faults of four kinds by the real daemon in three moods of the model, and secrets
//! planted in one of them, looked for in every byte that leaves and that is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::Bench;
use super::faults::Faults;
use super::matrix::Cell;
use super::subject::{BenchedDaemon, settled};
use crate::model::IncidentKind::{self, Crash, FdExhaustion, OomKill, SuspiciousExec};
use crate::model::{Incident, Severity};
use crate::peers::{Message, Mood, Receivers, Service, messages};
use crate::report::{Figure, Findings, Table};
use crate::workspace::empty_dir;

/// Slack takes a message a second, and the model one question at a time: what comes at once waits for each other,
/// which is another bar.
const APART: Duration = Duration::from_secs(2);
/// Longest wait for all alerts.
const PATIENCE: Duration = Duration::from_secs(40);
const MOODS: [Mood; 3] = [Mood::Answers, Mood::Refuses(401, None), Mood::Attacks];
/// What is planted in plain sight, to see that the search finds things.
const HARMLESS: &str = "harmless-marker-4711";

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let header = ["the model", "kind", "severity", "alerts", "s from the event", "right"];
    let mut table = Table::new("Real faults, from the kernel to Slack", &header);
    let (mut good, mut leaks, mut findings) = (0, Leaks::default(), Findings::default());
    for mood in MOODS {
        let faults = Faults::build(bench)?;
        good += one(bench, &faults, mood, &mut table, &mut leaks)?;
    }
    table.notes.push(format!(
        "The real daemon, scanning /proc every second; the faults are {} s apart. Slack gets its alerts \
         from a bot if the model refuses, and otherwise from a webhook; a signed webhook and Alertmanager get them too, and a row is right only if each of them got one alert, in time, with the right severity, and marked.",
        APART.as_secs()
    ));
    findings.tables.push(table);
    let all = super::count(MOODS.len() * KINDS.len());
    findings.figures.push(Figure::at_least(
        "real faults: alert once, in time, right",
        super::count(good),
        "",
        all,
    ));
    findings.add(leaks.findings());
    Ok(findings)
}

/// Kinds, and the names that their processes have.
const KINDS: [(IncidentKind, &str); 4] = [
    (Crash, "bars-crash"),
    (OomKill, "bars-oom"),
    (SuspiciousExec, ".bars-posing"),
    (FdExhaustion, "bars-fds"),
];

fn one(bench: &Bench, faults: &Faults, mood: Mood, table: &mut Table, leaks: &mut Leaks) -> Result<usize> {
    // By a bot where it has nothing to add to its first message.
    let (model, receivers) = (mood.start()?, Receivers::at_once(!mood.is_heard())?);
    let dir = empty_dir(&bench.dir.join("alerts-ends"))?;
    let setup =
        BenchedDaemon { program: &bench.daemon, dir: &dir, model: &model, receivers: &receivers, flags: &[] };
    let subject = setup.start()?;
    let secrets = secrets();
    // The condition first: it takes two scans to be one.
    let fds = faults.fds("bars-fds")?;
    sleep(APART);
    crash_with(faults, &secrets)?;
    sleep(APART);
    let oom = faults.oom("bars-oom")?;
    sleep(APART);
    let posing = faults.posing("bars-posing")?;
    let mut incidents = Vec::new();
    for name in ["bars-", ".bars-"] {
        let wanted = KINDS.iter().filter(|(_, it)| it.starts_with(name)).count();
        incidents.extend(settled(&subject, name, wanted, PATIENCE)?);
    }
    drop((fds, oom, posing));
    // What came a second time would have come by then.
    sleep(APART);
    let messages = messages(&receivers.slack);
    let mut good = 0;
    let others = receivers.others();
    leaks.unsigned += receivers.unsigned();
    for (kind, _) in KINDS {
        let of: Vec<&Incident> = incidents.iter().filter(|it| it.kind == kind).collect();
        good += usize::from(row(table, mood, kind, &of, &messages, &others));
    }
    let crash = incidents.iter().find(|it| it.kind == Crash).context("no incident of the crash")?;
    let path = format!("/api/v1/incidents/{}", crash.id);
    let served =
        format!("{}{}", subject.client.get(&path)?.1, subject.client.get(&format!("{path}/prompt"))?.1);
    let bodies = |service: &Service| service.seen().iter().map(|it| it.body.clone()).collect::<String>();
    leaks.look("to the model", bodies(&model).as_bytes(), &secrets);
    for (place, service) in receivers.all() {
        leaks.look(place, bodies(service).as_bytes(), &secrets);
    }
    leaks.look("served over HTTP", served.as_bytes(), &secrets);
    leaks.look("the log at its default level", &fs::read(setup.log())?, &secrets);
    leaks.look("the store, its WAL included", &all_bytes(&setup.data())?, &secrets);
    Ok(good)
}

fn row(
    table: &mut Table,
    mood: Mood,
    kind: IncidentKind,
    incidents: &[&Incident],
    messages: &[Message],
    others: &[(&'static str, Vec<Message>)],
) -> bool {
    let [incident] = incidents else {
        table.row([
            mood.name(),
            kind.to_string(),
            "–".into(),
            "–".into(),
            "–".into(),
            format!("{} incidents", incidents.len()),
        ]);
        return false;
    };
    let its: Vec<&Message> = messages.iter().filter(|it| it.about == incident.id).collect();
    let (severity, seen) = (incident.severity, incident.first_seen.as_millisecond());
    let cell = Cell::of(mood, severity, seen, &its);
    let mut right = cell.is_good() && expected(kind).contains(&severity);
    for (receiver, messages) in others {
        let its: Vec<&Message> = messages.iter().filter(|it| it.about == incident.id).collect();
        let cell = Cell::of(mood, severity, seen, &its);
        if !cell.is_good() {
            eprintln!("bench: {} × {kind}, {receiver}: {cell:?}", mood.name());
        }
        right &= cell.is_good();
    }
    if !right {
        eprintln!("bench: {} × {kind}: {cell:?} {incident:?}", mood.name());
    }
    let took = crate::report::number(super::seconds(cell.late_ms));
    let right_text = if right { "yes" } else { "**no**" };
    table.row([
        mood.name(),
        kind.to_string(),
        severity.to_string(),
        its.len().to_string(),
        took,
        right_text.to_owned(),
    ]);
    right
}

/// What the rules say of these faults.
const fn expected(kind: IncidentKind) -> &'static [Severity] {
    match kind {
        OomKill => &[Severity::Critical],
        // Below cargo, where this runs, the place is no sign: builds run programs from anywhere.
        SuspiciousExec => &[Severity::Warning, Severity::Critical],
        _ => &[Severity::Warning],
    }
}

/// What is planted: shapes that everybody knows, and words that only their keys give away.
struct PlantedSecret {
    value: String,
    /// The secret, planted in argv.
    arg: Option<String>,
    /// In the environment, under this name.
    key: Option<&'static str>,
}

fn secrets() -> Vec<PlantedSecret> {
    // Written in parts, for scanners that take this file for a leak.
    let arg = |value: &str, arg: String| PlantedSecret { value: value.to_owned(), arg: Some(arg), key: None };
    let environment = |value: &str, key| PlantedSecret { value: value.to_owned(), arg: None, key: Some(key) };
    let github = format!("ghp_{}", "q7ZtR2mX9cVb4LwK8sYd1NfH6gJp3aTeU5rB");
    let aws = format!("AKIA{}", "Q3EGRT7YXW2ZPLMN");
    let slack = format!("xoxb-{}", "748201936457-902847561230-Zk3mQx8RtY2wPvL6nBc4HsDf");
    let password = "hunter2-plain-word";
    vec![
        arg(password, format!("--password={password}")),
        arg("tr0ub4dor-in-url", "postgres://bob:tr0ub4dor-in-url@db.internal/x".to_owned()),
        arg(&github, github.clone()),
        arg(&aws, format!("aws_access_key_id={aws}")),
        arg("bearer-Qx81kd02mzLp77", "Authorization: Bearer bearer-Qx81kd02mzLp77".to_owned()),
        environment("env-only-p4ssphrase", "DB_PASSWORD"),
        environment(&slack, "SLACK_TOKEN"),
        // In the path of the program.
        PlantedSecret { value: "path-s3cret-9917".to_owned(), arg: None, key: None },
    ]
}

/// A crash with all of them around it.
fn crash_with(faults: &Faults, secrets: &[PlantedSecret]) -> Result<()> {
    let program = faults.crashing("bars-crash", "token=path-s3cret-9917")?;
    let mut command = Command::new(&program);
    command.arg(HARMLESS).args(secrets.iter().filter_map(|it| it.arg.as_deref()));
    command.envs(secrets.iter().filter_map(|it| Some((it.key?, &it.value))));
    command.stdin(Stdio::null()).status()?;
    fs::remove_file(program)?;
    Ok(())
}

/// Where which secret was found.
#[derive(Default)]
struct Leaks {
    found: Vec<(&'static str, String)>,
    /// Bodies at the webhook that are not signed as they should be.
    unsigned: usize,
    /// Places looked at, with the bytes looked at and how often something harmless was found there.
    places: BTreeMap<&'static str, (usize, usize)>,
}

impl Leaks {
    fn look(&mut self, place: &'static str, bytes: &[u8], secrets: &[PlantedSecret]) {
        for secret in secrets.iter().filter(|it| holds(bytes, &it.value)) {
            eprintln!("bench: a secret in {place}: {}", secret.value);
            self.found.push((place, secret.value.clone()));
        }
        let entry = self.places.entry(place).or_default();
        entry.0 += bytes.len();
        entry.1 += usize::from(holds(bytes, HARMLESS) || holds(bytes, "bars-crash"));
    }

    fn findings(self) -> Findings {
        let mut table = Table::new("Secrets", &["where", "bytes", "planted", "found"]);
        let planted = secrets().len();
        for (place, (bytes, _)) in &self.places {
            let found = self.found.iter().filter(|(it, _)| it == place).count();
            table.row([(*place).to_owned(), bytes.to_string(), planted.to_string(), found.to_string()]);
        }
        table.notes.push(
            "Planted in argv, environment and path of a process that crashes. Harmless text next to them \
             was found in each place, which shows that the search works."
                .to_owned(),
        );
        let blind = self.places.values().filter(|(_, seen)| *seen == 0).count();
        let leaks =
            Figure::at_most("secrets in what leaves or is kept", super::count(self.found.len()), "", 0);
        let blind = Figure::at_most("places where nothing at all was found", super::count(blind), "", 0);
        let unsigned =
            Figure::at_most("webhook bodies without a good signature", super::count(self.unsigned), "", 0);
        Findings { tables: vec![table], figures: vec![leaks, blind, unsigned], ..Findings::default() }
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|it| it == word.as_bytes())
}

fn all_bytes(dir: &Path) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            all.extend(fs::read(&path)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_anywhere_misses_the_bar_and_so_does_a_search_that_finds_nothing() {
        let met = |looks: &[&str]| -> Vec<bool> {
            let mut leaks = Leaks::default();
            looks.iter().for_each(|text| leaks.look("to Slack", text.as_bytes(), &secrets()));
            leaks.findings().figures.iter().map(Figure::is_met).collect()
        };
        assert_eq!(met(&["bars-crash", ""]), [true, true, true]);
        assert_eq!(met(&["bars-crash", "x hunter2-plain-word bars-crash"]), [false, true, true]);
        assert_eq!(met(&["", "bars-"]), [true, false, true]);
    }
}
