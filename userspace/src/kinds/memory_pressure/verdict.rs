//! Memory close to its limit, or used up on the host: what fills it, and what comes next.

use super::facts::{MemoryGrown, PressureFact};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{cgroup_memory, free, quote, raise_memory_limit, step, supervisor};
use crate::kinds::opinion::frozen::Frozen;
use crate::kinds::opinion::{Opinion, hypothesis, name, size, who};
use crate::kinds::pieces::Who;
use crate::kinds::words;
use crate::model::Confidence;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    if stated(file, finding).any(|fact| matches!(fact, PressureFact::HostMemory { .. })) {
        return host(file, finding);
    }
    let (cause, confidence) = cause(file);
    let pid = file.process.pid;
    let mut next_steps = vec![
        cgroup_memory(file),
        step(
            "What its memory consists of: heap, mapped files, shared memory",
            format!("cat /proc/{pid}/smaps_rollup; grep -E '^(Vm|Rss)' /proc/{pid}/status"),
        ),
    ];
    if let Some(cgroup) = file.process.cgroup.as_deref().filter(|path| !path.trim_matches('/').is_empty()) {
        let root = if Frozen(file).is_cgroup_v2() == Some(false) {
            "/sys/fs/cgroup/memory"
        } else {
            "/sys/fs/cgroup"
        };
        let procs = format!("{root}{}/cgroup.procs", quote(cgroup.trim_end_matches('/')));
        next_steps.push(step(
            "Other processes in the cgroup, the largest first",
            format!("ps -o pid,rss,etime,comm --sort=-rss -p \"$(paste -sd, {procs})\""),
        ));
    }
    next_steps.extend(raise_memory_limit(file).or_else(|| supervisor(file)));
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["proc:", "scan:"],
            format!("{} leaks memory: it only ever grows", name(file)),
        ),
        hypothesis(
            file,
            finding,
            &["cgroup:"],
            "The limit is too low for normal work; then memory use is high but stable",
        ),
    ];
    Opinion { cause, confidence, sources: &["cgroup:memory", "proc:status"], hypotheses, next_steps }
}

/// The host itself has run out, or stalls.
fn host(file: &CaseFile, finding: &Finding) -> Opinion {
    let pid = file.process.pid;
    let (cause, confidence) = match first_holder(file, finding) {
        Some((grower, rss_bytes, Some(grown))) => (
            format!(
                "The host has too little memory left, and the process that grew most recently is {}: by {} in the last {}, \
                 to {}.",
                words::who(grower),
                size(grown.bytes),
                words::duration_ms(grown.over_ms),
                size(rss_bytes)
            ),
            Confidence::Medium,
        ),
        _ => (
            format!(
                "The host has too little memory left for what runs on it; no process grew much recently. The largest is \
                 {}.",
                who(file)
            ),
            Confidence::Low,
        ),
    };
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["proc:stat"],
            "Many small processes use it together: more workers or jobs than the host has memory for",
        ),
        hypothesis(
            file,
            finding,
            &["proc:meminfo"],
            "No process holds it: it is tmpfs files, shared memory, or the kernel's own memory (Shmem and \
             SUnreclaim in /proc/meminfo)",
        ),
    ];
    let next_steps = vec![
        step("How much memory the host has left, and which processes use the rest", free()),
        step(
            "Whether it stalls now, and what the memory is used for",
            "grep . /proc/pressure/memory; grep -E 'MemA|Swap|Shmem:|Slab|SUnr|Dirty|HugePages_T' /proc/meminfo",
        ),
        step(
            "What the named process's memory consists of: heap, mapped files, shared memory",
            format!("cat /proc/{pid}/smaps_rollup"),
        ),
        step(
            "Which process the OOM killer would choose: the highest score first",
            "for p in /proc/[0-9]*; do echo \"$(cat $p/oom_score) ${p#/proc/} $(cat $p/comm)\"; done 2>/dev/null | sort -rn \
             | head",
        ),
    ];
    Opinion { cause, confidence, sources: &["proc:meminfo", "proc:pressure"], hypotheses, next_steps }
}

fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> impl Iterator<Item = &'a PressureFact> {
    file.cited(finding).filter_map(|fact| fact.data.as_memory_pressure())
}

/// The first process named: who grew most, or is largest.
fn first_holder<'a>(
    file: &'a CaseFile,
    finding: &'a Finding,
) -> Option<(&'a Who, u64, Option<&'a MemoryGrown>)> {
    stated(file, finding).find_map(|fact| match fact {
        PressureFact::MemoryHolder { process, rss_bytes, grown } => {
            Some((process, *rss_bytes, grown.as_ref()))
        }
        _ => None,
    })
}

fn cause(file: &CaseFile) -> (String, Confidence) {
    let frozen = Frozen(file);
    let (Some(limit), Some(usage)) =
        (frozen.memory_limit().filter(|limit| *limit > 0), frozen.memory_usage())
    else {
        let cause = format!(
            "{} and the other processes under its limit use almost all the memory they are allowed. When it \
             is full, the kernel kills one of them.",
            who(file)
        );
        return (cause, Confidence::Low);
    };
    let full = format!(
        "The cgroup uses {} of {} ({} %)",
        size(usage),
        size(limit),
        u128::from(usage) * 100 / u128::from(limit)
    );
    if let Some(cache) = frozen.cgroup_cache().filter(|cache| *cache >= usage / 2) {
        let cause = format!(
            "{full}, but {} of that is page cache, which the kernel reclaims when needed: slower file \
             access, but no kill yet.",
            size(cache)
        );
        return (cause, Confidence::Medium);
    }
    if let Some(shared) = frozen.cgroup_shared().filter(|shared| *shared >= usage / 2) {
        let cause = format!(
            "{full}, and {} of that is shared memory or files on tmpfs (/dev/shm, /tmp on tmpfs, memfd), which stay \
             until somebody removes them, and which no kill frees.",
            size(shared)
        );
        return (cause, Confidence::High);
    }
    if frozen.is_oom_killer_off() {
        let cause = format!(
            "{full}, and the OOM killer is switched off for it (oom_kill_disable in memory.oom_control): at the limit its \
             tasks wait for memory, {} among them, and nothing there is killed to make room.",
            who(file)
        );
        return (cause, Confidence::High);
    }
    match frozen.status_bytes("VmRSS") {
        Some(rss) if rss >= usage / 2 => {
            let cause = format!(
                "{full}, and {} of it is {}'s own. If it keeps growing, the kernel will kill it.",
                size(rss),
                who(file)
            );
            (cause, Confidence::High)
        }
        Some(rss) => {
            let cause = format!(
                "{full}; {} has {} of it, other processes in the cgroup have the rest.",
                who(file),
                size(rss)
            );
            (cause, Confidence::Medium)
        }
        None => (
            format!("{full}. If it keeps growing, the kernel will kill a process in it."),
            Confidence::Medium,
        ),
    }
}
