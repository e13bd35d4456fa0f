//! What a process of ours gives up before it touches what others made: memory, time, files, privilege, system calls.
//! Each step stands alone: where the kernel has it not, the others are taken all the same, and it is said.

mod daemon;
mod files;
mod limits;
mod privilege;
mod seccomp;
mod syscalls;
mod work;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

pub use daemon::{NoHelpers, as_admin, confine_daemon};
pub use limits::{Limits, cpu_used, renew_cpu};
pub use privilege::first_to_go;
pub use work::Work;

/// One step of the confinement, and whether it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which: `limits`, `user`, `capabilities`, `no_new_privs`, `files`, `system_calls`, …
    pub name: String,
    /// Whether it is in force.
    pub in_force: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is left, where that is worth a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Step {
    fn of<E: Display>(name: &str, result: Result<(), E>) -> Self {
        let reason = result.err().map(|it| it.to_string());
        Self { name: name.to_owned(), in_force: reason.is_none(), reason, detail: None }
    }

    fn saying(self, detail: String) -> Self {
        Self { detail: Some(detail), ..self }
    }
}

/// Gives up everything that `work` does not need, for good, and ends when the thread of `parent` does that started it. To
/// be called while the process has one thread.
pub fn confine(work: Work, limits: &Limits, parent: Pid) -> Vec<Step> {
    let mut steps = vec![
        Step::of("user", privilege::become_nobody(work)),
        Step::of("capabilities", privilege::drop_capabilities(work)),
        Step::of("no_new_privs", privilege::no_new_privs()),
        Step::of("no_dump", privilege::no_dump()),
        Step::of("ends_with_daemon", privilege::die_with(parent)),
    ];
    // Before the files: what is in use stands in one.
    steps.push(Step::of("limits", limits.set()));
    // A domain of landlock may not look at processes outside of it (kernel security/landlock/task.c): who opens files
    // through /proc/PID/root can't be in one.
    if work == Work::Parse {
        steps.push(Step::of("files", files::none()));
    }
    steps.push(Step::of("system_calls", syscalls::allow(work)));
    steps
}

/// The daemon itself, among those that are confined.
const DAEMON: &str = "daemon";

/// What is in force in the daemon, and in each kind of child as the last one of it said. A cheap-to-clone handle.
///
/// A std Mutex: held for one map operation, never across an await.
#[derive(Clone, Debug, Default)]
pub struct Confinement(Arc<Mutex<BTreeMap<&'static str, Vec<Step>>>>);

impl Confinement {
    /// What a child of this kind says.
    pub fn set(&self, child: &'static str, steps: Vec<Step>) {
        self.with(|it| it.insert(child, steps));
    }

    /// What the daemon has done.
    pub fn set_daemon(&self, steps: Vec<Step>) {
        self.set(DAEMON, steps);
    }

    /// What is in force in the daemon itself.
    pub fn daemon(&self) -> Vec<Step> {
        self.with(|it| it.get(DAEMON).cloned().unwrap_or_default())
    }

    /// What is in force in each kind of child.
    pub fn helpers(&self) -> BTreeMap<&'static str, Vec<Step>> {
        self.with(|it| {
            it.iter()
                .filter(|(name, _)| **name != DAEMON)
                .map(|(name, steps)| (*name, steps.clone()))
                .collect()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<&'static str, Vec<Step>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
