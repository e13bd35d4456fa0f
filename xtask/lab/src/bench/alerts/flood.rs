//! Much at once: 10,000 crashes of one program, and 200 different faults.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ulid::Ulid;
use xtask::process;

use super::super::Bench;
use super::super::events::lost_grave;
use super::faults::{Faults, Going};
use super::score::{Delivery, busiest_minute, off_schedule, out_of_order};
use super::subject::{BenchedDaemon, incidents, settled};
use crate::daemon::Daemon;
use crate::model::{Incident, IncidentKind, Severity, told_with};
use crate::peers::{Message, Mood, Receivers, SIGNED, messages};
use crate::report::{Figure, Findings, Table};
use crate::workspace::empty_dir;

const CRASHES: u64 = 10_000;
const FAULTS: u64 = 200;
/// Of the different faults, one in so many is critical.
const GRAVE: u64 = 5;
/// What has been running for longer than a minute had a job, and its crash is critical.
const LONG_LIVED: Duration = Duration::from_secs(62);
/// Short, so that a run sees some.
const REMIND: (&str, i64) = ("10s", 10_000);
/// The configured budget: the default.
const REQUESTS_PER_MINUTE: u32 = 30;
/// An alert waits so long for the model at the most, and for its turn among equals: a message a second.
const HOLD_MS: i64 = 8_500;
/// Two messages are that far apart, and a busy machine.
const PACE_MS: i64 = 3_000;

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let faults = Faults::build(bench)?;
    let count = bench.scaled(FAULTS);
    let names = (0..count / GRAVE).map(|number| format!("bars-c{number:03}"));
    let grave = names.map(|name| faults.waiting(&name)).collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    let mut findings = one_fault(bench, &faults)?;
    std::thread::sleep(LONG_LIVED.saturating_sub(began.elapsed()));
    findings.add(many_faults(bench, &faults, count, grave)?);
    Ok(findings)
}

fn one_fault(bench: &Bench, faults: &Faults) -> Result<Findings> {
    let (model, receivers) = (Mood::Answers.start()?, Receivers::at_once(false)?);
    let slack = &receivers.slack;
    let dir = empty_dir(&bench.dir.join("alerts-flood"))?;
    let program = faults.crashing("bars-flood", "")?;
    let setup = BenchedDaemon {
        program: &bench.daemon,
        dir: &dir,
        model: &model,
        receivers: &receivers,
        flags: &["--alert-remind", REMIND.0],
    };
    let subject = setup.start()?;
    let (count, began) = (bench.scaled(CRASHES), Instant::now());
    let mut storm = Command::new(bench.dir.join("load"));
    storm.args(["storm", &count.to_string(), &bench.cores.to_string()]).arg(&program).arg("mark");
    let made = crashed(&process::output(storm.stderr(Stdio::null()))?).context("the storm said nothing")?;
    let took_s = began.elapsed().as_secs_f64();
    let incidents = counted(&subject, made)?;
    let crash =
        incidents.iter().find(|it| it.kind == IncidentKind::Crash).context("no incident of the crashes")?;
    let lost = lost_grave(&subject.metrics()?);
    let at_ms: Vec<i64> =
        messages(slack).iter().filter(|it| it.about == crash.id).map(|it| it.at_ms).collect();
    let others =
        messages(slack).iter().filter(|it| it.body.contains("bars-flood") && it.about != crash.id).count();
    let late: usize = receivers
        .others()
        .iter()
        .map(|(_, all)| {
            let its: Vec<i64> = all.iter().filter(|it| it.about == crash.id).map(|it| it.at_ms).collect();
            if its.is_empty() { 1 } else { off_schedule(&its, REMIND.1, 1_000) }
        })
        .sum();
    let asked = |word: &str| {
        model.seen().iter().filter(|it| it.body.contains("bars-flood") && it.body.contains(word)).count()
    };
    let (all, about_loop) = (asked(""), asked("crash_loop"));
    let of_kind = incidents.iter().filter(|it| it.kind == IncidentKind::Crash).count();
    let mut table = Table::new(
        "Many crashes of one program",
        &[
            "crashes",
            "s",
            "counted on the incident",
            "lost in the kernel",
            "incidents of the crash",
            "of its crash loop",
            "model calls",
            "alerts",
            "reminders",
        ],
    );
    table.row([
        made.to_string(),
        format!("{took_s:.1}"),
        crash.count.to_string(),
        format!("{lost:.0}"),
        of_kind.to_string(),
        (incidents.len() - of_kind).to_string(),
        format!("{} + {about_loop}", all - about_loop),
        usize::from(!at_ms.is_empty()).to_string(),
        at_ms.len().saturating_sub(1).to_string(),
    ]);
    table.notes.push(format!(
        "Real crashes; --alert-remind {}. The loop that so many crashes are is an incident of its own, which the \
         crash's alert tells of; its model calls are the second number.",
        REMIND.0
    ));
    let name = |what: &str| format!("{made} crashes of one program: {what}");
    let missing = made.saturating_sub(crash.count);
    let figures = vec![
        Figure::at_most(name("incidents of the crash"), super::count(of_kind), "", 1),
        Figure::at_most(name("model calls about the crash"), super::count(all - about_loop), "", 1),
        Figure::at_most(name("model calls about its loop"), super::count(about_loop), "", 1),
        Figure::at_least(name("alerts"), super::count(at_ms.len()), "", 1),
        Figure::at_most(
            name("messages off the schedule"),
            super::count(off_schedule(&at_ms, REMIND.1, 1_000)),
            "",
            0,
        ),
        Figure::at_most(name("none, or off the schedule, elsewhere"), super::count(late), "", 0),
        Figure::at_most(name("messages of other incidents"), super::count(others), "", 0),
        Figure::at_most(
            name("neither counted nor known as lost"),
            super::count(usize::try_from(missing)?) - lost,
            "",
            0,
        ),
    ];
    Ok(Findings { tables: vec![table], figures, ..Findings::default() })
}

/// How many crashes the load has made: for it, a child that ends badly has failed.
fn crashed(text: &str) -> Option<u64> {
    text.lines().next()?.split(' ').nth(2)?.parse().ok()
}

/// The incidents once all is counted, or nothing more is; and then for long enough to have had a reminder.
fn counted(subject: &Daemon, made: u64) -> Result<Vec<Incident>> {
    let (mut last, mut changed) = (0, Instant::now());
    loop {
        let incidents = incidents(subject, "bars-flood")?;
        let count = incidents.iter().find(|it| it.kind == IncidentKind::Crash).map_or(0, |it| it.count);
        if count != last {
            (last, changed) = (count, Instant::now());
        }
        let wait = if count >= made { 12 } else { 20 };
        if changed.elapsed() > Duration::from_secs(wait) {
            return Ok(incidents);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn many_faults(bench: &Bench, faults: &Faults, count: u64, mut grave: Vec<Going>) -> Result<Findings> {
    let (model, receivers) = (Mood::Answers.start()?, Receivers::at_once(false)?);
    let slack = &receivers.slack;
    let dir = empty_dir(&bench.dir.join("alerts-flood"))?;
    let setup =
        BenchedDaemon { program: &bench.daemon, dir: &dir, model: &model, receivers: &receivers, flags: &[] };
    let subject = setup.start()?;
    let (graves, wanted) = (grave.len(), usize::try_from(count)?);
    let began = Instant::now();
    // The less severe first, so that order of arrival is not enough.
    for number in 0..wanted - graves {
        faults.crash(&format!("bars-w{number:03}"))?;
    }
    grave.iter_mut().try_for_each(Going::crash)?;
    let made_s = began.elapsed().as_secs_f64();
    let within = Duration::from_secs(60 + 2 * count);
    let mut incidents = settled(&subject, "bars-c", graves, within)?;
    incidents.extend(settled(&subject, "bars-w", wanted - graves, within)?);
    let messages = messages(slack);
    let told = incidents.iter().filter(|it| is_told(it, &messages)).count();
    let twice =
        incidents.iter().filter(|it| messages.iter().filter(|m| m.about == it.id).count() > 1).count();
    let (mut elsewhere, mut elsewhere_twice) = (usize::MAX, 0);
    for (_, all) in receivers.others() {
        elsewhere = elsewhere.min(incidents.iter().filter(|it| is_told(it, &all)).count());
        let times = |it: &&Incident| all.iter().filter(|m| m.about == it.id).count() > 1;
        elsewhere_twice += incidents.iter().filter(times).count();
    }
    let deliveries: Vec<Delivery> = incidents.iter().filter_map(|it| delivery(it, &messages)).collect();
    let asked_ms: Vec<i64> =
        model.seen().iter().filter(|it| it.path.ends_with("/completions")).map(|it| it.at_ms).collect();
    let heard = messages.iter().filter(|it| it.body.contains(SIGNED)).count();
    let busiest = busiest_minute(&asked_ms);
    let disorder = out_of_order(&deliveries, PACE_MS);
    let critical = deliveries.iter().filter(|it| it.grave).count();
    let last_s = messages.last().map_or(f64::NAN, |it| super::seconds(it.at_ms - messages[0].at_ms));
    let mut table = Table::new(
        "Different faults at once",
        &[
            "faults",
            "made in s",
            "incidents",
            "critical",
            "told",
            "told twice",
            "out of order",
            "model's verdict",
            "model calls, busiest minute",
            "first to last alert, s",
        ],
    );
    table.row([
        count.to_string(),
        format!("{made_s:.1}"),
        incidents.len().to_string(),
        critical.to_string(),
        told.to_string(),
        twice.to_string(),
        disorder.to_string(),
        heard.to_string(),
        busiest.to_string(),
        format!("{last_s:.0}"),
    ]);
    table.notes.push(
        "Crashes of programs that had just begun, and then of some that had run for a minute, which are critical."
            .to_owned(),
    );
    let name = |what: &str| format!("{count} different faults: {what}");
    let figures = vec![
        Figure::at_least(name("stored"), super::count(incidents.len()), "", super::count(wanted)),
        Figure::at_least(name("told"), super::count(told), "", super::count(wanted)),
        Figure::at_most(name("told twice"), super::count(twice), "", 0),
        Figure::at_least(
            name("told by webhook and by Alertmanager"),
            super::count(elsewhere),
            "",
            super::count(wanted),
        ),
        Figure::at_most(name("told twice by one of those"), super::count(elsewhere_twice), "", 0),
        Figure::at_most(name("told before what was more severe and due"), super::count(disorder), "", 0),
        Figure::at_least(
            name("critical ones, to be put first"),
            super::count(critical),
            "",
            super::count(graves),
        ),
        Figure::at_most(name("model calls in any minute"), super::count(busiest), "", REQUESTS_PER_MINUTE),
    ];
    Ok(Findings { tables: vec![table], figures, ..Findings::default() })
}

/// By a message of its own, or by that of the incident that explains it.
pub(super) fn is_told(incident: &Incident, messages: &[Message]) -> bool {
    told_with(incident).any(|id| messages.iter().any(|it| it.about == id))
}

fn delivery(incident: &Incident, messages: &[Message]) -> Option<Delivery> {
    let message = messages.iter().find(|it| it.about == incident.id)?;
    // Its id holds when it was stored.
    let stored_ms = Ulid::from_string(&incident.id).ok()?.timestamp_ms();
    Some(Delivery {
        grave: incident.severity == Severity::Critical,
        due_ms: i64::try_from(stored_ms).ok()? + HOLD_MS,
        sent_ms: message.at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample_in;

    #[test]
    fn what_the_load_says_of_crashes() {
        assert_eq!(crashed("123 0 10000\n"), Some(10_000));
        assert_eq!(crashed(""), None);
    }

    #[test]
    fn told_is_by_its_own_message_or_by_its_causes() {
        let messages = [Message { about: "A".into(), ..Message::default() }];
        for (id, folded_into, want) in
            [("A", None, true), ("B", None, false), ("B", Some("A"), true), ("B", Some("C"), false)]
        {
            let incident = sample_in(id, IncidentKind::Crash, folded_into);
            assert_eq!(is_told(&incident, &messages), want, "{id} {folded_into:?}");
        }
    }
}
