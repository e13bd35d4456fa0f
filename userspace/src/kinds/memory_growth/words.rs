//! The sentences of this room.

use super::facts::{MemoryGrowthFact, MemorySort};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::limits::facts::LimitFact;
use crate::kinds::words::{duration_ms, size, subject};

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let grew = file.cited(finding).find_map(|fact| match fact.data.as_memory_growth() {
        Some(MemoryGrowthFact::MemoryGrew { from_bytes, to_bytes, over_ms, per_minute_bytes, .. }) => {
            Some(format!(
                ": by {} in {}, {} a minute",
                size(to_bytes.saturating_sub(*from_bytes)),
                duration_ms(*over_ms),
                size(*per_minute_bytes)
            ))
        }
        _ => None,
    });
    let end = file.cited(finding).find_map(|fact| match fact.data.as_limit() {
        Some(LimitFact::MemoryLeft { lasts_ms, .. }) => {
            Some(format!("; the rest lasts {}", duration_ms(*lasts_ms)))
        }
        _ => None,
    });
    format!("{} grows steadily{}{}.", subject(file), grew.unwrap_or_default(), end.unwrap_or_default())
}

/// A fact as a sentence.
pub fn sentence(fact: &MemoryGrowthFact) -> String {
    match fact {
        MemoryGrowthFact::MemoryGrew { sort, from_bytes, to_bytes, over_ms, per_minute_bytes } => format!(
            "{} grew by {} in {}, from {} to {}: {} a minute",
            match sort {
                None => "its anonymous memory",
                Some(MemorySort::Shared) => "the shared memory that it has mapped",
                Some(MemorySort::PageTables) => "its page tables",
            },
            size(to_bytes.saturating_sub(*from_bytes)),
            duration_ms(*over_ms),
            size(*from_bytes),
            size(*to_bytes),
            size(*per_minute_bytes)
        ),
        MemoryGrowthFact::MemoryHeld { sort: MemorySort::Shared, bytes } => {
            format!("{} are shared memory (RssShmem: tmpfs, memfd, System V) now", size(*bytes))
        }
        MemoryGrowthFact::MemoryHeld { sort: MemorySort::PageTables, bytes } => {
            format!("{} are page tables (VmPTE) now", size(*bytes))
        }
        MemoryGrowthFact::MemoryBound { bound } => format!(
            "it was told how much it may use: {}, that is {}, and there is room for it",
            bound.setting.shown_up_to(80),
            size(bound.bytes)
        ),
        MemoryGrowthFact::AnonymousMemory { anon_bytes } => {
            format!("{} are anonymous (RssAnon and VmSwap) now", size(*anon_bytes))
        }
    }
}
