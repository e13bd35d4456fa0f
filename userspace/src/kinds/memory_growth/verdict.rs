//! Memory that grows steadily: a leak in the heap, or in threads, or a cache without a bound; and how long it may go
//! on.

use super::facts::{MemoryGrowthFact, MemorySort};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{cgroup_memory, raise_memory_limit, step, supervisor};
use crate::kinds::opinion::frozen::Frozen;
use crate::kinds::opinion::{Opinion, hypothesis, name, size, who};
use crate::kinds::shared::trend::SOURCE;
use crate::model::{Confidence, Severity};

/// So many threads are more than most programs have: each brings a stack.
const MANY_THREADS: u64 = 500;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let frozen = Frozen(file);
    let pid = file.process.pid;
    let growing = format!("{} grows steadily and releases nothing", who(file));
    let soon = match finding.severity {
        Severity::Critical => {
            " It will reach its limit soon: an orderly restart now is better than a kill later."
        }
        Severity::Warning | Severity::Info => "",
    };
    let told = |file: &CaseFile| {
        let bounded = |fact: &MemoryGrowthFact| matches!(fact, MemoryGrowthFact::MemoryBound { .. });
        let facts = || file.cited(finding).filter_map(|fact| fact.data.as_memory_growth());
        let sort = facts().find_map(|fact| match fact {
            MemoryGrowthFact::MemoryGrew { sort, .. } => *sort,
            _ => None,
        });
        (facts().any(bounded), sort)
    };
    let (cause, confidence) = match (frozen.status_number("Threads"), heap_share(&frozen)) {
        _ if told(file).0 => (
            format!(
                "{} fills the memory that it was told it may use, and there is room for that: it stops there by \
                 itself.",
                who(file)
            ),
            Confidence::Medium,
        ),
        _ if told(file).1 == Some(MemorySort::Shared) => (
            format!(
                "{growing}: shared memory that it maps more and more of, such as files on tmpfs, memfd or System V \
                 segments that are never removed. It does not show as heap, and its cgroup is charged for it.{soon}"
            ),
            Confidence::Medium,
        ),
        _ if told(file).1 == Some(MemorySort::PageTables) => (
            format!(
                "{growing}: page tables, for it touches ever more addresses of large mappings. They do not show in its \
                 resident memory, and its cgroup is charged for them; huge pages, or fewer and denser mappings, need \
                 less.{soon}"
            ),
            Confidence::Medium,
        ),
        (Some(threads), _) if threads >= MANY_THREADS => (
            format!(
                "{growing}. It has {threads} threads, and each has a stack: most likely it starts threads \
                 that do not end.{soon}"
            ),
            Confidence::Medium,
        ),
        (_, Some((data, percent))) => (
            format!(
                "{growing}: objects that are kept but never used again. {} % of its resident memory is \
                 anonymous, {} in total, so it is the heap and not file cache.{soon}",
                percent,
                size(data)
            ),
            Confidence::Medium,
        ),
        (_, None) => (
            format!("{growing}, as a leak does: objects that are kept but never used again.{soon}"),
            Confidence::Low,
        ),
    };
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &[SOURCE],
            "A cache without a size limit, or one that is too large for this host: then it levels off, or \
             would with more memory",
        ),
        hypothesis(
            file,
            finding,
            &[SOURCE],
            format!(
                "More work than usual: {} holds the data it was given, and shrinks when the work is done",
                name(file)
            ),
        ),
    ];
    let mut next_steps = vec![
        step(
            "Where the memory is: the largest mappings; [heap] and nameless ones are the program's own data",
            format!(
                "awk '/^[0-9a-f]+-/ {{name=$6}} /^Anonymous:/ {{kb[name]+=$2}} END {{for (n in kb) print kb[n], \"kB\", \
                 n==\"\"?\"(nameless)\":n}}' /proc/{pid}/smaps | sort -rn | head"
            ),
        ),
        step(
            "Who allocates it: the stacks of what was not freed in 30 s (bcc's memleak)",
            format!(
                "timeout 40 memleak-bpfcc -p {pid} --top 10 30 1 || timeout 40 memleak -p {pid} --top 10 30 1"
            ),
        ),
        cgroup_memory(file),
    ];
    next_steps.extend(raise_memory_limit(file).or_else(|| supervisor(file)));
    Opinion { cause, confidence, sources: &["cgroup:memory", "proc:meminfo"], hypotheses, next_steps }
}

/// Anonymous memory, and its share of what is resident in percent, where it is most of it.
fn heap_share(frozen: &Frozen<'_>) -> Option<(u64, u64)> {
    let anon = frozen.status_bytes("RssAnon")?;
    let resident = frozen.status_bytes("VmRSS").filter(|rss| *rss > 0)?;
    let percent = anon.saturating_mul(100) / resident;
    (percent > 50).then_some((anon, percent.min(100)))
}

#[cfg(test)]
mod tests;
