//! Who ended of something just now, by parent, for a moment: a parent that then ends in the same way passes the news on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::Relayed;
use crate::model::{ExitCause, ProcessKey};
use crate::observation::FatalSignal;

/// From a child's end to what its parent makes of it: a wait(2) that returns, on a busy machine.
const MOMENT: Duration = Duration::from_secs(2);
/// Most ends remembered: what is forgotten early costs a second incident for one fault.
const ENDS: usize = 256;

/// One that ended.
struct Fall {
    at: Duration,
    parent: ProcessKey,
    child: ProcessKey,
    end: Relayed,
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
        while self.0.front().is_some_and(|it| self.0.len() >= ENDS || it.at + MOMENT < at) {
            self.0.pop_front();
        }
        self.0.push_back(Fall { at, parent, child, end: Relayed { child: name, cause, told: false } });
    }

    /// Something was found wrong with the end of this one.
    pub(super) fn told_of(&mut self, child: ProcessKey) {
        self.0.iter_mut().filter(|it| it.child == child).for_each(|it| it.end.told = true);
    }

    /// Whether a child of the process had just ended by this signal when it came.
    pub(super) fn is_after_child(&self, signal: &FatalSignal) -> bool {
        self.children(signal.key, signal.at).any(|end| end.cause == ExitCause::Signal(signal.signal))
    }

    /// The child's end that the process passes on by its own, which was so at `at`: by the same status or signal, or by
    /// 128 + the signal, as shells do (sh(1), "Exit status").
    pub(super) fn passed_on(&self, process: ProcessKey, cause: ExitCause, at: Duration) -> Option<Relayed> {
        let passes = |end: &&Relayed| match (end.cause, cause) {
            (child, own) if child == own => true,
            (ExitCause::Signal(signal), ExitCause::Status(status)) => status.checked_sub(128) == Some(signal),
            _ => false,
        };
        // One that was told of, if there is one: several may end in the same way.
        self.children(process, at).filter(passes).max_by_key(|end| end.told).cloned()
    }

    fn children(&self, parent: ProcessKey, at: Duration) -> impl Iterator<Item = &Relayed> {
        let just = self.0.iter().filter(move |it| it.parent == parent && it.at <= at && it.at + MOMENT >= at);
        just.map(|it| &it.end)
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
            let found = |at_s| fallen.passed_on(PARENT, own, Duration::from_secs(at_s)).is_some();
            assert_eq!(found(10), want, "{child:?} {own:?}");
            assert!(!found(13), "long after");
        }
    }

    #[test]
    fn of_several_children_the_one_that_was_told_of_counts() {
        let mut fallen = Fallen::default();
        let children = [7, 8, 9].map(|pid| end(&mut fallen, pid, ExitCause::Status(3), 1));
        let found = |fallen: &Fallen| {
            let it = fallen.passed_on(PARENT, ExitCause::Status(3), Duration::from_secs(1)).unwrap();
            (it.child.pid, it.told)
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
        end(&mut fallen, 1, ExitCause::Signal(6), 9);
        assert_eq!(fallen.0.len(), 1, "a moment later");
    }
}
