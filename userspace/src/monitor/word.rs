//! systemd's word as it comes: ends that have waited for it are judged, and failures that no end explains are raised.

use std::sync::Arc;
use std::time::Duration;

use super::Monitor;
use super::case::Material;
use super::raise::{Evidence, Record};
use super::units::{Failure, WaitingEnd};
use crate::cgroup;
use crate::host::boot_time;
use crate::model::ProcessInfo;
use crate::observation::Unit;
use crate::stack::Capture;
use crate::state::Process;
use crate::state::process::lossy;

impl Monitor {
    /// systemd said something of a unit: ends of it that have waited for that are judged.
    pub(super) fn on_unit(&mut self, unit: &Arc<Unit>) {
        if !self.units.hear(unit, boot_time()) {
            self.metrics.count_turned_away("unit_failures", 1);
        }
        self.units.keep_promises(&unit.name);
        for WaitingEnd { process, starter, .. } in self.units.settled(&unit.name) {
            self.judge_end(process, starter, None);
        }
    }

    /// Ends that systemd has said nothing of in time, and failures of units that no end has explained.
    pub(super) fn judge_units(&mut self, now: Duration) {
        for WaitingEnd { process, starter, .. } in self.units.due(now) {
            self.judge_end(process, starter, None);
        }
        for failure in self.units.unexplained(now) {
            self.raise_failed(&failure);
        }
    }

    /// A unit failed, and no end says why: it is told of the unit.
    fn raise_failed(&mut self, failure: &Failure) {
        let Failure { unit, life, cgroup, .. } = failure;
        let now = boot_time();
        let draft = self.with_watches(now, |watches, view| {
            watches.iter_mut().find_map(|watch| watch.unit_failed(unit, life, view))
        });
        let Some(draft) = draft else { return };
        // Of a start that was refused there is none: the last one's is of the same unit.
        let main = life.main.or_else(|| unit.before.as_ref()?.main);
        let main = main.and_then(|main| self.table.by_pid(main.pid));
        let main = main.filter(|process| {
            process.cgroup.as_deref().and_then(cgroup::system_service) == Some(&*unit.name)
        });
        let main = main.cloned();
        let stack = main.as_ref().and_then(|process| self.aborted_stack(process));
        let evidence =
            if main.as_ref().is_some_and(|it| it.end.is_none()) { Evidence::Read } else { Evidence::None };
        let process = main.map_or_else(|| process_of(unit, cgroup.as_deref()), |process| process.info());
        let events_lost = self.losses.since_last(&self.metrics);
        let material = Material { process, at: life.over.unwrap_or(now), events_lost };
        self.raiser.raise(draft, material, evidence, Record { stack, ..Record::default() });
    }

    /// Where a process was whose handler aborted once more: of a signal that another sends, nothing is captured.
    fn aborted_stack(&mut self, process: &Process) -> Option<Capture> {
        let end = process.end.as_ref()?;
        let exit = end.record(lossy(&process.parent_comm), &self.host);
        let generated = self.signals.take(process.key, exit.cause)?;
        self.capture(&generated.signal, process, &exit, end.started)
    }
}

/// The unit as the process that an incident names, where it had none.
fn process_of(unit: &Unit, cgroup: Option<&str>) -> ProcessInfo {
    ProcessInfo {
        pid: 0,
        start_ticks: 0,
        ppid: 0,
        name: unit.name.to_string(),
        exe: None,
        argv: Vec::new(),
        uid: None,
        cgroup: cgroup.map(str::to_owned),
        container_id: None,
        unit: Some(unit.name.to_string()),
        pod_uid: None,
        container: None,
    }
}
