//! The sentences of this room.

use super::facts::SpinFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::{duration_ms, subject, thread};

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let who = subject(file);
    let stated = || file.cited(finding).filter_map(|fact| fact.data.as_spin());
    let threads = stated().find_map(|fact| match fact {
        SpinFact::SpinByTurns { .. } => Some(", alternating between several threads,".to_owned()),
        SpinFact::SpinningThreads { threads } => Some(format!(", in {threads} threads,")),
        _ => None,
    });
    let run = stated().find_map(|fact| match fact {
        SpinFact::SpinningThread { lasted_ms, cpu_ms, .. }
        | SpinFact::SpinByTurns { lasted_ms, cpu_ms, .. } => Some((*lasted_ms, *cpu_ms)),
        _ => None,
    });
    let Some((lasted_ms, cpu_ms)) = run else {
        return format!("{who} has used the CPU without a pause and without visible progress.");
    };
    let share = cpu_ms.saturating_mul(100).checked_div(lasted_ms).unwrap_or(0);
    format!(
        "{who} has run without a pause for {}{} ({share} % of a core) without visible progress.",
        duration_ms(lasted_ms),
        threads.unwrap_or_default()
    )
}

/// A fact as a sentence.
pub fn sentence(fact: &SpinFact) -> String {
    match fact {
        SpinFact::SpinningThread { thread: it, looks, lasted_ms, cpu_ms } => {
            was_ready(&thread(it), *looks, *lasted_ms, *cpu_ms)
        }
        SpinFact::SpinByTurns { looks, lasted_ms, cpu_ms } => {
            was_ready("one or another of its threads", *looks, *lasted_ms, *cpu_ms)
        }
        SpinFact::SpinCpuSplit { user_percent, kernel_percent } => {
            format!("of that, {user_percent} % in user mode and {kernel_percent} % in the kernel")
        }
        SpinFact::SpinWithoutIo {} => {
            "meanwhile it read and wrote nothing: no files, no pipes, no storage".to_owned()
        }
        SpinFact::SpinEmptyCalls { calls } => {
            format!("it made {calls} read or write calls, and none moved a byte")
        }
        SpinFact::SpinQueued { queued_ms } => {
            format!(
                "it was kept waiting for a CPU for {}: other tasks use the CPUs too",
                duration_ms(*queued_ms)
            )
        }
        SpinFact::SpinHardlyWaits { waits, faults } => {
            format!("it waited for something {waits} times and touched new memory {faults} times")
        }
        SpinFact::SpinWaitsForEachOther { faults } => format!(
            "the running threads waited for nothing but each other (futex), and touched new memory {faults} times"
        ),
        SpinFact::SpinPast { age_ms, used_percent, queued_percent, is_new } => {
            past(*age_ms, *used_percent, *queued_percent, *is_new)
        }
        SpinFact::SpinLowPriority {} => "it has the priority of a background job".to_owned(),
        SpinFact::SpinningThreads { threads } => format!("{threads} of its threads do that"),
        SpinFact::SpinBesideWork {} => "other threads of the process did I/O meanwhile".to_owned(),
    }
}

fn was_ready(who: &str, looks: u32, lasted_ms: u64, cpu_ms: u64) -> String {
    format!(
        "{who} was running or ready to run in each of {looks} samples in {} and used {} of CPU time",
        duration_ms(lasted_ms),
        duration_ms(cpu_ms)
    )
}

fn past(age_ms: u64, used_percent: u64, queued_percent: u64, is_new: bool) -> String {
    let age = duration_ms(age_ms);
    if is_new {
        return format!("in the {age} before, it used {used_percent} % of a core: this is new");
    }
    let queued = if queued_percent > 0 {
        format!(", waited for one for {queued_percent} % of the time")
    } else {
        String::new()
    };
    format!(
        "it used {used_percent} % of a core in the {age} before{queued}: it may always have been like this"
    )
}
