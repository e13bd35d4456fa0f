//! Children that ended by a signal of a crash, by parent, for a moment: a parent that then sends itself the same
//! signal passes the news on.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{ExitCause, ProcessKey, is_crash_signal};
use crate::observation::KernelCrash;

/// From a child's end to the signal that its parent sends itself: a wait(2) that returns, on a busy machine.
const MOMENT: Duration = Duration::from_secs(2);
/// Most ends remembered: what is forgotten early costs a second incident for one crash.
const ENDS: usize = 256;

/// The ends of the last moment, oldest first.
#[derive(Default)]
pub(super) struct Fallen(VecDeque<(Duration, ProcessKey, u8)>);

impl Fallen {
    /// A child of `parent` ended.
    pub(super) fn add(&mut self, parent: ProcessKey, cause: ExitCause, at: Duration) {
        let ExitCause::Signal(signal) = cause else { return };
        if !is_crash_signal(signal) {
            return;
        }
        while self.0.front().is_some_and(|(before, ..)| self.0.len() >= ENDS || *before + MOMENT < at) {
            self.0.pop_front();
        }
        self.0.push_back((at, parent, signal));
    }

    /// Whether a child of the process had just ended by this signal when it came.
    pub(super) fn is_after_child(&self, crash: &KernelCrash) -> bool {
        self.0.iter().any(|(at, parent, signal)| {
            *parent == crash.key && *signal == crash.signal && *at <= crash.at && *at + MOMENT >= crash.at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(pid: u32, start_ticks: u64, signal: u8, at_ms: u64) -> KernelCrash {
        KernelCrash {
            key: ProcessKey { pid, start_ticks },
            tid: pid,
            at: Duration::from_millis(at_ms),
            signal,
            code: Some(0),
            fault_address: None,
            sender: pid,
            sender_comm: Box::default(),
            capture: None,
        }
    }

    #[test]
    fn a_parents_signal_follows_its_childs_at_once() {
        let mut fallen = Fallen::default();
        let parent = ProcessKey { pid: 5, start_ticks: 50 };
        fallen.add(parent, ExitCause::Signal(11), Duration::from_secs(10));
        fallen.add(parent, ExitCause::Signal(15), Duration::from_secs(10));
        fallen.add(parent, ExitCause::Status(6), Duration::from_secs(10));
        for (what, crash, want) in [
            ("at once", crash(5, 50, 11, 10_001), true),
            ("another signal", crash(5, 50, 6, 10_001), false),
            ("another's child", crash(6, 50, 11, 10_001), false),
            ("a pid used again", crash(5, 60, 11, 10_001), false),
            ("before it", crash(5, 50, 11, 9_999), false),
            ("long after", crash(5, 50, 11, 12_001), false),
            ("no signal of a crash", crash(5, 50, 15, 10_001), false),
        ] {
            assert_eq!(fallen.is_after_child(&crash), want, "{what}");
        }
    }

    #[test]
    fn a_storm_of_crashes_is_bounded() {
        let mut fallen = Fallen::default();
        for pid in 0..u32::try_from(ENDS).unwrap() + 50 {
            let parent = ProcessKey { pid, start_ticks: 1 };
            fallen.add(parent, ExitCause::Signal(11), Duration::from_secs(1));
        }
        assert_eq!(fallen.0.len(), ENDS);
        fallen.add(ProcessKey { pid: 1, start_ticks: 1 }, ExitCause::Signal(6), Duration::from_secs(9));
        assert_eq!(fallen.0.len(), 1, "a moment later");
    }
}
