//! Counting what went wrong: pure functions from what Slack, the model and the store have seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::peers::Message;

/// What a daemon may need from reading an answer to having it on disk, on a busy machine.
const READ_MS: i64 = 1_000;

/// Most requests within any one minute.
pub(super) fn busiest_minute(at_ms: &[i64]) -> usize {
    let mut at_ms = at_ms.to_vec();
    at_ms.sort_unstable();
    (0..at_ms.len())
        .map(|n| at_ms[n..].iter().take_while(|it| **it < at_ms[n] + 60_000).count())
        .max()
        .unwrap_or(0)
}

/// An alert of its own: how severe, when it was due, when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) grave: bool,
    pub(super) due_ms: i64,
    pub(super) sent_ms: i64,
}

/// Less severe alerts that went out while a more severe one had been due for longer than the pace allows for.
pub(super) fn out_of_order(deliveries: &[Delivery], allowed_ms: i64) -> usize {
    let overtaken = |it: &Delivery| {
        deliveries
            .iter()
            .any(|other| other.grave && other.due_ms + allowed_ms < it.sent_ms && other.sent_ms > it.sent_ms)
    };
    deliveries.iter().filter(|it| !it.grave && overtaken(it)).count()
}

/// Messages about one incident that came earlier than the schedule of reminders allows.
pub(super) fn off_schedule(at_ms: &[i64], first_ms: i64, allowed_ms: i64) -> usize {
    let factors = [1, 6, 36, 144];
    let gaps = at_ms.windows(2).map(|pair| pair[1] - pair[0]);
    let wanted = factors.into_iter().chain(std::iter::repeat(144)).map(|factor| factor * first_ms);
    gaps.zip(wanted).filter(|(gap, wanted)| *gap + allowed_ms < *wanted).count()
}

/// Messages that came more than once for one incident.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repeats {
    pub(super) all: usize,
    /// They do not say that they may be repeats.
    pub(super) unmarked: usize,
    /// No daemon was killed between the two, or the answer was there long before that.
    pub(super) without_cause: usize,
}

/// Of a run in which each incident has one thing to tell.
pub(super) fn repeats(messages: &[Message], kills_ms: &[i64]) -> Repeats {
    let mut last: BTreeMap<&str, &Message> = BTreeMap::new();
    let mut found = Repeats::default();
    for message in messages {
        let Some(earlier) = last.insert(&message.about, message) else { continue };
        found.all += 1;
        found.unmarked += usize::from(!message.may_repeat);
        let unread = |kill: &i64| {
            let in_time = (earlier.at_ms..=message.at_ms).contains(kill);
            in_time && earlier.answered_ms.is_none_or(|answered| *kill <= answered + READ_MS)
        };
        found.without_cause += usize::from(!kills_ms.iter().any(unread));
    }
    found
}

/// Those that are missing.
pub(super) fn missing<'a>(wanted: &'a BTreeSet<String>, have: &'a BTreeSet<String>) -> Vec<&'a str> {
    wanted.difference(have).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_minute_is_any_sixty_seconds() {
        for (at_s, want) in [(vec![], 0), (vec![5], 1), (vec![61, 0, 59, 60], 3), (vec![0, 60, 120], 1)] {
            let at_ms: Vec<i64> = at_s.iter().map(|it| it * 1000).collect();
            assert_eq!(busiest_minute(&at_ms), want, "{at_s:?}");
        }
    }

    #[test]
    fn the_worst_goes_first_once_it_is_due() {
        let it = |grave, due_ms, sent_ms| Delivery { grave, due_ms, sent_ms };
        for (deliveries, want) in [
            (vec![it(true, 0, 1), it(false, 0, 2)], 0),
            (vec![it(false, 0, 1500), it(true, 0, 2500)], 1),
            // Within the pace, or before it was due.
            (vec![it(false, 0, 900), it(true, 0, 1900)], 0),
            (vec![it(false, 0, 5000), it(true, 4500, 6000)], 0),
            // It was there already.
            (vec![it(true, 0, 10), it(false, 0, 5000), it(false, 0, 6000)], 0),
        ] {
            assert_eq!(out_of_order(&deliveries, 1000), want, "{deliveries:?}");
        }
    }

    #[test]
    fn reminders_widen() {
        for (at_s, want) in [
            (vec![0], 0),
            (vec![0, 10, 70, 430], 0),
            (vec![0, 9, 69], 0),
            (vec![0, 5], 1),
            (vec![0, 10, 20], 1),
            (vec![0, 1, 2, 3], 3),
        ] {
            let at_ms: Vec<i64> = at_s.iter().map(|it| it * 1000).collect();
            assert_eq!(off_schedule(&at_ms, 10_000, 1000), want, "{at_s:?}");
        }
    }

    #[test]
    fn a_repeat_needs_a_kill_and_says_so() {
        let it = |about: &str, at_ms, answered_ms, may_repeat| Message {
            about: about.into(),
            at_ms,
            answered_ms,
            may_repeat,
            ..Message::default()
        };
        let check = |messages: &[Message], kills: &[i64], all, unmarked, without_cause| {
            assert_eq!(
                repeats(messages, kills),
                Repeats { all, unmarked, without_cause },
                "{messages:?} {kills:?}"
            );
        };
        check(&[it("a", 0, Some(1), false), it("b", 5, Some(6), false)], &[], 0, 0, 0);
        check(&[it("a", 0, None, false), it("a", 5000, Some(5001), true)], &[100], 1, 0, 0);
        check(&[it("a", 0, Some(90), false), it("a", 5000, Some(5001), true)], &[100], 1, 0, 0);
        check(&[it("a", 0, None, false), it("a", 5000, Some(5001), false)], &[100], 1, 1, 0);
        check(&[it("a", 0, Some(1), false), it("a", 5000, Some(5001), true)], &[4000], 1, 0, 1);
        check(&[it("a", 0, None, false), it("a", 5000, Some(5001), true)], &[6000], 1, 0, 1);
    }

    #[test]
    fn what_is_missing() {
        let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(missing(&set(&["a", "b"]), &set(&["b", "c"])), ["a"]);
        assert!(missing(&set(&[]), &set(&["a"])).is_empty());
    }
}
