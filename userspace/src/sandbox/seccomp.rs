//! How a list of system calls becomes a filter in force (seccomp(2)).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter};
use syscalls::Sysno;

/// By the number of a call, when it matches: always, where there are no rules.
pub(super) type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// Every one of these is in force from now on, for good.
pub(super) fn enforce(programs: &[BpfProgram]) -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "the list of system calls is x86-64's");
    for program in programs {
        apply_filter(program).context("the filter of system calls cannot be put in force")?;
    }
    Ok(())
}

/// Does one thing with calls that match, and another with all others.
pub(super) fn program(calls: Calls, others: SeccompAction, matching: SeccompAction) -> Result<BpfProgram> {
    let filter = SeccompFilter::new(calls, others, matching, TargetArch::x86_64);
    let program = filter.and_then(BpfProgram::try_from);
    program.context("the filter of system calls cannot be made")
}

pub(super) fn failing(error: Errno) -> SeccompAction {
    SeccompAction::Errno(error.raw_os_error().unsigned_abs())
}

pub(super) fn number(call: Sysno) -> i64 {
    i64::from(call.id())
}
