//! Who starts a program again when it ends badly, though it is no known supervisor: a supervisor of one's own in
//! Python, a shell's `while true; do ./server; done`. Told apart from `until curl …; do sleep 1; done`, a test suite
//! and `make -k` by what they do not have in common with it:
//!
//! - the same argv by the same parent, and never a success in between (a success starts the count anew);
//! - each began after the one before had ended (a pool's and a batch's run side by side);
//! - the parent starts little else (a build and a test suite start many things);
//! - the parent has no terminal (nobody sits and watches), and is no test runner, build or `watch`;
//! - the program is none that is run for its answer (`curl`, `grep`, a compiler, a package manager);
//! - and each start was meant to last: it had a working life, or the pauses grow, or it is a program of one's own that
//!   a program which is no shell starts again after a deliberate pause, or it has gone on for long.
//!
//! What ends at once in a shell's loop may be waited for with `until`: only time tells those two apart. And a shell's
//! loop around what lasts is a supervisor where the shell is itself a service (started by a service manager, the first
//! of a container, a daemon) or was told to go round for ever (`sh -c 'while :; do ./server; sleep 1; done'`), else it
//! may be `for i in 1 2 3; do ./integration-test; done`: that is info.

use std::time::Duration;

use crate::config::DetectLimits;
use crate::kinds::shared::ending::{self, Ended};
use crate::model::{ProcessInfo, Severity};
use crate::observation::Session;
use crate::programs;
use crate::state::Origin;

/// One life of a program that ended badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it began, on CLOCK_BOOTTIME.
    pub started: Duration,
    /// When it ended, as time since boot.
    pub ended: Duration,
}

/// What a parent has started again.
#[derive(Clone, Copy, Debug)]
pub struct Respawns<'a> {
    /// The last lives, this one last.
    pub lives: &'a [Life],
    /// How many there were without a success in between.
    pub total: u64,
    /// When the first of them ended.
    pub since: Duration,
    /// How many children of the parent ended since then, these included.
    pub of_children: u64,
    /// Who starts it, as far as that is known.
    pub starter: StarterKind,
}

/// What kind of program starts another again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StarterKind {
    /// Somebody may sit and watch.
    pub has_terminal: bool,
    /// A shell, or a script of one.
    pub is_shell: bool,
    /// A shell whose command line tells it to go round for ever.
    pub loops_for_ever: bool,
    /// It is run for a result itself: a test runner, a build, `watch`.
    pub is_command: bool,
    /// It, or the shell that it is a part of, is a service.
    pub is_service: bool,
}

impl StarterKind {
    /// Of a living process; `service`: it, or the first of the shells above it, with its parent's name, how it came
    /// to be that one's child, and its session.
    pub fn of(
        process: &ProcessInfo,
        session: Option<Session>,
        service: (&ProcessInfo, &str, Origin, Option<Session>),
    ) -> Self {
        let (kept, parent_name, origin, of_kept) = service;
        let has_terminal = session.is_some_and(|it| it.has_terminal);
        Self {
            has_terminal,
            is_shell: programs::runs_shell(process),
            loops_for_ever: programs::loops_for_ever(process),
            is_command: programs::is_command(process),
            is_service: !has_terminal && ending::is_kept(kept, parent_name, origin, of_kept),
        }
    }
}

/// A parent most of whose children are others does many things: one in four leaves room for the `sleep` and the
/// `date` of a loop.
const SHARE: u64 = 4;
/// A pause shorter than this is how long a loop takes to come round.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// A program that hardly lived and is started after a longer pause than this is run by the clock: a check.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A life that is shorter than this part of the pause before it is not what the time is spent on.
const LIFE_OF_PAUSE: u32 = 20;
/// At any pace, from so many on …
const MANY: u64 = 100;
/// … over so long under a program of one's own, and under a shell.
const LONG: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));

/// How bad it is that a service's parent keeps starting it; `None` where these lives are none of a service.
pub(super) fn severity(
    ended: &Ended<'_>,
    respawns: &Respawns<'_>,
    limits: &DetectLimits,
) -> Option<Severity> {
    let needed = u64::from(limits.crash_loop_respawns);
    // What ran side by side (a pool, a batch) counts once for each time that it was started again.
    let lives = in_turn(respawns.lives);
    let all = u64::try_from(respawns.lives.len().max(1)).unwrap_or(u64::MAX);
    let total = respawns.total.saturating_mul(u64::try_from(lives.len()).unwrap_or(0)) / all;
    let starter = respawns.starter;
    let busy = respawns.of_children > respawns.total * SHARE;
    if total < needed || starter.has_terminal || starter.is_command || busy {
        return None;
    }
    let since = lives.last().map_or(Duration::ZERO, |it| it.ended.saturating_sub(limits.crash_loop_window));
    let recent = lives.iter().filter(|it| it.ended >= since).count();
    if recent < usize::try_from(needed).unwrap_or(usize::MAX) {
        return None;
    }
    let by_shell =
        !starter.loops_for_ever && (starter.is_shell || programs::is_shell_name(ended.parent_name));
    let pause = median(pauses(&lives));
    let own = programs::is_own_program(ended.process);
    let last = lives.last().map_or(Duration::ZERO, |it| it.ended);
    let long = if by_shell { LONG.1 } else { LONG.0 };
    if own && total >= MANY && last.saturating_sub(respawns.since) >= long && pause <= PAUSE_MAX {
        return Some(Severity::Warning);
    }
    let life = median(lives.iter().map(|it| it.ended.saturating_sub(it.started)));
    let works = life >= limits.crash_loop_life && life * LIFE_OF_PAUSE >= pause;
    let paced = !by_shell && (PAUSE_MIN..=PAUSE_MAX).contains(&pause) && total >= needed * 2;
    // A person's loop around a test looks the same for as long as nobody says who started the shell.
    let severity = if by_shell && !starter.is_service { Severity::Info } else { Severity::Warning };
    (works || own && (paced || backs_off(&lives))).then_some(severity)
}

/// Those lives that began when the one before was over: the most there are, taken in the order of their ends.
fn in_turn(lives: &[Life]) -> Vec<Life> {
    let mut turns: Vec<Life> = Vec::new();
    for life in lives {
        if turns.last().is_none_or(|before| life.started >= before.ended) {
            turns.push(*life);
        }
    }
    turns
}

/// The typical time from an end to the next start.
pub(super) fn typical_pause(lives: &[Life]) -> Duration {
    median(pauses(lives))
}

fn pauses(lives: &[Life]) -> impl Iterator<Item = Duration> {
    lives.windows(2).map(|two| two[1].started.saturating_sub(two[0].ended))
}

/// Each of the last pauses clearly longer than the one before: nothing but a supervisor does that.
fn backs_off(lives: &[Life]) -> bool {
    let pauses: Vec<_> = pauses(lives).collect();
    let Some(last) = pauses.len().checked_sub(4).map(|at| &pauses[at..]) else { return false };
    last[0] >= PAUSE_MIN / 4 && last.windows(2).all(|two| two[1] * 10 >= two[0] * 13)
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
