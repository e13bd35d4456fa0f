//! The system calls that are left; every other one fails with EPERM. No process, no network, no code of its own.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use syscalls::Sysno;

use super::work::Work;

/// What each may: memory, files that are open, the socket to the daemon, clocks, its own end.
const BOTH: [Sysno; 46] = [
    Sysno::brk,
    Sysno::clock_gettime,
    Sysno::clock_nanosleep,
    Sysno::close,
    Sysno::dup,
    Sysno::exit,
    Sysno::exit_group,
    Sysno::fcntl,
    Sysno::fstat,
    Sysno::fstatfs,
    Sysno::futex,
    Sysno::getpid,
    Sysno::getppid,
    Sysno::getrandom,
    Sysno::getrusage,
    Sysno::gettid,
    Sysno::gettimeofday,
    Sysno::lseek,
    Sysno::madvise,
    Sysno::mremap,
    Sysno::munmap,
    Sysno::nanosleep,
    Sysno::newfstatat,
    Sysno::openat,
    Sysno::poll,
    Sysno::ppoll,
    Sysno::pread64,
    Sysno::prlimit64,
    Sysno::read,
    Sysno::readlink,
    Sysno::readlinkat,
    Sysno::readv,
    Sysno::recvfrom,
    Sysno::recvmsg,
    Sysno::restart_syscall,
    Sysno::rt_sigaction,
    Sysno::rt_sigprocmask,
    Sysno::rt_sigreturn,
    Sysno::sched_yield,
    Sysno::sendmsg,
    Sysno::sendto,
    Sysno::sigaltstack,
    Sysno::statx,
    Sysno::tgkill,
    Sysno::write,
    Sysno::writev,
];
/// For copies in memory.
const PARSE: [Sysno; 3] = [Sysno::memfd_create, Sysno::ftruncate, Sysno::pwrite64];
/// Calls whose third argument says what memory may be used for.
const WITH_PROTECTION: [Sysno; 2] = [Sysno::mmap, Sysno::mprotect];
/// Memory that can be executed (kernel include/uapi/asm-generic/mman-common.h).
const PROT_EXEC: u64 = 4;

pub(super) fn allow(work: Work) -> Result<()> {
    ensure!(cfg!(target_arch = "x86_64"), "the list of system calls is x86-64's");
    let program = filter(work).context("the filter of system calls cannot be made")?;
    apply_filter(&program).context("the filter of system calls cannot be put in force")
}

fn filter(work: Work) -> Result<BpfProgram> {
    let own = if work == Work::Parse { &PARSE[..] } else { &[] };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        BOTH.iter().chain(own).map(|call| (i64::from(call.id()), vec![])).collect();
    for call in WITH_PROTECTION {
        let no_code =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(PROT_EXEC), 0)?;
        rules.insert(i64::from(call.id()), vec![SeccompRule::new(vec![no_code])?]);
    }
    let denied = rustix::io::Errno::PERM.raw_os_error().unsigned_abs();
    let filter =
        SeccompFilter::new(rules, SeccompAction::Errno(denied), SeccompAction::Allow, TargetArch::x86_64)?;
    Ok(filter.try_into()?)
}
