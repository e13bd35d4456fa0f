//! Beginnings of programs, by a kernel event or a walk of /proc: which are worth a look, and what the detector says
//! once the look is there.

use super::Monitor;
use super::ends::is_own;
use super::looks::{Looked, Looks};
use crate::config::ExecLimits;
use crate::host::boot_time;
use crate::kinds::suspicious_exec::{self, Executed};
use crate::metrics::Metrics;
use crate::programs;
use crate::state::process::{Begun, Process, lossy};

/// How far up the family is asked for a build or a package manager.
const ANCESTORS: usize = 12;

impl Looks {
    /// A program began, or a walk found it, or its name has changed.
    pub(super) fn consider(&self, process: &mut Process, limits: &ExecLimits, metrics: &Metrics) {
        if process.kernel_thread || is_own(process) || process.exe.is_none() {
            return;
        }
        let wanted = suspicious_exec::wanted(
            &process.comm,
            &process.argv,
            process.exe.as_deref(),
            process.uid,
            limits,
        );
        // After the first look only a new name is news: a process may take a kernel thread's at any time.
        let posing = wanted.posing && !process.judged.name;
        if !wanted.any() || (process.judged.exec && !posing) {
            return;
        }
        (process.judged.exec, process.judged.name) = (true, posing);
        if !self.ask(process.key, wanted) {
            metrics.count_turned_away("exec_looks", 1);
        }
    }
}

impl Monitor {
    /// A look is there, or there was nobody to look at any more.
    pub(super) fn on_looked(&mut self, looked: Looked) {
        let Some(process) = self.table.get(looked.key) else { return };
        let later = looked.is_later;
        if later && looked.look.as_ref().is_none_or(|look| !look.is_deleted) {
            return;
        }
        let mut info = process.info();
        let parent = self.table.live_by_pid(process.first_ppid);
        let parent_name = match parent {
            _ if process.begun == Begun::Exec && !process.parent_comm.is_empty() => {
                lossy(&process.parent_comm)
            }
            Some(parent) => lossy(&parent.comm),
            None => String::new(),
        };
        let ancestors = self.ancestors(process);
        // So soon after an exec a look sees the file as the exec found it, or as the program left it at once.
        let fresh = self.limits.exec.exec_fresh;
        let has_just_begun = process.began.is_some_and(|at| boot_time().saturating_sub(at) < fresh);
        let executed = Executed {
            process: &info,
            parent_name: &parent_name,
            ancestors: &ancestors,
            has_just_begun,
            look: looked.look.as_ref(),
        };
        let Some(draft) = suspicious_exec::detect(&executed, &self.limits.exec) else { return };
        if let Some(look) = looked.look {
            info.exe = Some(look.exe);
        }
        self.raise_condition(draft, info, boot_time());
    }

    /// The programs above it, the parent first.
    fn ancestors(&self, process: &Process) -> Vec<String> {
        self.above(process).map(|above| programs::program(&above.info()).to_owned()).collect()
    }

    /// The test runner that started it, itself or by a shell and the like: further up, a program under test that
    /// serves may have started it.
    pub(super) fn test_runner(&self, process: &Process) -> Option<String> {
        let starter = self.above(process).map(Process::info).find(|above| !programs::only_starts(above))?;
        programs::is_test_runner(&starter).then(|| programs::program(&starter).to_owned())
    }

    fn above(&self, process: &Process) -> impl Iterator<Item = &Process> {
        let next = |above: &&Process| {
            let parent = Some(above.ppid).filter(|parent| *parent != 0 && *parent != above.key.pid);
            parent.and_then(|parent| self.table.live_by_pid(parent))
        };
        std::iter::successors(self.table.live_by_pid(process.ppid), next).take(ANCESTORS)
    }
}
