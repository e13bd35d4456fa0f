//! Endless recursion: the functions that call each other in turn. Where in a turn the stack ran out, and how deep it
//! was, differs each time; the turn does not.

use super::Stack;

/// Frames of one turn.
const TURN_MAX: usize = 24;
/// Frames above the first turn: what a turn had called when the stack ran out.
const LEAD_MAX: usize = 24;
/// Turns that make a recursion of what might be a chain of calls.
const TURNS_MIN: usize = 3;
/// Frames that such turns have at least.
const FRAMES_MIN: usize = 6;

/// One turn of a recursion: which frames, counted from 0, from the function on whose word comes first in the alphabet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The frames of the turn, each called by the next one.
    pub turn: Vec<usize>,
    /// How many frames belong to the recursion.
    pub frames: usize,
}

impl Stack {
    /// The recursion that fills the stack, if there is one.
    pub fn cycle(&self) -> Option<Cycle> {
        let sites: Vec<_> = self.frames.iter().map(super::Frame::site).collect();
        exact(&sites).or_else(|| loose(&sites))
    }

    /// The same word wherever in the recursion the stack ran out.
    pub fn cycle_site(&self, cycle: &Cycle) -> String {
        let mut sites: Vec<_> = cycle.turn.iter().filter_map(|at| self.frames.get(*at)?.site()).collect();
        sites.dedup();
        format!("recursion of {}", sites.join(" "))
    }
}

/// The same few functions in the same order, at least three times.
fn exact(sites: &[Option<String>]) -> Option<Cycle> {
    let equal = |at: usize, turn: usize| sites[at].is_some() && sites.get(at + turn) == Some(&sites[at]);
    for begin in 0..sites.len().min(LEAD_MAX) {
        for turn in 1..=TURN_MAX {
            let alike = (begin..sites.len()).take_while(|at| equal(*at, turn)).count();
            let frames = alike + turn;
            if alike > 0 && frames >= FRAMES_MIN && frames / turn >= TURNS_MIN {
                let rotations = (begin..begin + turn).map(|from| {
                    let frames: Vec<_> = (from..from + turn).collect();
                    (frames.iter().map(|at| &sites[*at]).collect::<Vec<_>>(), frames)
                });
                let first = rotations.min_by(|a, b| a.0.cmp(&b.0))?;
                return Some(Cycle { turn: first.1, frames });
            }
        }
    }
    None
}

/// Turns that differ, as of what walks a tree: the function that is there most often, of two the one whose word comes
/// first, where it makes up a third of what is there.
fn loose(sites: &[Option<String>]) -> Option<Cycle> {
    let count = |site: &String| sites.iter().flatten().filter(|it| *it == site).count();
    let mut counted: Vec<_> = sites.iter().flatten().map(|site| (count(site), site)).collect();
    counted.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let (often, site) = counted.first()?;
    if *often < FRAMES_MIN || often * 3 < sites.len() {
        return None;
    }
    // Those that are there again and again belong to it.
    let frames = counted.iter().filter(|(count, _)| *count >= TURNS_MIN).count();
    let first = sites.iter().position(|it| it.as_ref() == Some(*site))?;
    Some(Cycle { turn: vec![first], frames })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Frame;

    /// A stack of these functions of one program, the crashing one first; `?` is in no file.
    fn stack(functions: &[&str]) -> Stack {
        let frame = |function: &&str| Frame {
            module: (*function != "?").then(|| "/usr/bin/app".to_owned()),
            function: (*function != "?").then(|| (*function).to_owned()),
            ..Frame::default()
        };
        Stack { frames: functions.iter().map(frame).collect(), ..Stack::default() }
    }

    fn site(functions: &[&str]) -> Option<String> {
        let stack = stack(functions);
        stack.cycle().map(|cycle| stack.cycle_site(&cycle))
    }

    #[test]
    fn one_recursion_is_one_word_wherever_it_ran_out() {
        let turns = |names: &[&'static str], count: usize| -> Vec<&'static str> {
            names.iter().copied().cycle().take(count).collect()
        };
        for (names, want) in [
            (&["walk"][..], "recursion of app!walk"),
            (&["a", "b"], "recursion of app!a app!b"),
            (
                &["list_repr", "PyObject_Repr", "eval"],
                "recursion of app!PyObject_Repr app!eval app!list_repr",
            ),
            (&["a", "a", "b"], "recursion of app!a app!b"),
        ] {
            for depth in [12, 13, 40, 64] {
                for skip in 0..names.len() {
                    for lead in [&[][..], &["strlen"], &["memcpy", "copy"]] {
                        let rest = turns(names, depth + skip);
                        let all: Vec<_> = lead.iter().copied().chain(rest[skip..].iter().copied()).collect();
                        assert_eq!(site(&all).as_deref(), Some(want), "{all:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_walk_whose_turns_differ_is_named_after_what_is_there_most_often() {
        let walk =
            ["visit", "list", "visit", "dict", "visit", "list", "visit", "visit", "dict", "visit", "main"];
        assert_eq!(site(&walk).as_deref(), Some("recursion of app!visit"));
        assert_eq!(site(&walk[3..]), None, "too little of it");
    }

    #[test]
    fn a_chain_of_calls_is_no_recursion() {
        for functions in [
            &["a", "b", "c", "d", "e", "f", "g", "main"][..],
            &["a", "a", "main"],
            &["a", "b", "a", "b", "main"],
            &["retry", "retry", "retry", "retry", "retry", "main"],
            &["?", "?", "?", "?", "?", "?", "?", "?"],
            &[],
        ] {
            assert_eq!(stack(functions).cycle(), None, "{functions:?}");
        }
    }

    #[test]
    fn functions_without_names_are_told_apart_by_their_place() {
        let frame = |offset| Frame {
            module: Some("/usr/bin/app".to_owned()),
            build_id: Some("abcd".to_owned()),
            offset: Some(offset),
            ..Frame::default()
        };
        let deep = |from: usize| Stack {
            frames: [0x14a3, 0x1452].into_iter().cycle().skip(from).take(30).map(frame).collect(),
            ..Stack::default()
        };
        let sites = [0, 1].map(|from| deep(from).cycle().map(|cycle| deep(from).cycle_site(&cycle)));
        assert_eq!(sites[0].as_deref(), Some("recursion of abcd+0x1452 abcd+0x14a3"));
        assert_eq!(sites[0], sites[1]);
    }
}
