//! The system calls that are left; every other one fails with EPERM. No process, no network, no code of its own.

use anyhow::Result;
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use syscalls::Sysno;

use super::seccomp::{Calls, enforce, failing, number, program};
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
    enforce(&[filter(work)?])
}

fn filter(work: Work) -> Result<BpfProgram> {
    let own = if work == Work::Parse { &PARSE[..] } else { &[] };
    let mut calls: Calls = BOTH.iter().chain(own).map(|call| (number(*call), vec![])).collect();
    for call in WITH_PROTECTION {
        let no_code =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(PROT_EXEC), 0)?;
        calls.insert(number(call), vec![SeccompRule::new(vec![no_code])?]);
    }
    program(calls, failing(Errno::PERM), SeccompAction::Allow)
}
