//! Who ended of something just now, by parent, for a moment: a parent that then ends in the same way passes the news on.

use std::collections::VecDeque;
use std::time::Duration;

use super::signals::Generated;
use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::Relayed;
use crate::model::{ExitCause, ProcessKey};
use crate::observation::FatalSignal;

/// From a child's end to what its parent makes of it: a wait(2) that returns, on a busy machine.
pub(super) const MOMENT: Duration = Duration::from_secs(2);
/// The same for a parent that is there for its child's end alone: a container's is cleaned up after first.
pub(super) const LONG_MOMENT: Duration = Duration::from_secs(10);
/// Who sends a signal to its whole group may be gone before its child is.
const SLACK: Duration = Duration::from_millis(100);
/// Ends below each other that one is passed on through.
const DEPTH: usize = 8;
/// Most ends remembered: what is forgotten early costs a second incident for one fault.
const ENDS: usize = 256;

/// One that ended.
struct Fall {
    at: Duration,
    parent: ProcessKey,
    child: ProcessKey,
    end: Relayed,
    /// What ended it, where that was not told of.
    signal: Option<Generated>,
}

/// An end that a process passes on.
pub(super) struct PassedOn {
    /// Whose it was first.
    pub(super) child: ProcessKey,
    pub(super) parent: ProcessKey,
    pub(super) end: Relayed,
}

/// The ends of the last moment, oldest first.
#[derive(Default)]
pub(super) struct Fallen(VecDeque<Fall>);

impl Fallen {
    /// A child of `parent` ended; nothing was told of it yet.
    pub(super) fn add(
        &mut self,
        parent: ProcessKey,
        child: ProcessKey,
        name: Who,
        cause: ExitCause,
        at: Duration,
    ) {
        if cause.is_unremarkable() {
            return;
        }
        while self.0.front().is_some_and(|it| self.0.len() >= ENDS || it.at + LONG_MOMENT < at) {
            self.0.pop_front();
        }
        self.0.push_back(Fall {
            at,
            parent,
            child,
            end: Relayed { child: name, cause, told: false },
            signal: None,
        });
    }

    /// Something was found wrong with the end of this one.
    pub(super) fn told_of(&mut self, child: ProcessKey) {
        self.0.iter_mut().filter(|it| it.child == child).for_each(|it| it.end.told = true);
    }

    /// Nothing was told of this one's end, as far as it was judged by itself.
    pub(super) fn keep_signal(&mut self, child: ProcessKey, signal: Generated) {
        if let Some(fall) = self.0.iter_mut().find(|it| it.child == child) {
            fall.signal = Some(signal);
        }
    }

    /// What ended this one, where that was kept.
    pub(super) fn take_signal(&mut self, child: ProcessKey) -> Option<Generated> {
        self.0.iter_mut().find(|it| it.child == child)?.signal.take()
    }

    /// Whether a child of the process had just ended by this signal when it came.
    pub(super) fn is_after_child(&self, signal: &FatalSignal) -> bool {
        let by = ExitCause::Signal(signal.signal);
        self.children(signal.key, signal.at, MOMENT).any(|fall| fall.end.cause == by)
    }

    /// The child's end that the process passes on by its own, which was so at `at`: by the same status or signal, or by
    /// 128 + the signal, as shells do (sh(1), "Exit status"). Where the child passed on an end itself, that one.
    pub(super) fn passed_on(
        &self,
        process: ProcessKey,
        cause: ExitCause,
        at: Duration,
        moment: Duration,
    ) -> Option<PassedOn> {
        let mut fall = self.cause_of(process, cause, at, moment)?;
        let mut told = fall.end.told;
        for _ in 0..DEPTH {
            let Some(below) = self.cause_of(fall.child, fall.end.cause, fall.at, moment) else { break };
            told |= below.end.told;
            fall = below;
        }
        Some(PassedOn { child: fall.child, parent: fall.parent, end: Relayed { told, ..fall.end.clone() } })
    }

    fn cause_of(
        &self,
        process: ProcessKey,
        cause: ExitCause,
        at: Duration,
        moment: Duration,
    ) -> Option<&Fall> {
        let passes = |fall: &&Fall| match (fall.end.cause, cause) {
            (child, own) if child == own => true,
            (ExitCause::Signal(signal), ExitCause::Status(status)) => status.checked_sub(128) == Some(signal),
            _ => false,
        };
        // One that was told of, if there is one: several may end in the same way.
        self.children(process, at + SLACK, moment + SLACK).filter(passes).max_by_key(|fall| fall.end.told)
    }

    fn children(&self, parent: ProcessKey, at: Duration, moment: Duration) -> impl Iterator<Item = &Fall> {
        self.0.iter().filter(move |it| it.parent == parent && it.at <= at && it.at + moment >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: ProcessKey = ProcessKey { pid: 5, start_ticks: 50 };

    /// A child of the parent ended.
    fn end(fallen: &mut Fallen, pid: u32, cause: ExitCause, at_s: u64) -> ProcessKey {
        let child = ProcessKey { pid, start_ticks: 70 };
        fallen.add(PARENT, child, Who { name: "child".into(), pid }, cause, Duration::from_secs(at_s));
        child
    }

    fn signal(pid: u32, start_ticks: u64, signal: u8, at_ms: u64) -> FatalSignal {
        FatalSignal {
            key: ProcessKey { pid, start_ticks },
            at: Duration::from_millis(at_ms),
            ..FatalSignal::sample(signal, Some(0), pid)
        }
    }

    #[test]
    fn a_parents_signal_follows_its_childs_at_once() {
        let mut fallen = Fallen::default();
        for cause in [ExitCause::Signal(11), ExitCause::Status(6), ExitCause::Status(0), ExitCause::Unknown] {
            end(&mut fallen, 7, cause, 10);
        }
        for (what, signal, want) in [
            ("at once", signal(5, 50, 11, 10_001), true),
            ("another signal", signal(5, 50, 6, 10_001), false),
            ("another's child", signal(6, 50, 11, 10_001), false),
            ("a pid used again", signal(5, 60, 11, 10_001), false),
            ("before it", signal(5, 50, 11, 9_999), false),
            ("long after", signal(5, 50, 11, 12_001), false),
        ] {
            assert_eq!(fallen.is_after_child(&signal), want, "{what}");
        }
    }

    #[test]
    fn the_same_end_or_a_shells_word_for_it_is_passed_on() {
        use ExitCause::{Signal, Status};
        for (child, own, want) in [
            (Status(7), Status(7), true),
            (Status(7), Status(8), false),
            (Signal(11), Status(139), true),
            (Signal(11), Signal(11), true),
            (Signal(11), Status(138), false),
            (Status(137), Signal(9), false),
            (Status(139), Status(11), false),
        ] {
            let mut fallen = Fallen::default();
            end(&mut fallen, 7, child, 10);
            let found = |at_s| fallen.passed_on(PARENT, own, Duration::from_secs(at_s), MOMENT).is_some();
            assert_eq!(found(10), want, "{child:?} {own:?}");
            assert!(!found(13), "long after");
        }
    }

    #[test]
    fn of_several_children_the_one_that_was_told_of_counts() {
        let mut fallen = Fallen::default();
        let children = [7, 8, 9].map(|pid| end(&mut fallen, pid, ExitCause::Status(3), 1));
        let found = |fallen: &Fallen| {
            let it = fallen.passed_on(PARENT, ExitCause::Status(3), Duration::from_secs(1), MOMENT).unwrap();
            (it.child.pid, it.end.told)
        };
        assert!(!found(&fallen).1, "nothing was told yet");
        fallen.told_of(children[1]);
        assert_eq!(found(&fallen), (8, true));
    }

    #[test]
    fn a_storm_of_ends_is_bounded() {
        let mut fallen = Fallen::default();
        for pid in 0..u32::try_from(ENDS).unwrap() + 50 {
            end(&mut fallen, pid, ExitCause::Signal(11), 1);
        }
        assert_eq!(fallen.0.len(), ENDS);
        end(&mut fallen, 1, ExitCause::Signal(6), 12);
        assert_eq!(fallen.0.len(), 1, "a moment later");
    }

    #[test]
    fn an_end_is_passed_on_through_several_and_told_of_once() {
        let mut fallen = Fallen::default();
        let key = |pid| ProcessKey { pid, start_ticks: 70 };
        let second = Duration::from_secs(1);
        // 9 below 8 below 7 below the parent; and a sibling that ended otherwise.
        for (child, parent, cause, at) in [
            (9, key(8), ExitCause::Signal(9), second),
            (8, key(7), ExitCause::Status(137), 2 * second),
            (6, PARENT, ExitCause::Status(1), 2 * second),
            (7, PARENT, ExitCause::Status(137), 3 * second),
        ] {
            fallen.add(parent, key(child), Who { name: "x".into(), pid: child }, cause, at);
        }
        let found = |fallen: &Fallen, moment| {
            let it = fallen.passed_on(PARENT, ExitCause::Status(137), 6 * second, moment);
            it.map(|it| (it.child.pid, it.end.cause, it.end.told))
        };
        assert_eq!(found(&fallen, MOMENT), None, "too long ago for who does something else meanwhile");
        assert_eq!(found(&fallen, LONG_MOMENT), Some((9, ExitCause::Signal(9), false)));
        fallen.told_of(key(8));
        assert_eq!(found(&fallen, LONG_MOMENT), Some((9, ExitCause::Signal(9), true)));
    }
}
