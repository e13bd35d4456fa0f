//! Crashes whose end has not been reported yet: from the signal to the exit it leads to, which may take as long
//! as the core dump does.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{ExitCause, ProcessKey};
use crate::observation::KernelCrash;

/// Most crashes waited for at once, with up to 14 KiB each.
const WAITING: usize = 256;
/// How long an end may take: a large core dump to a slow disk.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Default)]
pub(super) struct Crashes(HashMap<ProcessKey, Box<KernelCrash>>);

impl Crashes {
    /// A signal was generated; whether there was room to remember it.
    pub(super) fn add(&mut self, crash: Box<KernelCrash>) -> bool {
        if self.0.len() >= WAITING {
            let since = crash.at.saturating_sub(PATIENCE);
            self.0.retain(|_, waiting| waiting.at >= since);
        }
        // A second signal, after a handler gave up: the last one is what ends it.
        let room = self.0.len() < WAITING || self.0.contains_key(&crash.key);
        if room {
            self.0.insert(crash.key, crash);
        }
        room
    }

    /// The crash that a process is about to end of, or has.
    pub(super) fn of(&self, key: ProcessKey) -> Option<&KernelCrash> {
        self.0.get(&key).map(|crash| &**crash)
    }

    /// The crash that this end is the end of.
    pub(super) fn take(&mut self, key: ProcessKey, cause: ExitCause) -> Option<Box<KernelCrash>> {
        if self.0.is_empty() {
            return None;
        }
        let crash = self.0.remove(&key)?;
        (cause == ExitCause::Signal(crash.signal)).then_some(crash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(pid: u32, signal: u8, at: u64) -> Box<KernelCrash> {
        Box::new(KernelCrash {
            key: ProcessKey { pid, start_ticks: 1 },
            tid: pid,
            at: Duration::from_secs(at),
            signal,
            code: None,
            fault_address: None,
            sender: pid,
            sender_comm: Box::default(),
            capture: None,
        })
    }

    #[test]
    fn an_end_finds_its_own_crash_only() {
        let key = |pid| ProcessKey { pid, start_ticks: 1 };
        for (cause, want) in
            [(ExitCause::Signal(6), Some(6)), (ExitCause::Signal(11), None), (ExitCause::Status(0), None)]
        {
            let mut crashes = Crashes::default();
            crashes.add(crash(1, 11, 0));
            crashes.add(crash(1, 6, 1));
            assert_eq!(crashes.take(key(2), cause), None);
            assert_eq!(crashes.take(key(1), cause).map(|it| it.signal), want);
            assert_eq!(crashes.take(key(1), cause), None, "once");
        }
    }

    #[test]
    fn those_that_never_end_make_room_in_time() {
        let mut crashes = Crashes::default();
        let all = u32::try_from(WAITING).unwrap();
        assert!((0..all).all(|pid| crashes.add(crash(pid, 11, 0))));
        assert!(!crashes.add(crash(all, 11, 100)));
        assert!(crashes.add(crash(0, 11, 100)), "a known one");
        assert!(crashes.add(crash(all, 11, 301)));
        assert_eq!(crashes.0.len(), 2);
    }
}
