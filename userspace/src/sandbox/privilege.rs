//! Who a process is and what it may do as that: nobody, with no capability but those it was started for.

use std::fs;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{Gid, Uid};
use rustix::process::{
    DumpableBehavior, Pid, Signal, getppid, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::work::Work;

/// The user and group of nobody, and what an unmapped one is shown as (kernel kernel/sys.c, `overflowuid`).
const NOBODY: u32 = 65_534;
/// Looking into other users' processes (proc(5)) and their files.
pub(super) const LOOKING: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

/// From root to nobody; who is no root stays who they are.
pub(super) fn become_nobody(work: Work) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // Else the change of user would take them all. Those not needed go right after it.
    set_keep_capabilities(work == Work::Open).context("cannot keep capabilities over a change of user")?;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).context("cannot leave the groups")?;
    set_thread_res_gid(gid, gid, gid).context("cannot change the group")?;
    set_thread_res_uid(uid, uid, uid).context("cannot change the user")
}

/// Of what it has, only what the work needs is kept.
pub(super) fn drop_capabilities(work: Work) -> Result<()> {
    clear_ambient_capability_set().ok();
    let wanted = match work {
        Work::Parse => CapabilitySet::empty(),
        Work::Open => LOOKING,
    };
    let kept = capabilities(None)?.permitted & wanted;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
    .context("cannot drop capabilities")
}

pub(super) fn no_new_privs() -> Result<()> {
    set_no_new_privs(true).context("no_new_privs cannot be set")
}

/// No core dump, and nobody of the same user may trace it.
pub(super) fn no_dump() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("it stays dumpable")
}

/// Ends this process when the parent's thread that started it does. To be called after a change of user, which takes it
/// back (kernel kernel/cred.c, `commit_creds`).
pub(super) fn die_with(parent: Pid) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("it would outlive its parent")?;
    // It may have ended before.
    if getppid() != Some(parent) {
        bail!("its parent is gone");
    }
    Ok(())
}

/// When memory runs out, this process goes before all others: it is replaced at once.
pub fn first_to_go() {
    fs::write("/proc/self/oom_score_adj", "1000").ok();
}
