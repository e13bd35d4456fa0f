//! What each parent has started again after a bad end: the history behind the crash loops of programs that no known
//! supervisor looks after. Bounded in parents, in programs of each, and in lives of each of those.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::respawn::{Life, Respawns, StarterKind};
use crate::metrics::Metrics;
use crate::model::ProcessKey;
use crate::programs;
use crate::state::process::{Process, lossy};
use crate::state::table::Table;

/// Most parents remembered: those whose children ended badly lately.
const PARENTS: usize = 1024;
/// Most programs remembered of one parent.
const SERIES: usize = 8;
/// Most lives remembered of one program.
const LIVES: usize = 32;

/// So many shells above each other are one script.
const SHELLS_ABOVE: usize = 4;

/// A child's program: its arguments without what differs from one start to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChildShape(u64);

/// Bad ends by parent and program.
#[derive(Default)]
pub(super) struct Starters(HashMap<ProcessKey, Starter, RandomState>);

struct Starter {
    touched: Duration,
    /// Children that ended since the first that ended badly.
    children: u64,
    series: Vec<Series>,
}

struct Series {
    shape: ChildShape,
    lives: Vec<Life>,
    total: u64,
    since: Duration,
    /// The parent's children before the first of these.
    children_before: u64,
}

impl Starters {
    /// Whether any of this parent's children ended badly lately.
    pub(super) fn knows(&self, parent: ProcessKey) -> bool {
        self.0.contains_key(&parent)
    }

    /// A child of a known parent ended, well or otherwise; well: the count of its program starts anew.
    pub(super) fn ended(&mut self, parent: ProcessKey, succeeded: Option<ChildShape>) {
        let Some(starter) = self.0.get_mut(&parent) else { return };
        starter.children += 1;
        starter.series.retain(|series| Some(series.shape) != succeeded);
    }

    /// A child ended badly; how often its program has, by this parent.
    pub(super) fn failed(
        &mut self,
        parent: ProcessKey,
        shape: ChildShape,
        life: Life,
        metrics: &Metrics,
    ) -> Respawns<'_> {
        if self.0.len() >= PARENTS && !self.0.contains_key(&parent) {
            metrics.count_turned_away("respawn_parents", self.forget_longest_ago());
        }
        let new = || Starter { touched: life.ended, children: 0, series: Vec::new() };
        let starter = self.0.entry(parent).or_insert_with(new);
        starter.touched = life.ended;
        starter.children += 1;
        let at = starter.series.iter().position(|series| series.shape == shape).unwrap_or_else(|| {
            if starter.series.len() >= SERIES {
                // What failed longest ago is least likely to be a loop.
                let oldest = starter
                    .series
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, it)| it.lives.last().map(|it| it.ended));
                let oldest = oldest.map_or(0, |(at, _)| at);
                starter.series.swap_remove(oldest);
            }
            let children_before = starter.children - 1;
            starter.series.push(Series {
                shape,
                lives: Vec::new(),
                total: 0,
                since: life.ended,
                children_before,
            });
            starter.series.len() - 1
        });
        let series = &mut starter.series[at];
        if series.lives.len() >= LIVES {
            series.lives.remove(0);
        }
        series.lives.push(life);
        series.total += 1;
        Respawns {
            lives: &series.lives,
            total: series.total,
            since: series.since,
            of_children: starter.children - series.children_before,
            starter: StarterKind::default(),
        }
    }

    /// Makes room for a half: a burst of failing commands with a parent each must not search for each. How many
    /// went.
    fn forget_longest_ago(&mut self) -> u64 {
        let mut times: Vec<_> = self.0.values().map(|starter| starter.touched).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        let before = self.0.len();
        self.0.retain(|_, starter| starter.touched > middle);
        u64::try_from(before - self.0.len()).unwrap_or(u64::MAX)
    }
}

/// What kind of program starts others again, and whether it is a service itself.
pub(super) fn kind_of(table: &Table, starter: ProcessKey) -> StarterKind {
    let Some(process) = table.get(starter) else { return StarterKind::default() };
    let is_shell = |it: &&Process| it.end.is_none() && programs::runs_shell(&it.info());
    let parent = |it: &Process| table.live_by_pid(it.ppid);
    let mut kept = process;
    for _ in 0..SHELLS_ABOVE {
        // A subshell, or a script that a script runs, is there for as long as that one.
        let Some(above) = parent(kept).filter(|above| is_shell(&kept) && is_shell(above)) else { break };
        kept = above;
    }
    let parent_name = match parent(kept) {
        Some(above) => lossy(&above.comm),
        None => lossy(&kept.parent_comm),
    };
    StarterKind::of(
        &process.info(),
        process.session,
        (&kept.info(), &parent_name, kept.origin(), kept.session),
    )
}

impl ChildShape {
    /// Of the arguments, or of the name where there are none. `pids`: numbers that differ from one start to the next.
    pub(super) fn of(argv: &[String], name: &str, pids: [u32; 3]) -> Self {
        let mut hasher = DefaultHasher::new();
        if argv.is_empty() {
            name.hash(&mut hasher);
        }
        for argument in argv {
            stable(argument, &pids.map(|pid| pid.to_string())).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// The argument with pids and the random parts of temporary paths replaced.
fn stable(argument: &str, pids: &[String]) -> String {
    let digits = |c: char| c.is_ascii_digit();
    let mut out = String::with_capacity(argument.len());
    let temporary = ["/tmp/", "/dev/shm/", "/run/"].iter().filter_map(|root| argument.find(root)).min();
    let mut rest = argument;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if word == 0 {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..step]);
            rest = &rest[step..];
            continue;
        }
        let (text, at) = (&rest[..word], argument.len() - rest.len());
        let is_pid = text.chars().all(digits) && pids.iter().any(|pid| pid == text);
        let random = temporary.is_some_and(|start| at > start) && is_random(text);
        out.push_str(if is_pid || random { "*" } else { text });
        rest = &rest[word..];
    }
    out
}

/// What mktemp(3) and its like put into a name: letters and digits mixed, or `tmp` and more.
fn is_random(word: &str) -> bool {
    let tail = word.strip_prefix("tmp").filter(|tail| tail.len() >= 5);
    let has = |of: fn(&char) -> bool| word.chars().any(|c| of(&c));
    let kinds = [char::is_ascii_digit, char::is_ascii_lowercase, char::is_ascii_uppercase].map(has);
    tail.is_some()
        || word.len() >= 6 && kinds.into_iter().filter(|kind| *kind).count() >= 2
        || word.len() >= 4 && word.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey { pid, start_ticks: 1 }
    }

    fn shape(argv: &[&str], pids: [u32; 3]) -> ChildShape {
        ChildShape::of(&argv.iter().map(|&it| it.to_owned()).collect::<Vec<_>>(), "name", pids)
    }

    fn life(second: u64) -> Life {
        Life { started: Duration::from_secs(second), ended: Duration::from_secs(second + 1) }
    }

    #[test]
    fn arguments_that_differ_in_pids_and_temporary_paths_only_are_the_same() {
        for (one, other, same) in [
            (&["srv", "--pid", "77"][..], &["srv", "--pid", "99"][..], true),
            (&["srv", "--sock=/tmp/tmp.4fJk2Lq9xZ/s"], &["srv", "--sock=/tmp/tmp.8GhT1wQp0a/s"], true),
            (&["srv", "/tmp/tmpab12cd34/x.conf"], &["srv", "/tmp/tmpzy98xw76/x.conf"], true),
            (&["srv", "/run/app-4711.sock"], &["srv", "/run/app-4712.sock"], true),
            (&["case", "101"], &["case", "102"], false),
            (&["srv", "/tmp/one.conf"], &["srv", "/tmp/two.conf"], false),
            (&["srv", "/data/tmp.4fJk2Lq9xZ"], &["srv", "/data/tmp.8GhT1wQp0a"], false),
            (&["srv", "é\u{202e}"], &["srv", "é"], false),
            (&["a", "bc"], &["ab", "c"], false),
        ] {
            assert_eq!(shape(one, [77, 7, 1]) == shape(other, [99, 7, 1]), same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_success_starts_the_count_anew() {
        let (mut starters, metrics) = (Starters::default(), Metrics::new());
        let (a, b) = (shape(&["a"], [0; 3]), shape(&["b"], [0; 3]));
        assert!(!starters.knows(key(1)));
        starters.failed(key(1), a, life(1), &metrics);
        starters.failed(key(1), b, life(2), &metrics);
        starters.ended(key(1), None);
        let it = starters.failed(key(1), a, life(3), &metrics);
        assert_eq!(
            (it.total, it.of_children, it.since, it.lives),
            (2, 4, life(1).ended, &[life(1), life(3)][..])
        );
        starters.ended(key(1), Some(a));
        assert_eq!(starters.failed(key(1), a, life(4), &metrics).total, 1);
        assert_eq!(starters.failed(key(1), b, life(5), &metrics).total, 2, "another program's count goes on");
        assert_eq!(starters.failed(key(2), a, life(6), &metrics).total, 1, "another parent");
    }

    #[test]
    fn every_part_is_bounded() {
        let (mut starters, metrics) = (Starters::default(), Metrics::new());
        for second in 0..100 {
            starters.failed(key(1), shape(&["a"], [0; 3]), life(second), &metrics);
        }
        let it = starters.failed(key(1), shape(&["a"], [0; 3]), life(100), &metrics);
        assert_eq!((it.lives.len(), it.total), (LIVES, 101));
        for number in 0..100 {
            starters.failed(key(1), shape(&[&number.to_string()], [0; 3]), life(200 + number), &metrics);
        }
        assert_eq!(starters.0[&key(1)].series.len(), SERIES);
        for pid in 0..5000 {
            starters.failed(key(pid), shape(&["a"], [0; 3]), life(u64::from(1000 + pid)), &metrics);
        }
        assert!(starters.0.len() <= PARENTS && starters.knows(key(4999)));
        let text = metrics.render();
        assert!(text.contains("respawn_parents"), "{text}");
    }
}
