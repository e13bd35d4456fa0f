//! What a kind may track over time: the hooks that the monitor calls, and the narrow view of the host it lends for one
//! call. A watch sees what others know and changes only its own state.

use std::sync::Arc;
use std::time::Duration;

use super::case::Draft;
use super::late::Late;
use super::shared::ending::{Ended, OomTrigger};
use crate::children::Toucher;
use crate::config::DetectLimits;
use crate::evidence::Sources;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::model::{OomReport, ProcessInfo, ProcessKey};
use crate::observation::{CgroupMemory, CloseLook, HostMemory, SeenProcess, Unit, UnitLife};
use crate::state::zombies::Zombies;
use crate::state::{History, Process, Table};

/// What a watch may look at during one call.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Every process that is known.
    pub table: &'a Table,
    /// What scans measured of the larger ones over time.
    pub history: &'a History,
    /// Processes that ended and were not reaped.
    pub zombies: &'a Zombies,
    /// The limited memory cgroups, as the last scan read them.
    pub cgroups: &'a [CgroupMemory],
    /// This host's name, clocks and page size.
    pub host: &'a Host,
    /// Where /proc and the cgroups are.
    pub sources: &'a Sources,
    /// From when on something is a finding.
    pub limits: &'a DetectLimits,
    /// To count what a bound turned away.
    pub metrics: &'a Metrics,
    /// The time of this call, since boot (CLOCK_BOOTTIME).
    pub now: Duration,
}

impl<'a> View<'a> {
    /// A live process that may be blamed: no kernel thread, and not the monitor itself or what it started.
    pub fn suspect(&self, key: ProcessKey) -> Option<&'a Process> {
        self.table.get(key).filter(|it| it.end.is_none() && !it.kernel_thread && !it.own)
    }
}

/// A finding, and the process it is about.
pub struct Found {
    /// What the detector concluded, with its facts.
    pub draft: Draft,
    /// Whom the incident names.
    pub process: ProcessInfo,
}

/// What one kind tracks. Every hook has a default that does nothing.
pub trait Watch: Send {
    /// A scan saw a process that is no zombie; the table and the history know it already.
    fn saw(&mut self, _seen: &SeenProcess, _view: View<'_>, _found: &mut Vec<Found>) {}

    /// A scan looked closer at a process that may hang or spin.
    fn looked(&mut self, _look: &CloseLook, _view: View<'_>, _found: &mut Vec<Found>) {}

    /// A scan read how much memory the host and the cgroups have left, and how much they stall.
    fn host_memory(&mut self, _memory: &HostMemory, _view: View<'_>) {}

    /// A scan that began at `began` is over.
    fn scanned(&mut self, _began: Duration, _view: View<'_>, _found: &mut Vec<Found>) {}

    /// A program began, by an exec or first seen by a scan. What the watch notes of it in the process itself is its own.
    fn began(&mut self, _process: &mut Process, _limits: &DetectLimits, _metrics: &Metrics) {}

    /// A process ended by status 0: nothing is wrong with it.
    fn ended_well(&mut self, _process: &Process, _parent: ProcessKey) {}

    /// A process ended in any other way.
    fn ended(&mut self, _ended: &Ended<'_>, _view: View<'_>) -> Option<Draft> {
        None
    }

    /// What will be known, only a moment later, of the finding that this watch just made on the end of `pid`. For a
    /// victim of the OOM killer, `at` is when it was chosen.
    fn late(&self, _pid: u32, _at: Duration) -> Option<Late> {
        None
    }

    /// The OOM killer chose a victim, and it has not ended: it may be stuck, or the report of its end was lost.
    fn not_ended(&mut self, _victim: &ProcessInfo, _trigger: OomTrigger<'_>) -> Option<Draft> {
        None
    }

    /// systemd says that a life of this unit went wrong, and no process's end says why.
    fn unit_failed(&mut self, _unit: &Unit, _life: &UnitLife, _view: View<'_>) -> Option<Draft> {
        None
    }

    /// The kernel's log has a report of an OOM kill.
    fn oom_report(&mut self, _report: Arc<OomReport>, _view: View<'_>) {}

    /// What the watch started beside the monitor has a result: see [`Waker`].
    fn woken(&mut self, _view: View<'_>, _found: &mut Vec<Found>) {}

    /// The process ended or runs another program now: what was remembered of it is not its own any more.
    fn forget(&mut self, _key: ProcessKey) {}
}

/// What kinds do that remember nothing and judge each end by itself.
pub struct OnEnd(pub fn(&Ended<'_>, &DetectLimits) -> Option<Draft>);

impl Watch for OnEnd {
    fn ended(&mut self, ended: &Ended<'_>, view: View<'_>) -> Option<Draft> {
        (self.0)(ended, view.limits)
    }
}

/// With which a watch that has something done beside the monitor calls it back.
pub type Waker = Arc<tokio::sync::Notify>;

/// What a watch is made with.
pub struct WatchSetup<'a> {
    /// Who looks at what may hang; absent: whoever asks.
    pub toucher: Option<Arc<Toucher>>,
    /// Where /proc and the cgroups are.
    pub sources: &'a Sources,
    /// From when on something is a finding.
    pub limits: &'a DetectLimits,
    /// To call the monitor back.
    pub waker: Waker,
    /// Whether the kernel's log is followed, so that its OOM reports come.
    pub kernel_log: bool,
}
