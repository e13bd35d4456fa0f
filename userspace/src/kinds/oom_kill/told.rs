//! The facts that a finding of this kind cites, sorted by what they tell: what its sentence and its verdict are made of.

use super::facts::{Charged, Counter, OomFact, OomGroup, OomTask, RanOut};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::facts::EndFact;
use crate::model::Name;

/// What is told of one kill; what is absent was not told.
pub(super) struct OomTold<'a> {
    pub(super) has_ended: bool,
    pub(super) peak_rss_bytes: Option<u64>,
    /// The limited cgroup the victim was in, and its limit.
    pub(super) cgroup: Option<(&'a Name, u64)>,
    pub(super) trigger: Option<&'a OomFact>,
    pub(super) reason: Option<&'a OomFact>,
    /// The fact about the victim's memory: an [`OomFact::OomVictimSize`].
    victim: Option<&'a OomFact>,
    pub(super) tasks: Option<Tasks<'a>>,
    /// The facts about tasks that grew: each an [`OomFact::OomTaskGrew`].
    grown: Vec<&'a OomFact>,
}

#[derive(Clone, Copy)]
pub(super) struct Tasks<'a> {
    pub(super) count: u64,
    pub(super) listed_rss_bytes: u64,
    /// Their page tables.
    pub(super) listed_tables_bytes: u64,
    pub(super) group: Option<&'a OomGroup>,
    /// Whether all are in that sum.
    pub(super) is_whole: bool,
    largest: &'a [OomTask],
}

impl<'a> OomTold<'a> {
    pub(super) fn of(file: &'a CaseFile, finding: &'a Finding) -> Self {
        let mut told = Self {
            has_ended: true,
            peak_rss_bytes: None,
            cgroup: None,
            trigger: None,
            reason: None,
            victim: None,
            tasks: None,
            grown: Vec::new(),
        };
        for data in file.cited(finding).map(|fact| &fact.data) {
            match data.as_ending() {
                Some(EndFact::PeakMemory { rss_bytes }) => told.peak_rss_bytes = Some(*rss_bytes),
                Some(EndFact::CgroupAtEnd { cgroup, limit_bytes, .. }) => {
                    told.cgroup = Some((cgroup, *limit_bytes));
                }
                _ => {}
            }
            let Some(fact) = data.as_oom_kill() else { continue };
            match fact {
                OomFact::OomNotEnded {} => told.has_ended = false,
                OomFact::OomTrigger { .. } => told.trigger = Some(fact),
                OomFact::OomReason { .. } => told.reason = Some(fact),
                OomFact::OomVictimSize { .. } => told.victim = Some(fact),
                OomFact::OomTasks {
                    count,
                    listed,
                    listed_rss_bytes,
                    listed_tables_bytes,
                    group,
                    largest,
                } => {
                    let listed_tables_bytes = listed_tables_bytes.unwrap_or(0);
                    let group = group.as_ref();
                    let (count, listed_rss_bytes, is_whole) = (*count, *listed_rss_bytes, listed == count);
                    told.tasks = Some(Tasks {
                        count,
                        listed_rss_bytes,
                        listed_tables_bytes,
                        group,
                        is_whole,
                        largest,
                    });
                }
                OomFact::OomTaskGrew { .. } => told.grown.push(fact),
                OomFact::OomRequest { .. } => {}
            }
        }
        told
    }

    pub(super) fn is_kill_alone(&self) -> bool {
        matches!(self.reason, Some(OomFact::OomReason { kill_alone: true, .. }))
    }

    pub(super) fn ran_out(&self) -> Option<RanOut> {
        match self.reason? {
            OomFact::OomReason { ran_out, .. } => Some(*ran_out),
            _ => None,
        }
    }

    /// Whether it was a cgroup's limit that ran out.
    pub(super) fn is_of_cgroup(&self) -> bool {
        self.ran_out() == Some(RanOut::CgroupLimit)
    }

    /// What the cgroup whose limit it was had used of its memory alone.
    pub(super) fn cgroup_usage_bytes(&self) -> Option<u64> {
        match self.reason? {
            OomFact::OomReason { ran_out: RanOut::CgroupLimit, memory: Some(it), .. } => Some(it.usage_bytes),
            _ => None,
        }
    }

    pub(super) fn victim_rss_bytes(&self) -> Option<u64> {
        match self.victim? {
            OomFact::OomVictimSize { anon_bytes, file_bytes, shmem_bytes, .. } => {
                Some(anon_bytes.saturating_add(*file_bytes).saturating_add(*shmem_bytes))
            }
            _ => None,
        }
    }

    /// The victim's page tables.
    pub(super) fn victim_tables_bytes(&self) -> u64 {
        match self.victim {
            Some(OomFact::OomVictimSize { tables_bytes, .. }) => tables_bytes.unwrap_or(0),
            _ => 0,
        }
    }

    pub(super) fn victim_score_adj(&self) -> Option<i32> {
        match self.victim? {
            OomFact::OomVictimSize { oom_score_adj, .. } => *oom_score_adj,
            _ => None,
        }
    }

    pub(super) fn largest(&self) -> Option<&'a OomTask> {
        self.tasks?.largest.first()
    }

    /// The tasks of one name that had most of it together.
    pub(super) fn group(&self) -> Option<&'a OomGroup> {
        self.tasks?.group
    }

    /// What a task had at the scan before, and how many milliseconds before the kill that was; only where it grew.
    pub(super) fn growth_of(&self, which: &Who) -> Option<(u64, u64)> {
        self.grown.iter().find_map(|fact| match fact {
            OomFact::OomTaskGrew { task, before_bytes, over_ms, .. } if task == which => {
                Some((*before_bytes, *over_ms))
            }
            _ => None,
        })
    }
}

/// The counter of an [`OomFact::OomReason`] that was at its limit.
pub(super) fn full(reason: &OomFact) -> Option<(Counter, &Charged)> {
    let OomFact::OomReason { counter, memory, memory_and_swap, .. } = reason else { return None };
    let counter = (*counter)?;
    let charged = match counter {
        Counter::Memory => memory,
        Counter::MemoryAndSwap => memory_and_swap,
    };
    Some((counter, charged.as_ref()?))
}
