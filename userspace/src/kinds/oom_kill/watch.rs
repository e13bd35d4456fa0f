//! What this kind keeps: the kernel's reports of the last seconds, which come by another way than the ends.

use std::sync::Arc;
use std::time::Duration;

use super::reports::OomReports;
use crate::kinds::case::Draft;
use crate::kinds::late::Late;
use crate::kinds::shared::ending::{Ended, OomTrigger};
use crate::kinds::watch::{View, Watch, WatchSetup};
use crate::model::{OomReport, ProcessInfo};

/// See the module.
pub struct OomWatch {
    reports: OomReports,
}

impl OomWatch {
    /// No report yet.
    pub fn new(setup: &WatchSetup<'_>) -> Self {
        Self { reports: OomReports::new(setup.kernel_log) }
    }
}

impl Watch for OomWatch {
    fn ended(&mut self, ended: &Ended<'_>, _view: View<'_>) -> Option<Draft> {
        super::detect(ended)
    }

    fn not_ended(&mut self, victim: &ProcessInfo, trigger: OomTrigger<'_>) -> Option<Draft> {
        Some(super::not_ended(victim, trigger))
    }

    fn oom_report(&mut self, report: Arc<OomReport>, view: View<'_>) {
        self.reports.add(report, view.table);
    }

    fn late(&self, pid: u32, chosen_at: Duration) -> Option<Late> {
        Some(self.reports.addition(pid, chosen_at))
    }
}
