//! What is started again to last, and what is only tried again.

use super::*;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::model::{ExitCause, ProcessInfo};

const WARNING: Option<Severity> = Some(Severity::Warning);
const INFO: Option<Severity> = Some(Severity::Info);

/// Lives of `life_ms`, with the pauses between them.
fn lives(life_ms: u64, pauses_ms: &[u64]) -> Vec<Life> {
    let mut at = Duration::from_secs(1000);
    let mut all = vec![];
    for pause in std::iter::once(&0).chain(pauses_ms) {
        let started = at + Duration::from_millis(*pause);
        at = started + Duration::from_millis(life_ms);
        all.push(Life { started, ended: at });
    }
    all
}

fn check(
    what: &str,
    exe: &str,
    argv: &[&str],
    lives: &[Life],
    change: impl Fn(&mut Respawns<'_>),
    want: impl Into<Option<Severity>>,
) {
    let process = ProcessInfo {
        name: programs::base(exe).into(),
        exe: Some(exe.into()),
        argv: argv.iter().map(|&it| it.to_owned()).collect(),
        ..process()
    };
    let exit = exit(ExitCause::Status(1));
    let total = u64::try_from(lives.len()).unwrap();
    let (of_children, starter) = (total * 2, StarterKind::default());
    let mut respawns = Respawns { lives, total, since: lives[0].ended, of_children, starter };
    change(&mut respawns);
    let parent_name = if what.starts_with("bash: ") { "bash" } else { "python3" };
    let it = Ended { parent_name, ..ended(&process, &exit) };
    assert_eq!(severity(&it, &respawns, &DetectLimits::default()), want.into(), "{what}");
}

#[test]
fn programs_that_are_started_again_to_last() {
    let app = ["python3", "/srv/app.py"];
    let python = "/usr/bin/python3";
    check("a working life", python, &app, &lives(700, &[1000; 5]), |_| {}, WARNING);
    check("once a minute", python, &app, &lives(58_000, &[2000; 5]), |_| {}, WARNING);
    check("no pause at all", "./server", &["./server"], &lives(900, &[1; 5]), |_| {}, WARNING);
    check("dead at once, with a pause", "./server", &["./server"], &lives(3, &[1000; 11]), |_| {}, WARNING);
    check("not often enough yet", "./server", &["./server"], &lives(3, &[1000; 10]), |_| {}, None);
    let backing_off = lives(3, &[100, 200, 400, 800, 1600, 3200]);
    check("backing off", "./server", &["./server"], &backing_off, |_| {}, WARNING);
    let lasting = |minutes: u64| {
        move |it: &mut Respawns<'_>| {
            let since = it.lives[0].ended.saturating_sub(Duration::from_secs(minutes * 60 + 1));
            (it.total, it.since, it.of_children) = (5000, since, 5000);
        }
    };
    let (server, short) = (["./server"], lives(5, &[1; 31]));
    check("without a pause for a minute", "./server", &server, &short, lasting(1), WARNING);
    check("bash: for a minute", "./server", &server, &short, lasting(1), None);
    check("bash: for five", "./server", &server, &short, lasting(5), WARNING);
    let service = |it: &mut Respawns<'_>| it.starter.is_service = true;
    let script = |it: &mut Respawns<'_>| it.starter.is_shell = true;
    check("bash: a test, again", "./server", &server, &lives(700, &[1000; 5]), |_| {}, INFO);
    check("bash: a service", "./server", &server, &lives(700, &[1000; 5]), service, WARNING);
    let for_ever = |it: &mut Respawns<'_>| it.starter.loops_for_ever = true;
    check("bash: for ever", "./server", &server, &lives(700, &[1000; 5]), for_ever, WARNING);
    check("bash: dead at once, for ever", "./server", &server, &lives(3, &[1000; 11]), for_ever, WARNING);
    check("bash: a probe, for ever", "/usr/bin/ls", &["ls", "/x"], &lives(2, &[1000; 30]), for_ever, None);
    check("a script: a test", "./server", &server, &lives(700, &[1000; 5]), script, INFO);
    check("bash: backing off", "./server", &server, &backing_off, |_| {}, INFO);
    check("bash: a service that backs off", "./server", &server, &backing_off, service, WARNING);
    check("bash: until it is there", "./server", &server, &lives(20, &[300; 25]), |_| {}, None);
    check(
        "a line of shell that works",
        "/bin/sh",
        &["sh", "-c", "cd /x; ./y"],
        &lives(800, &[1; 5]),
        |_| {},
        WARNING,
    );
}

#[test]
fn what_runs_side_by_side_is_not_started_again() {
    let pool = |turns: u64, width: usize| -> Vec<Life> {
        let one = lives(900, &vec![100; usize::try_from(turns).unwrap() - 1]);
        one.iter().flat_map(|life| vec![*life; width]).collect()
    };
    let (server, sh) = (["./server"], ["sh", "-c", "cat; exit 1"]);
    check("a batch", "/bin/sh", &sh, &pool(1, 30), |_| {}, None);
    check("five batches", "./server", &server, &pool(5, 4), |_| {}, None);
    check("a pool that is started again", "./server", &server, &pool(6, 4), |_| {}, WARNING);
}

#[test]
fn what_is_tried_again_is_no_service() {
    let server = ["./server"];
    let it = |life_ms, pauses: &[u64]| lives(life_ms, pauses);
    check("three tries", "./server", &server, &it(9000, &[5000; 2]), |_| {}, None);
    check("a probe", "/usr/bin/ls", &["ls", "/x"], &it(2, &[1000; 30]), |_| {}, None);
    check("a python line", "/usr/bin/python3", &["python3", "-c", "1"], &it(60, &[1000; 30]), |_| {}, None);
    check("a test run many times", "./test", &["./test"], &it(30, &[1; 31]), |_| {}, None);
    check("a check by the clock", "/opt/check", &["/opt/check"], &it(200, &[60_000; 8]), |_| {}, None);
    let watched = |it: &mut Respawns<'_>| it.starter.has_terminal = true;
    check("in a terminal", "./server", &server, &it(900, &[1000; 9]), watched, None);
    let tested = |it: &mut Respawns<'_>| it.starter.is_command = true;
    check("by a test runner", "./server", &server, &it(900, &[1; 59]), tested, None);
    let busy = |it: &mut Respawns<'_>| it.of_children = it.total * 5;
    check("one of many things", "./server", &server, &it(900, &[1000; 9]), busy, None);
    check("too slow for the window", "./server", &server, &it(900, &[150_000; 9]), |_| {}, None);
}
