//! Signals whose end has not been reported yet: from the signal to the exit it leads to, which may take as long as the
//! core dump does.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{ExitCause, ProcessKey, SignalSource};
use crate::observation::FatalSignal;

/// Most that are waited for at once with a capture of the stack, of up to 14 KiB each.
const CAPTURED: usize = 256;
/// Most others.
const PLAIN: usize = 1024;
/// How long an end may take: a large core dump to a slow disk.
const PATIENCE: Duration = Duration::from_secs(300);

/// A signal, and where it came from: what was known of the sender then, for it may be gone when the signal has done its
/// work.
pub(super) struct Generated {
    pub(super) signal: Box<FatalSignal>,
    pub(super) source: Box<SignalSource>,
}

impl Generated {
    /// Whether this end is the end of it.
    pub(super) fn ends_with(&self, cause: ExitCause) -> bool {
        cause == ExitCause::Signal(self.signal.signal)
    }
}

/// Those that were generated. The ones with captures have room of their own: many that are killed at once must not cost
/// a crash its stack.
pub(super) struct Signals {
    captured: Waiting,
    plain: Waiting,
}

impl Default for Signals {
    fn default() -> Self {
        Self { captured: Waiting::new(CAPTURED), plain: Waiting::new(PLAIN) }
    }
}

impl Signals {
    /// A signal was generated; whether there was room to remember it.
    pub(super) fn add(&mut self, it: Generated) -> bool {
        let waiting = if it.signal.capture.is_some() { &mut self.captured } else { &mut self.plain };
        waiting.add(it)
    }

    /// The last signal that a process is about to end of, or has.
    pub(super) fn of(&self, key: ProcessKey) -> Option<&Generated> {
        let both = [&self.captured, &self.plain].into_iter().filter_map(|it| it.signals.get(&key));
        both.max_by_key(|it| it.signal.at)
    }

    /// A process ended, and nobody asks by what.
    pub(super) fn forget(&mut self, key: ProcessKey) {
        self.captured.signals.remove(&key);
        self.plain.signals.remove(&key);
    }

    /// The signal that this end is the end of: of two the later one.
    pub(super) fn take(&mut self, key: ProcessKey, cause: ExitCause) -> Option<Generated> {
        let both = [self.captured.take(key, cause), self.plain.take(key, cause)];
        both.into_iter().flatten().max_by_key(|it| it.signal.at)
    }
}

/// Signals of one sort, by the process they end.
struct Waiting {
    most: usize,
    signals: HashMap<ProcessKey, Generated>,
}

impl Waiting {
    fn new(most: usize) -> Self {
        Self { most, signals: HashMap::new() }
    }

    fn add(&mut self, it: Generated) -> bool {
        let (key, at) = (it.signal.key, it.signal.at);
        if self.signals.len() >= self.most {
            let since = at.saturating_sub(PATIENCE);
            self.signals.retain(|_, waiting| waiting.signal.at >= since);
        }
        // A second signal, after a handler gave up: the last one is what ends it.
        let room = self.signals.len() < self.most || self.signals.contains_key(&key);
        if room {
            self.signals.insert(key, it);
        }
        room
    }

    fn take(&mut self, key: ProcessKey, cause: ExitCause) -> Option<Generated> {
        if self.signals.is_empty() {
            return None;
        }
        let it = self.signals.remove(&key)?;
        it.ends_with(cause).then_some(it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SignalWay;
    use crate::observation::StackCapture;

    fn crash(pid: u32, signal: u8, at: u64) -> Generated {
        let signal = FatalSignal {
            key: ProcessKey { pid, start_ticks: 1 },
            at: Duration::from_secs(at),
            ..FatalSignal::sample(signal, None, pid)
        };
        let source = SignalSource { way: SignalWay::Fault, sender: None };
        Generated { signal: Box::new(signal), source: Box::new(source) }
    }

    #[test]
    fn an_end_finds_its_own_crash_only() {
        let key = |pid| ProcessKey { pid, start_ticks: 1 };
        for (cause, want) in
            [(ExitCause::Signal(6), Some(6)), (ExitCause::Signal(11), None), (ExitCause::Status(0), None)]
        {
            let mut crashes = Signals::default();
            crashes.add(crash(1, 11, 0));
            crashes.add(crash(1, 6, 1));
            assert!(crashes.take(key(2), cause).is_none());
            assert_eq!(crashes.take(key(1), cause).map(|it| it.signal.signal), want);
            assert!(crashes.take(key(1), cause).is_none(), "once");
        }
    }

    #[test]
    fn those_that_never_end_make_room_in_time() {
        let mut crashes = Signals::default();
        let all = u32::try_from(PLAIN).unwrap();
        assert!((0..all).all(|pid| crashes.add(crash(pid, 11, 0))));
        assert!(!crashes.add(crash(all, 11, 100)));
        assert!(crashes.add(crash(0, 11, 100)), "a known one");
        let mut captured = crash(all, 11, 100);
        captured.signal.capture = Some(StackCapture::default());
        assert!(crashes.add(captured), "a capture has its own room");
        assert!(crashes.add(crash(all + 1, 11, 301)));
        assert_eq!(crashes.plain.signals.len(), 2);
    }
}
