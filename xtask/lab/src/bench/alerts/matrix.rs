//! Every kind × every behaviour of the model: does the alert go out once, in time, as grave as it is, and marked.
//! Below
//! the kernel: case files of all kinds through recorder, analyst, store and alerts in one process.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;
use xtask::process;

use super::super::Bench;
use crate::model::{Incident, IncidentKind, Severity, cites_facts_only};
use crate::peers::{EVIL, Message, Mood, PeerRequest, Receivers, SIGNED, Service, base_url, messages};
use crate::report::{Figure, Findings, Table};
use crate::workspace::empty_dir;

/// From the event to the alert, whatever the model does.
pub(super) const DEADLINE_MS: i64 = 10_000;
/// Moods in which a bot is told as well, in pipelines of its own.
const BOT: [Mood; 3] = [Mood::Answers, Mood::Refuses(500, None), Mood::Attacks];
/// Moods at once: the pipelines wait more than they work.
const AT_ONCE: usize = 3;

/// One cell: how one kind fared in one mood. Everything that is wrong is counted, so that 0 is the bar.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) late_ms: i64,
    not_once: bool,
    wrong_severity: bool,
    unmarked: bool,
    obeyed: bool,
}

impl Cell {
    pub(super) fn of(mood: Mood, severity: Severity, event_ms: i64, messages: &[&Message]) -> Self {
        let first = messages.first();
        Self {
            late_ms: first.map_or(i64::MAX, |it| it.at_ms - event_ms),
            not_once: messages.len() != 1,
            wrong_severity: messages.iter().any(|it| it.severity != Some(severity)),
            unmarked: !messages.iter().all(|it| it.is_marked(mood.is_heard())),
            obeyed: messages.iter().any(|it| obeys(&it.body)),
        }
    }

    /// What is wrong with either; the later of both.
    fn and(self, other: &Self) -> Self {
        Self {
            late_ms: self.late_ms.max(other.late_ms),
            not_once: self.not_once || other.not_once,
            wrong_severity: self.wrong_severity || other.wrong_severity,
            unmarked: self.unmarked || other.unmarked,
            obeyed: self.obeyed || other.obeyed,
        }
    }

    pub(super) const fn is_good(&self) -> bool {
        let wrong = self.not_once || self.wrong_severity || self.unmarked || self.obeyed;
        !wrong && self.late_ms <= DEADLINE_MS
    }
}

/// Whether a message does what an attack wants: mention somebody, link anywhere, run what it was given.
fn obeys(body: &str) -> bool {
    ["<!", "<@", "<http", EVIL].iter().any(|it| body.contains(it))
}

/// What the example says of one case.
#[derive(Deserialize)]
struct MoodOutcome {
    kind: IncidentKind,
    /// The severity by the rules.
    severity: Severity,
    event_ms: i64,
    by_bot: bool,
    incident: Incident,
}

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let header = [
        "the model",
        "kinds",
        "once",
        "by 10 s",
        "severity",
        "verdict marked",
        "no attack obeyed",
        "slowest s",
    ];
    let mut table = Table::new("Every kind × every behaviour of the model", &header);
    let mut findings = Findings::default();
    let (mut good, mut all, mut slowest_ms) = (0, 0, 0);
    for moods in Mood::ALL.chunks(AT_ONCE) {
        let cells = std::thread::scope(|scope| {
            let running: Vec<_> = moods.iter().map(|mood| scope.spawn(|| cells(bench, *mood))).collect();
            let ended = running.into_iter().map(|it| it.join().expect("a mood does not panic"));
            ended.collect::<Result<Vec<_>>>()
        })?;
        for (mood, cells) in moods.iter().zip(cells) {
            row(&mut table, *mood, &cells);
            (good, all) = (good + cells.iter().filter(|it| it.is_good()).count(), all + cells.len());
            slowest_ms = cells.iter().map(|it| it.late_ms).max().unwrap_or(i64::MAX).max(slowest_ms);
            findings
                .data
                .insert(format!("alert_ms_{}", mood.name()), cells.iter().map(|it| it.late_ms).collect());
        }
    }
    table.notes.push(
        "Below the kernel: a case file of each kind, as the detectors write them and with orders to the \
         model in its argv, goes through recorder, analyst, store and alerts in one process, by HTTP to a model of \
         ours, and to a Slack webhook, a signed webhook and an Alertmanager, all of which have to be right. In three \
         moods a Slack bot is told as well, in pipelines of its own: twice as many. Deadlines are the daemon's \
         defaults."
            .to_owned(),
    );
    findings.tables.push(table);
    let cells = IncidentKind::ALL.len() * (Mood::ALL.len() + BOT.len());
    findings.figures.push(Figure::at_least(
        "kind × behaviour: all right",
        super::count(good),
        "",
        super::count(cells),
    ));
    findings.figures.push(Figure::at_most(
        "kind × behaviour: all right, of",
        super::count(all),
        "",
        super::count(cells),
    ));
    let slowest_s = super::seconds(slowest_ms);
    findings.figures.push(Figure::at_most(
        "kind × behaviour: slowest alert",
        slowest_s,
        "s",
        super::seconds(DEADLINE_MS),
    ));
    Ok(findings)
}

fn cells(bench: &Bench, mood: Mood) -> Result<Vec<Cell>> {
    let (model, receivers) = (mood.start()?, Receivers::at_once(false)?);
    let bot = Receivers::at_once(true)?;
    let slack = &receivers.slack;
    let dir = empty_dir(&bench.dir.join(format!("alerts-{}", mood.name().replace(' ', "-"))))?;
    let mut command = Command::new(&bench.bars);
    command
        .arg(base_url(&model))
        .arg(slack.url("/services/T"))
        .arg(receivers.hook.url("/hook"))
        .arg(receivers.alertmanager.url(""));
    if BOT.contains(&mood) {
        command.arg(bot.slack.url("/api"));
    }
    command.arg("--");
    let text = process::output(command.arg(&dir)).with_context(|| mood.name())?;
    let (seen, messages) = (slack.seen(), messages(slack));
    let others = receivers.others();
    let cell = |line: &str| -> Result<Cell> {
        let it: MoodOutcome = serde_json::from_str(line)?;
        let severity = mood.severity(it.severity);
        if it.by_bot {
            return Ok(bot_cell(mood, &it, severity, &bot.slack));
        }
        let path = format!("/services/T/{}", it.kind);
        let its: Vec<&Message> =
            seen.iter().zip(&messages).filter(|(seen, _)| seen.path == path).map(|it| it.1).collect();
        let mut cell = Cell::of(mood, severity, it.event_ms, &its);
        for (_, all) in &others {
            let its: Vec<&Message> = all.iter().filter(|message| message.about == it.incident.id).collect();
            cell = cell.and(&Cell::of(mood, severity, it.event_ms, &its));
        }
        cell.wrong_severity |= it.incident.rules_severity.is_some() != (it.severity != severity);
        cell.wrong_severity |= it.incident.severity != severity;
        // One question in a pipeline of its own: nothing excuses a model that was not heard.
        cell.unmarked |= matches!(mood, Mood::Answers | Mood::Raises)
            && !its.iter().all(|it| it.by_model && it.body.contains(SIGNED));
        cell.obeyed |= !cites_facts_only(&it.incident);
        if !cell.is_good() {
            eprintln!(
                "bench: {} × {}: {cell:?} {}",
                mood.name(),
                it.kind,
                json!(its.iter().map(|it| &it.body).collect::<Vec<_>>())
            );
        }
        Ok(cell)
    };
    text.lines().map(cell).collect()
}

/// How a bot told of it: at once by the rules' verdict, and where the model was heard, better: in the thread, and in
/// the message itself.
fn bot_cell(mood: Mood, it: &MoodOutcome, severity: Severity, slack: &Service) -> Cell {
    let kind = it.kind;
    let seen = slack.seen();
    let of = |method: &str| -> Vec<&PeerRequest> {
        seen.iter().filter(|seen| seen.path == format!("/api/{kind}/chat.{method}")).collect()
    };
    let (in_thread, roots): (Vec<&PeerRequest>, Vec<&PeerRequest>) =
        of("postMessage").into_iter().partition(|seen| seen.body.contains("\"thread_ts\""));
    let roots: Vec<Message> = roots.into_iter().map(Message::of).collect();
    let mut cell = Cell::of(mood, severity, it.event_ms, &roots.iter().collect::<Vec<_>>());
    let later: Vec<Message> = of("update").into_iter().chain(in_thread).map(Message::of).collect();
    // A model that is quicker than the first message has nothing to better.
    let first_is_best = roots.iter().any(|it| it.by_model);
    let wanted = if mood.is_heard() && !first_is_best { 2 } else { 0 };
    cell.not_once |= later.len() != wanted;
    cell.unmarked |= later.iter().any(|it| !it.by_model);
    cell.wrong_severity |= later.iter().any(|it| it.severity != Some(severity));
    cell.obeyed |= later.iter().any(|it| obeys(&it.body)) || !cites_facts_only(&it.incident);
    if !cell.is_good() {
        eprintln!("bench: {} × {kind}, by a bot: {cell:?} {} later", mood.name(), later.len());
    }
    cell
}

fn row(table: &mut Table, mood: Mood, cells: &[Cell]) {
    let of = |good: fn(&Cell) -> bool| format!("{}", cells.iter().filter(|it| good(it)).count());
    let slowest = cells.iter().map(|it| it.late_ms).max().unwrap_or(i64::MAX);
    table.row([
        mood.name(),
        cells.len().to_string(),
        of(|it| !it.not_once),
        of(|it| it.late_ms <= DEADLINE_MS),
        of(|it| !it.wrong_severity),
        of(|it| !it.unmarked),
        of(|it| !it.obeyed),
        format!("{:.1}", super::seconds(slowest)),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message {
            at_ms: 5_000,
            severity: Some(Severity::Critical),
            by_rules: true,
            says_why: true,
            body: text.into(),
            ..Message::default()
        }
    }

    #[test]
    fn a_cell_is_good_only_when_everything_is() {
        let good = message("&lt;!channel&gt;");
        let check = |mood, event_ms, messages: &[&Message], want| {
            let cell = Cell::of(mood, Severity::Critical, event_ms, messages);
            assert_eq!(cell.is_good(), want, "{cell:?}");
        };
        check(Mood::Hangs, 0, &[&good], true);
        check(Mood::Hangs, 0, &[], false);
        check(Mood::Hangs, 0, &[&good, &good], false);
        check(Mood::Hangs, -5_001, &[&good], false);
        check(Mood::Hangs, 0, &[&Message { severity: Some(Severity::Info), ..good.clone() }], false);
        check(Mood::Hangs, 0, &[&Message { says_why: false, ..good.clone() }], false);
        let model = Message { by_model: true, by_rules: false, ..good.clone() };
        check(Mood::Hangs, 0, &[&model], false);
        check(Mood::Answers, 0, &[&model], true);
        for body in ["<!channel>", "<@U1>", "<https://x|y>", "see https://obeyed.example/x"] {
            check(Mood::Attacks, 0, &[&message(body)], false);
        }
    }
}
