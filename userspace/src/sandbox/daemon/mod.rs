//! What the daemon itself gives up once its programs are attached, its socket listens and its files are open: every way
//! of starting it ends here. All of it is a thread's own and inherited by the threads it starts (capabilities(7),
//! seccomp(2)), so it is to be called while the process has one thread.

mod moment;
mod privilege;
mod system_calls;
mod writes;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{Step, privilege as any};

pub use moment::as_admin;
pub use privilege::NoHelpers;

/// Gives up everything that the daemon does not go on needing, for good; `data_dir` it goes on writing to. The helpers
/// are to be started by a thread that is started now; whoever is not that thread goes on with [`NoHelpers::now`].
pub fn confine_daemon(data_dir: &Path) -> (Vec<Step>, NoHelpers) {
    let alone = Step::of("all_threads", alone());
    let (capabilities, no_helpers) = privilege::drop_capabilities(data_dir);
    let steps = vec![
        alone,
        capabilities,
        Step::of("no_new_privs", any::no_new_privs()),
        Step::of("system_calls", system_calls::allow()),
        Step::of("files", writes::only_ones_own(data_dir)),
    ];
    (steps, no_helpers)
}

/// Threads that were there before keep what they had.
fn alone() -> Result<()> {
    let threads =
        fs::read_dir("/proc/self/task").context("the threads of the daemon cannot be counted")?.count();
    ensure!(threads == 1, "{} threads were started before", threads.saturating_sub(1));
    Ok(())
}
