//! Hung tasks: what a thread waits for is named by the kernel functions it waits in.

use super::facts::HungFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{quote, step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, who};
use crate::model::{Confidence, Name, NextStep};

/// What a wait is for, by what its kernel functions begin with. The first that fits: a network file system waits
/// in general functions too.
const WAITS: [(Cause, &[&str]); 10] = [
    // What it does when it is out of memory is in other files, which are on the stack, too.
    (Cause::MemoryRefused, &["mem_cgroup_oom_synchronize", "mem_cgroup_oom"]),
    (Cause::MemoryThrottled, &["mem_cgroup_handle_over_high", "__mem_cgroup_handle_over_high"]),
    (Cause::Vfork, &["kernel_clone", "wait_for_vfork_done", "_do_fork", "__do_sys_vfork"]),
    (
        Cause::Network,
        &["nfs_", "nfs3_", "nfs4_", "rpc_", "__rpc_", "cifs_", "smb2_", "smb_", "ceph_", "v9fs_", "p9_"],
    ),
    (Cause::Fuse, &["fuse_", "request_wait_answer", "__fuse_"]),
    (Cause::Automount, &["autofs_"]),
    (
        Cause::Frozen,
        &["mnt_want_write", "sb_start_write", "sb_start_pagefault", "sb_start_intwrite", "freeze_super"],
    ),
    (
        Cause::Disk,
        &[
            "io_schedule",
            "folio_wait",
            "wait_on_page",
            "blk_",
            "submit_bio_wait",
            "bio_",
            "jbd2_",
            "ext4_",
            "xfs_",
            "btrfs_",
            "dm_",
            "md_",
            "balance_dirty_pages",
            "wait_on_buffer",
            "__wait_on_buffer",
            "scsi_",
            "nvme_",
            "filemap_",
            "writeback_",
            "sync_inodes_sb",
            "dio_",
            "iomap_",
        ],
    ),
    (Cause::Lock, &["rwsem_", "__mutex_", "mutex_", "percpu_rwsem", "down_", "__down", "lock_"]),
    (Cause::Driver, &["usb_", "drm_", "nv_", "nvidia", "i915_", "amdgpu_", "tty_", "ib_", "snd_"]),
];

/// What is on the stack of a thread that writes to a file system.
const WRITERS: [&str; 7] =
    ["vfs_write", "ksys_write", "path_openat", "do_iter", "vfs_fallocate", "ext4_", "do_page_mkwrite"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Stopped,
    MemoryRefused,
    MemoryThrottled,
    Vfork,
    Network,
    Fuse,
    Automount,
    Frozen,
    Disk,
    Lock,
    Driver,
    Unknown,
}

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let cause = cause(file, finding);
    let (words, confidence) = words(cause);
    let who = who(file);
    let otherwise = hypotheses(cause).iter();
    Opinion {
        cause: format!("{who} {words}"),
        confidence,
        sources: &["proc:wchan", "proc:syscall", "proc:stack"],
        hypotheses: otherwise
            .map(|words| hypothesis(file, finding, &["proc:wchan", "proc:syscall", "proc:stack"], *words))
            .collect(),
        next_steps: steps(file, finding, cause),
    }
}

fn cause(file: &CaseFile, finding: &Finding) -> Cause {
    if stated(file, finding).any(|fact| matches!(fact, HungFact::HungStopped { .. })) {
        return Cause::Stopped;
    }
    let functions: Vec<&Name> = stated(file, finding)
        .flat_map(|fact| match fact {
            HungFact::HungInFunction { function } => std::slice::from_ref(function),
            HungFact::HungKernelStack { functions } => functions,
            _ => &[],
        })
        .collect();
    let fits =
        |begins: &[&str]| functions.iter().any(|it| begins.iter().any(|begin| it.raw().starts_with(begin)));
    // Of the locks of that kind, the one that a writer of files takes is the file system's freeze protection
    // (kernel include/linux/fs.h, `sb_start_write`); it is inlined and has no frame of its own.
    if fits(&["percpu_rwsem_wait"]) && fits(&WRITERS) {
        return Cause::Frozen;
    }
    WAITS.iter().find(|(_, begins)| fits(begins)).map_or(Cause::Unknown, |(cause, _)| *cause)
}

const fn words(cause: Cause) -> (&'static str, Confidence) {
    match cause {
        Cause::Stopped => (
            "does nothing, for it was sent SIGSTOP, or another signal that stops, and nobody has sent SIGCONT since. It \
             holds its locks, its connections and its memory meanwhile; whoever asks it waits.",
            Confidence::High,
        ),
        Cause::MemoryRefused => (
            "waits for memory that its cgroup's own limit refuses, and the OOM killer is switched off for that cgroup \
             (oom_kill_disable in memory.oom_control): nothing is ended there to make room. It goes on once the limit is \
             raised, something else in the cgroup ends, or the OOM killer is switched on.",
            Confidence::High,
        ),
        Cause::MemoryThrottled => (
            "is made to wait because its cgroup holds more memory than its memory.high: each time it takes more, the \
             kernel slows it down. Nothing is ended there; it goes on when the cgroup holds less, or memory.high is raised.",
            Confidence::High,
        ),
        Cause::Vfork => (
            "started a child with vfork(2) or posix_spawn(3) and cannot continue before the child runs its \
             program or exits. The child does neither: it is blocked itself, most often opening a file or a pipe, or its code does more between vfork and exec than is allowed. SIGKILL ends either process.",
            Confidence::High,
        ),
        Cause::Network => (
            "waits for a network file server that does not answer: the server or the network is down. With \
             a hard mount it waits forever, and continues by itself once the server is back.",
            Confidence::High,
        ),
        Cause::Fuse => (
            "waits for the program that serves a FUSE file system, and that program does not answer: it hangs, or it \
             is overloaded.",
            Confidence::High,
        ),
        Cause::Automount => (
            "waits for an automount to complete: the automounter hangs, or what it should mount does not answer.",
            Confidence::Medium,
        ),
        Cause::Frozen => (
            "wants to write to a file system that is frozen: somebody ran fsfreeze or started a snapshot, \
             and did not finish it. It continues once the file system is thawed.",
            Confidence::High,
        ),
        Cause::Disk => (
            "waits for a disk or the file system on it, and gets no answer: a failing device, a lost path \
             to storage, or an overloaded queue.",
            Confidence::Medium,
        ),
        Cause::Lock => (
            "waits for a kernel lock that another task holds and does not release. That task is most often \
             hung as well, and is the one to examine: look for a task whose stack is in a disk or network function.",
            Confidence::Medium,
        ),
        Cause::Driver => {
            ("waits inside a device driver, and the device does not answer.", Confidence::Medium)
        }
        Cause::Unknown => (
            "waits inside the kernel and cannot be interrupted. The cause is most often a disk, or a file \
             server that no longer answers.",
            Confidence::Low,
        ),
    }
}

const fn hypotheses(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::Vfork => &[
            "The child is stopped by a signal or a debugger",
            "The program the child should run is on a file system that does not answer",
        ],
        Cause::Stopped => {
            &["Somebody holds it on purpose: to look at it, or to take its load away for a while"]
        }
        Cause::MemoryRefused => {
            &["A program of the site's own watches the cgroup and is meant to make room, and does not"]
        }
        Cause::MemoryThrottled => {
            &["The limit is meant to hold a batch job back, and the job goes on in its own time"]
        }
        Cause::Network => &["The server was moved on purpose: a new address, a firewall rule"],
        Cause::Fuse => &["The FUSE program itself waits for the network"],
        Cause::Frozen => {
            &["A snapshot or a backup is still running, and thaws the file system when it is done"]
        }
        Cause::Disk => &[
            "The device works, but is overloaded by other requests",
            "A bug in a driver or file system; then the kernel log has a stack trace",
        ],
        Cause::Automount | Cause::Lock | Cause::Driver | Cause::Unknown => {
            &["A bug in a driver or file system; then the kernel log has a stack trace"]
        }
    }
}

fn steps(file: &CaseFile, finding: &Finding, cause: Cause) -> Vec<NextStep> {
    let pid = file.process.pid;
    if cause == Cause::Stopped {
        return vec![
            step(
                "Who it is, since when, and who started it",
                format!("ps -o pid,ppid,stat,lstart,etime,user,args -p {pid},{}", file.process.ppid),
            ),
            step("To let it go on", format!("kill -CONT {pid}")),
        ];
    }
    let mut steps = vec![step(
        "Where each of its waiting threads is in the kernel",
        format!(
            "for t in /proc/{pid}/task/*; do grep -qs '^State:.D' $t/status && (echo \"$t $(cat $t/wchan)\"; cat \
             $t/stack); done"
        ),
    )];
    steps.extend(match cause {
        Cause::Vfork => Some(step(
            "Its children and what they wait for",
            format!("ps -o pid,stat,wchan:32,etime,args --ppid {pid}; ls -l /proc/{pid}/fd"),
        )),
        Cause::Network | Cause::Fuse | Cause::Automount => Some(step(
            "Which remote and FUSE file systems it uses (df and ls would hang on them)",
            format!("grep -E ' (nfs4?|cifs|smb3|ceph|9p|fuse[^ ]*|autofs) ' /proc/{pid}/mounts"),
        )),
        Cause::Frozen => Some(frozen(file, finding)),
        Cause::Disk | Cause::Driver => Some(step(
            "Requests that the devices have not completed (in flight: reads, writes)",
            "grep -H . /sys/block/*/inflight | grep -v ' 0  *0$'",
        )),
        Cause::MemoryRefused | Cause::MemoryThrottled => Some(memory(file)),
        Cause::Stopped | Cause::Lock | Cause::Unknown => None,
    });
    steps.push(step(
        "Everything else that waits like this",
        "ps -eLo pid,tid,stat,wchan:32,etime,comm | awk '$3 ~ /^D/'",
    ));
    steps.push(step(
        "What the kernel logged about it",
        "journalctl -k --no-pager -n 500 | grep -iE 'blocked for|i/o error|not responding|timed? ?out|reset'",
    ));
    steps.extend(supervisor(file));
    steps
}

/// The limit of its cgroup, what it holds, and whether the OOM killer is on.
fn memory(file: &CaseFile) -> NextStep {
    let why = "Its cgroup's limit and use, and whether the OOM killer is off: then raise the limit, or write 0 to \
               memory.oom_control";
    let path = file.process.cgroup.as_deref().unwrap_or("/");
    let [v1, v2] = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(|root| quote(&format!("{root}{path}")));
    let files = "memory.{limit_in_bytes,usage_in_bytes,oom_control,max,high,current,events}";
    step(why, format!("grep -sH '' {v1}/{files} {v2}/{files}"))
}

/// The thaw, with the file system named where the system call is about a file of it.
fn frozen(file: &CaseFile, finding: &Finding) -> NextStep {
    let why = "Which file system it is; then, if no snapshot is at work: fsfreeze --unfreeze MOUNTPOINT";
    let path = stated(file, finding).find_map(|fact| match fact {
        HungFact::HungInSystemCall { file: Some(path), .. } if path.raw().starts_with('/') => Some(path),
        _ => None,
    });
    match path {
        Some(path) => step(why, format!("df --output=source,fstype,target -- {}", quote(path.raw()))),
        None => step(why, format!("ls -l /proc/{}/cwd /proc/{}/fd", file.process.pid, file.process.pid)),
    }
}

fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> impl Iterator<Item = &'a HungFact> {
    file.cited(finding).filter_map(|fact| fact.data.as_hung())
}

#[cfg(test)]
pub(super) mod tests;
