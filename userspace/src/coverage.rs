//! What of the kernel's events the daemon can see: which hooks deliver, how many events came, and how many were lost,
//! where and why; and how often /proc was scanned. The probes, the kernel log, the scan and the process table publish
//! it as they go; whoever must know whether silence means anything reads it, and /metrics prints it.

mod names;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

pub use names::{EventKind, Hook, LossReason, Way};

/// How the events of a hook come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// All of them, with all that the daemon asks for.
    Complete,
    /// All of them, with less: why.
    Reduced(String),
    /// Not at all: why.
    Absent(String),
}

impl Delivery {
    /// Whether the hook is attached, and so its events come.
    pub const fn is_attached(&self) -> bool {
        !matches!(self, Self::Absent(_))
    }

    /// Why it is not complete.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Reduced(reason) | Self::Absent(reason) => Some(reason),
        }
    }
}

/// As programs know it: `attached`, and `reason` where something is missing.
impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut state = serializer.serialize_struct("Delivery", 2)?;
        state.serialize_field("attached", &self.is_attached())?;
        match self.reason() {
            Some(reason) => state.serialize_field("reason", reason)?,
            None => state.skip_field("reason")?,
        }
        state.end()
    }
}

/// Events of one kind that come by one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// What they tell of.
    pub kind: EventKind,
    /// The ring or log they come through.
    pub way: Way,
}

/// Events that were lost in one way for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// The ring or log where they were lost.
    pub way: Way,
    /// What they would have told of.
    pub kind: EventKind,
    /// Why they were lost.
    pub reason: LossReason,
}

/// All of it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageState {
    /// How the events of each hook come; empty before the probes are started.
    pub hooks: BTreeMap<Hook, Delivery>,
    /// How systemd's word on its units comes; absent before it was tried.
    pub systemd: Option<Delivery>,
    /// Scans of /proc that were finished.
    pub scans: u64,
    /// Events that the kernel side says it put on a ring.
    pub sent: BTreeMap<Flow, u64>,
    /// Events that reached the monitor.
    pub received: BTreeMap<Flow, u64>,
    /// Events that did not.
    pub lost: BTreeMap<Loss, u64>,
    /// Events that came without a part of their evidence.
    pub evidence_lost: BTreeMap<Loss, u64>,
}

impl CoverageState {
    /// Whether the events of this hook come.
    pub fn sees(&self, hook: Hook) -> bool {
        self.hooks.get(&hook).is_some_and(Delivery::is_attached)
    }

    /// Events lost, whatever they were.
    pub fn lost_total(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Events lost on this way.
    pub fn lost_on(&self, way: Way) -> u64 {
        self.lost.iter().filter(|(loss, _)| loss.way == way).map(|(_, count)| count).sum()
    }
}

/// A cheap-to-clone handle to it.
///
/// A std Mutex: held for one map operation or one copy of a few dozen numbers, never across an await.
#[derive(Clone, Debug, Default)]
pub struct Coverage(Arc<Mutex<CoverageState>>);

impl Coverage {
    /// How the events of a hook come from now on.
    pub fn set_hook(&self, hook: Hook, delivery: Delivery) {
        self.with(|it| it.hooks.insert(hook, delivery));
    }

    /// How systemd's word on its units comes from now on.
    pub fn set_systemd(&self, delivery: Delivery) {
        self.with(|it| it.systemd = Some(delivery));
    }

    /// Adds a finished scan of /proc.
    pub fn add_scan(&self) {
        self.with(|it| it.scans = it.scans.saturating_add(1));
    }

    /// Adds events that the kernel side says it put on a ring.
    pub fn add_sent(&self, flow: Flow, count: u64) {
        self.with(|it| add(&mut it.sent, flow, count));
    }

    /// Adds events that came.
    pub fn add_received(&self, flow: Flow, count: u64) {
        self.with(|it| add(&mut it.received, flow, count));
    }

    /// Adds events that were lost on the way to the monitor.
    pub fn add_lost(&self, loss: Loss, count: u64) {
        self.with(|it| add(&mut it.lost, loss, count));
    }

    /// Adds events that came, but without a part of their evidence.
    pub fn add_evidence_lost(&self, loss: Loss, count: u64) {
        self.with(|it| add(&mut it.evidence_lost, loss, count));
    }

    /// All of it as it is now.
    pub fn now(&self) -> CoverageState {
        self.with(|it| it.clone())
    }

    /// Events lost so far, whatever they were.
    pub fn lost_total(&self) -> u64 {
        self.with(|it| it.lost_total())
    }

    fn with<T>(&self, act: impl FnOnce(&mut CoverageState) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, count: u64) {
    let sum = counts.entry(key).or_default();
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FULL: Loss = Loss { way: Way::CommonRing, kind: EventKind::Exec, reason: LossReason::RingFull };

    #[test]
    fn losses_add_up_by_way_and_in_all() {
        let coverage = Coverage::default();
        coverage.add_lost(FULL, 5);
        coverage.clone().add_lost(FULL, 2);
        coverage.add_lost(Loss { way: Way::UrgentRing, ..FULL }, 1);
        // What came without its argv is not lost.
        coverage.add_evidence_lost(Loss { reason: LossReason::ArgvUnreadable, ..FULL }, 9);
        coverage.add_received(Flow { kind: EventKind::Exec, way: Way::CommonRing }, 3);
        let state = coverage.now();
        let on = [Way::CommonRing, Way::UrgentRing, Way::CrashRing].map(|way| state.lost_on(way));
        assert_eq!((on, state.lost_total(), coverage.lost_total()), ([7, 1, 0], 8, 8));
    }

    #[test]
    fn a_hook_is_seen_while_its_events_come_in_whatever_way() {
        let coverage = Coverage::default();
        assert!(!coverage.now().sees(Hook::Exit), "nobody said so");
        for (delivery, seen, shown) in [
            (Delivery::Complete, true, json!({"attached": true})),
            (Delivery::Reduced("no BTF".into()), true, json!({"attached": true, "reason": "no BTF"})),
            (Delivery::Absent("EPERM".into()), false, json!({"attached": false, "reason": "EPERM"})),
        ] {
            assert_eq!(serde_json::to_value(&delivery).unwrap(), shown);
            coverage.set_hook(Hook::Exit, delivery);
            assert_eq!(coverage.now().sees(Hook::Exit), seen, "{shown}");
        }
    }
}
