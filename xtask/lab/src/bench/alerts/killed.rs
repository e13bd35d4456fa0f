//! kill -9 at random moments, while faults happen and alerts go out, and a restart on the same data each time: what
//! was to be seen is still there, what is there is told, and what is told twice says so and has a reason.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;

use super::super::Bench;
use super::faults::Faults;
use super::flood::is_told;
use super::score::{self, missing, repeats};
use super::subject::{BenchedDaemon, incidents, settled};
use crate::model::Incident;
use crate::peers::{Message, Mood, Receivers, messages, now_ms};
use crate::report::{Figure, Findings, Table};
use crate::workspace::empty_dir;

const KILLS: u64 = 100;
/// A daemon lives that long after it is ready, at the most.
const LIFE_MS: u64 = 1_500;
/// Slack takes that long to answer, at the most: so that kills come between a message and its answer.
const ANSWER_MS: u64 = 400;
const PREFIX: &str = "bars-k";

/// What was seen from outside, life after life.
#[derive(Default)]
struct Run {
    faults: usize,
    visible: BTreeSet<String>,
    kills_ms: Vec<i64>,
}

pub(super) fn measure(bench: &Bench) -> Result<Findings> {
    let seed = fastrand::u64(..1 << 32);
    let mut dice = Rng::with_seed(seed);
    let model = Mood::Answers.start()?;
    // By what it gets, so that the moments are other ones each time.
    let receivers = Receivers::start(false, |seen| {
        Duration::from_millis(seen.at_ms.unsigned_abs().wrapping_mul(7919) % ANSWER_MS)
    })?;
    let dir = empty_dir(&bench.dir.join("alerts-killed"))?;
    let faults = Faults::build(bench)?;
    let setup = BenchedDaemon {
        program: &bench.daemon,
        dir: &dir,
        model: &model,
        receivers: &receivers,
        flags: &["--alert-remind", "0s"],
    };
    let (mut run, began) = (Run::default(), Instant::now());
    let kills = bench.scaled(KILLS);
    for life in 0..kills {
        live(&setup, &faults, &mut dice, life, &mut run)?;
    }
    // One that is left alone, to tell what is left.
    let subject = setup.start()?;
    let within = Duration::from_secs(60 + 2 * kills);
    let incidents = settled(&subject, PREFIX, run.visible.len(), within)?;
    let told = ToldIncidents { slack: messages(&receivers.slack), others: receivers.others() };
    Ok(findings(&run, &incidents, &told, seed, began.elapsed()))
}

/// One life of the daemon: two faults, what it shows of them, and its end.
fn live(setup: &BenchedDaemon<'_>, faults: &Faults, dice: &mut Rng, life: u64, run: &mut Run) -> Result<()> {
    let subject = setup.start()?;
    let ready = Instant::now();
    let end = Duration::from_millis(dice.u64(..LIFE_MS));
    let mut number = 0;
    while ready.elapsed() < end {
        if number < 2 {
            faults.crash(&format!("{PREFIX}{life}-{number}"))?;
            (number, run.faults) = (number + 1, run.faults + 1);
        }
        run.visible.extend(incidents(&subject, PREFIX)?.into_iter().map(|it| it.id));
        sleep(Duration::from_millis(dice.u64(1..=50)).min(end.saturating_sub(ready.elapsed())));
    }
    drop(subject);
    run.kills_ms.push(now_ms());
    Ok(())
}

/// What each receiver got.
struct ToldIncidents {
    slack: Vec<Message>,
    others: [(&'static str, Vec<Message>); 2],
}

fn findings(run: &Run, incidents: &[Incident], told: &ToldIncidents, seed: u64, took: Duration) -> Findings {
    let messages = &told.slack;
    let there: BTreeSet<String> = incidents.iter().map(|it| it.id.clone()).collect();
    let lost = missing(&run.visible, &there);
    let untold: Vec<String> =
        incidents.iter().filter(|it| !is_told(it, messages)).map(|it| it.id.clone()).collect();
    let ours: Vec<Message> = messages.iter().filter(|it| there.contains(&it.about)).cloned().collect();
    let repeats = repeats(&ours, &run.kills_ms);
    let (mut elsewhere, mut unmarked, mut without_cause) = (0, 0, 0);
    for (receiver, all) in &told.others {
        for it in incidents.iter().filter(|it| !is_told(it, all)) {
            eprintln!("bench: not told to {receiver}: {}", it.id);
            elsewhere += 1;
        }
        let ours: Vec<Message> = all.iter().filter(|it| there.contains(&it.about)).cloned().collect();
        let again = score::repeats(&ours, &run.kills_ms);
        (unmarked, without_cause) = (unmarked + again.unmarked, without_cause + again.without_cause);
    }
    for id in lost.iter().map(|it| (*it).to_owned()).chain(untold.iter().cloned()) {
        eprintln!("bench: lost by kill -9: {id}");
    }
    let mut table = Table::new(
        "kill -9 and restart",
        &[
            "kills",
            "min",
            "faults",
            "seen over HTTP",
            "incidents at the end",
            "lost",
            "untold",
            "messages",
            "repeats",
        ],
    );
    table.row([
        run.kills_ms.len().to_string(),
        format!("{:.1}", took.as_secs_f64() / 60.0),
        run.faults.to_string(),
        run.visible.len().to_string(),
        incidents.len().to_string(),
        lost.len().to_string(),
        untold.len().to_string(),
        ours.len().to_string(),
        repeats.all.to_string(),
    ]);
    table.notes.push(format!(
        "At 0 to {LIFE_MS} ms after the daemon said that it is ready, with one or two real crashes of new programs in \
         each life; each receiver takes 0 to {ANSWER_MS} ms to answer; seed {seed}. What can be promised, and is asserted: an \
         incident that was seen over HTTP once is there at the end, and every incident that is there is told. A fault \
         whose event the daemon had not stored when it was killed is not among them: the kernel's rings die with it."
    ));
    let figures = vec![
        Figure::at_least("kill -9: incidents at stake", super::count(run.visible.len()), "", 1),
        Figure::at_most("kill -9: incidents lost", super::count(lost.len()), "", 0),
        Figure::at_most("kill -9: alerts lost", super::count(untold.len()), "", 0),
        Figure::at_most("kill -9: alerts lost to webhook or Alertmanager", super::count(elsewhere), "", 0),
        Figure::at_most("kill -9: the webhook's repeats that do not say so", super::count(unmarked), "", 0),
        Figure::at_most("kill -9: their repeats of what was answered", super::count(without_cause), "", 0),
        Figure::at_most("kill -9: repeats that do not say so", super::count(repeats.unmarked), "", 0),
        Figure::at_most(
            "kill -9: repeats of what was answered before",
            super::count(repeats.without_cause),
            "",
            0,
        ),
    ];
    Findings { tables: vec![table], figures, ..Findings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IncidentKind, sample};

    #[test]
    fn lost_and_untold_miss_their_bars() {
        let run = |visible: &[&str]| Run {
            faults: 2,
            visible: visible.iter().map(|it| (*it).to_owned()).collect(),
            kills_ms: vec![5],
        };
        let incidents = ["A", "B"].map(|id| sample(id, IncidentKind::Crash));
        let message = |about: &str| Message { about: about.into(), ..Message::default() };
        let both = || vec![message("A"), message("B")];
        let missed = |visible: &[&str], messages: &[Message]| -> Vec<String> {
            let told =
                ToldIncidents { slack: messages.to_vec(), others: [("webhook", both()), ("x", both())] };
            let found = findings(&run(visible), &incidents, &told, 1, Duration::ZERO);
            found.figures.into_iter().filter(|it| !it.is_met()).map(|it| it.name).collect()
        };
        let told = both();
        assert_eq!(missed(&["A"], &told), Vec::<String>::new());
        assert_eq!(missed(&["A", "C"], &told), ["kill -9: incidents lost"]);
        assert_eq!(missed(&["A"], &told[..1]), ["kill -9: alerts lost"]);
        assert_eq!(missed(&[], &told), ["kill -9: incidents at stake"]);
        let repeated = [message("A"), message("B"), message("A")];
        let want = ["kill -9: repeats that do not say so", "kill -9: repeats of what was answered before"];
        assert_eq!(missed(&["A"], &repeated), want);
    }
}
