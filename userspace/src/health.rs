//! What works and what does not: the one place every stage reports to, and /healthz, /api/v1/status and
//! `doctor` read from. Degraded is a state, not a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Something that is missing, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Degradation {
    /// Which part: `probes`, `analyst`, `alerts`, `store`, …
    pub component: &'static str,
    /// What is missing and why.
    pub reason: String,
    /// What the operator can do.
    pub remedy: String,
}

#[derive(Default)]
struct HealthState {
    degraded: BTreeMap<&'static str, Degradation>,
    first_scan_done: bool,
}

/// A cheap-to-clone handle to the daemon's state of health.
///
/// A std Mutex: held for a few map operations, never across an await.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<HealthState>>);

impl Health {
    /// Reports that `component` lacks something; replaces its earlier report.
    pub fn degrade(&self, component: &'static str, reason: impl Into<String>, remedy: impl Into<String>) {
        let entry = Degradation { component, reason: reason.into(), remedy: remedy.into() };
        self.with(|it| it.degraded.insert(component, entry));
    }

    /// Reports that `component` has all it needs again.
    pub fn recover(&self, component: &'static str) {
        self.with(|it| it.degraded.remove(component));
    }

    /// Reports that the process table is filled: from now on the daemon is ready.
    pub fn first_scan_done(&self) {
        self.with(|it| it.first_scan_done = true);
    }

    /// What is missing, by component.
    pub fn degraded(&self) -> Vec<Degradation> {
        self.with(|it| it.degraded.values().cloned().collect())
    }

    /// Whether nothing is missing.
    pub fn is_ok(&self) -> bool {
        self.with(|it| it.degraded.is_empty())
    }

    /// Whether queries get an answer that means something.
    pub fn ready(&self) -> bool {
        self.with(|it| it.first_scan_done)
    }

    fn with<T>(&self, act: impl FnOnce(&mut HealthState) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_degrades_once_and_recovers() {
        let health = Health::default();
        health.degrade("probes", "no BTF", "use a kernel with CONFIG_DEBUG_INFO_BTF");
        health.degrade("probes", "no privilege", "run as root");
        assert_eq!(health.degraded().len(), 1);
        assert_eq!(health.degraded()[0].reason, "no privilege");
        health.recover("probes");
        assert!(health.degraded().is_empty());
        assert!(!health.ready());
        health.first_scan_done();
        assert!(health.ready());
    }
}
