//! The system calls that the daemon and its helpers are left with; every other one fails with EPERM: no tracing, no
//! mounts, no namespaces, no modules, no programs for the kernel, no files by handle, no devices, no sockets but those of
//! networks and of this host. A helper takes its own, smaller list on top.

use anyhow::Result;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompRule,
};
use syscalls::Sysno;

use super::super::seccomp::{Calls, enforce, failing, number, program};

/// On files and folders, those that are open and those by name. Links and devices are not made.
const FILES: &[Sysno] = &[
    Sysno::access,
    Sysno::chdir,
    Sysno::chmod,
    Sysno::close,
    Sysno::close_range,
    Sysno::copy_file_range,
    Sysno::creat,
    Sysno::dup,
    Sysno::dup2,
    Sysno::dup3,
    Sysno::faccessat,
    Sysno::faccessat2,
    Sysno::fadvise64,
    Sysno::fallocate,
    Sysno::fchdir,
    Sysno::fchmod,
    Sysno::fchmodat,
    Sysno::fchown,
    Sysno::fcntl,
    Sysno::fdatasync,
    Sysno::flock,
    Sysno::fstat,
    Sysno::fstatfs,
    Sysno::fsync,
    Sysno::ftruncate,
    Sysno::getcwd,
    Sysno::getdents64,
    Sysno::lseek,
    Sysno::lstat,
    Sysno::mkdir,
    Sysno::mkdirat,
    Sysno::newfstatat,
    Sysno::open,
    Sysno::openat,
    Sysno::openat2,
    Sysno::pread64,
    Sysno::preadv,
    Sysno::preadv2,
    Sysno::pwrite64,
    Sysno::pwritev,
    Sysno::pwritev2,
    Sysno::read,
    Sysno::readahead,
    Sysno::readlink,
    Sysno::readlinkat,
    Sysno::readv,
    Sysno::rename,
    Sysno::renameat,
    Sysno::renameat2,
    Sysno::rmdir,
    Sysno::sendfile,
    Sysno::stat,
    Sysno::statfs,
    Sysno::statx,
    Sysno::sync_file_range,
    Sysno::truncate,
    Sysno::umask,
    Sysno::unlink,
    Sysno::unlinkat,
    Sysno::utimensat,
    Sysno::write,
    Sysno::writev,
];
/// On memory of its own.
const MEMORY: &[Sysno] = &[
    Sysno::brk,
    Sysno::madvise,
    Sysno::membarrier,
    Sysno::memfd_create,
    Sysno::mincore,
    Sysno::mmap,
    Sysno::mprotect,
    Sysno::mremap,
    Sysno::msync,
    Sysno::munmap,
];
/// To wait, and to be told.
const EVENTS: &[Sysno] = &[
    Sysno::clock_getres,
    Sysno::clock_gettime,
    Sysno::clock_nanosleep,
    Sysno::epoll_create1,
    Sysno::epoll_ctl,
    Sysno::epoll_pwait,
    Sysno::epoll_pwait2,
    Sysno::epoll_wait,
    Sysno::eventfd2,
    Sysno::futex,
    Sysno::gettimeofday,
    Sysno::nanosleep,
    Sysno::pause,
    Sysno::pipe,
    Sysno::pipe2,
    Sysno::poll,
    Sysno::ppoll,
    Sysno::pselect6,
    Sysno::restart_syscall,
    Sysno::select,
    Sysno::time,
    Sysno::timerfd_create,
    Sysno::timerfd_gettime,
    Sysno::timerfd_settime,
];
const NETWORK: &[Sysno] = &[
    Sysno::accept,
    Sysno::accept4,
    Sysno::bind,
    Sysno::connect,
    Sysno::getpeername,
    Sysno::getsockname,
    Sysno::getsockopt,
    Sysno::listen,
    Sysno::recvfrom,
    Sysno::recvmmsg,
    Sysno::recvmsg,
    Sysno::sendmmsg,
    Sysno::sendmsg,
    Sysno::sendto,
    Sysno::setsockopt,
    Sysno::shutdown,
];
/// Threads, the helpers, their ends, signals. [`Sysno::clone3`] is turned away by a filter of its own.
const PROCESSES: &[Sysno] = &[
    Sysno::arch_prctl,
    Sysno::clone3,
    Sysno::execve,
    Sysno::exit,
    Sysno::exit_group,
    Sysno::fork,
    Sysno::getcpu,
    Sysno::getegid,
    Sysno::geteuid,
    Sysno::getgid,
    Sysno::getgroups,
    Sysno::getpgid,
    Sysno::getpgrp,
    Sysno::getpid,
    Sysno::getppid,
    Sysno::getpriority,
    Sysno::getrandom,
    Sysno::getresgid,
    Sysno::getresuid,
    Sysno::getrlimit,
    Sysno::getrusage,
    Sysno::getsid,
    Sysno::gettid,
    Sysno::getuid,
    Sysno::kill,
    Sysno::pidfd_open,
    Sysno::pidfd_send_signal,
    Sysno::prlimit64,
    Sysno::rseq,
    Sysno::rt_sigaction,
    Sysno::rt_sigpending,
    Sysno::rt_sigprocmask,
    Sysno::rt_sigreturn,
    Sysno::rt_sigsuspend,
    Sysno::rt_sigtimedwait,
    Sysno::sched_getaffinity,
    Sysno::sched_yield,
    Sysno::set_robust_list,
    Sysno::set_tid_address,
    Sysno::setrlimit,
    Sysno::sigaltstack,
    Sysno::sysinfo,
    Sysno::tgkill,
    Sysno::times,
    Sysno::tkill,
    Sysno::uname,
    Sysno::vfork,
    Sysno::wait4,
    Sysno::waitid,
];
/// By which less is allowed. Root's helpers become nobody, and can no more become anybody else.
const LESS: &[Sysno] = &[
    Sysno::capget,
    Sysno::capset,
    Sysno::landlock_add_rule,
    Sysno::landlock_create_ruleset,
    Sysno::landlock_restrict_self,
    Sysno::seccomp,
    Sysno::setgroups,
    Sysno::setresgid,
    Sysno::setresuid,
];

/// A call that is allowed where one argument is one of these.
const CHOSEN: &[(Sysno, u8, &[u64])] = &[
    // Elements of maps: lookup, update, delete, the next, lookup and delete (kernel include/uapi/linux/bpf.h).
    (Sysno::bpf, 0, &[1, 2, 3, 4, 21]),
    // Families: AF_UNIX, AF_INET, AF_INET6.
    (Sysno::socket, 0, &[1, 2, 10]),
    (Sysno::socketpair, 0, &[1]),
    // FIONBIO, FIONREAD, FIOCLEX, FIONCLEX; whether it is a terminal, and how wide; an event is switched off.
    (Sysno::ioctl, 1, &[0x5421, 0x541b, 0x5451, 0x5450, 0x5401, 0x5413, 0x2401]),
    // Death with a parent, dumps, kept capabilities, names of threads and of memory, seccomp, the bounding and the
    // ambient set, no_new_privs (kernel include/uapi/linux/prctl.h).
    (Sysno::prctl, 0, &[1, 2, 3, 4, 7, 8, 15, 16, 21, 22, 23, 24, 38, 39, 47, 0x5356_4d41]),
];
/// All of CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID and NET (kernel include/uapi/linux/sched.h).
const NEW_NAMESPACES: u64 = 0x7e02_0000;

pub(super) fn allow() -> Result<()> {
    enforce(&[allowed()?, absent()?])
}

fn allowed() -> Result<BpfProgram> {
    let whole = [FILES, MEMORY, EVENTS, NETWORK, PROCESSES, LESS].into_iter().flatten();
    let mut rules: Calls = whole.map(|call| (number(*call), vec![])).collect();
    for (call, argument, values) in CHOSEN {
        let rule =
            |value: &u64| SeccompRule::new(vec![Condition::new(*argument, Len::Dword, Op::Eq, *value)?]);
        rules.insert(number(*call), values.iter().map(rule).collect::<Result<_, _>>()?);
    }
    let no_namespace = Condition::new(0, Len::Dword, Op::MaskedEq(NEW_NAMESPACES), 0)?;
    rules.insert(number(Sysno::clone), vec![SeccompRule::new(vec![no_namespace])?]);
    program(rules, failing(Errno::PERM), SeccompAction::Allow)
}

/// clone3(2) says in memory what it is to do, where no filter sees it. Who is told that there is none takes clone(2).
fn absent() -> Result<BpfProgram> {
    program([(number(Sysno::clone3), vec![])].into(), SeccompAction::Allow, failing(Errno::NOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_has_what_would_undo_the_rest() {
        let listed = |call: Sysno| {
            [FILES, MEMORY, EVENTS, NETWORK, PROCESSES, LESS].into_iter().flatten().any(|it| *it == call)
                || CHOSEN.iter().any(|(it, ..)| *it == call)
        };
        for call in [
            Sysno::ptrace,
            Sysno::process_vm_readv,
            Sysno::process_vm_writev,
            Sysno::mount,
            Sysno::umount2,
            Sysno::move_mount,
            Sysno::open_tree,
            Sysno::fsopen,
            Sysno::mount_setattr,
            Sysno::pivot_root,
            Sysno::chroot,
            Sysno::setns,
            Sysno::unshare,
            Sysno::init_module,
            Sysno::finit_module,
            Sysno::delete_module,
            Sysno::kexec_load,
            Sysno::kexec_file_load,
            Sysno::reboot,
            Sysno::swapon,
            Sysno::perf_event_open,
            Sysno::open_by_handle_at,
            Sysno::name_to_handle_at,
            Sysno::mknod,
            Sysno::mknodat,
            Sysno::io_uring_setup,
            Sysno::userfaultfd,
            Sysno::pidfd_getfd,
            Sysno::keyctl,
            Sysno::add_key,
            Sysno::iopl,
            Sysno::ioperm,
            Sysno::settimeofday,
            Sysno::clock_settime,
            Sysno::sethostname,
            Sysno::fanotify_init,
            Sysno::quotactl,
            Sysno::acct,
            Sysno::personality,
            Sysno::execveat,
            Sysno::syslog,
            Sysno::chown,
            Sysno::setuid,
        ] {
            assert!(!listed(call), "{call}");
        }
        let (allowed, absent) = (allowed().unwrap(), absent().unwrap());
        // The kernel takes no more (include/uapi/linux/bpf_common.h, `BPF_MAXINSNS`).
        assert!(allowed.len() + absent.len() < 4096, "{}", allowed.len());
    }
}
