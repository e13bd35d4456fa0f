//! What the kernel side counted: sent and lost, by stream. Read as totals, reported as differences.

use ai_debugger_ebpf::counters::{OUTCOMES, Outcome, STREAMS, Stream, slot};
use anyhow::{Context as _, Result};
use aya::maps::{MapData, PerCpuArray};

use crate::coverage::{Coverage, EventKind, Flow, Loss, LossReason, Way};

/// The kernel's counters and what of them was reported before.
pub(super) struct KernelCounters {
    map: PerCpuArray<MapData, u64>,
    reported: [u64; STREAMS.len() * OUTCOMES.len()],
}

impl KernelCounters {
    pub(super) const fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self { map, reported: [0; STREAMS.len() * OUTCOMES.len()] }
    }

    /// Adds what has come since the last call to the coverage.
    pub(super) fn report(&mut self, coverage: &Coverage) -> Result<()> {
        for stream in STREAMS {
            for outcome in OUTCOMES {
                let slot = slot(stream, outcome);
                let values = self.map.get(&slot, 0).context("cannot read the kernel's counters")?;
                let total: u64 = values.iter().sum();
                let reported = &mut self.reported[slot as usize];
                let new = total.saturating_sub(*reported);
                *reported = total;
                if new > 0 {
                    add(coverage, stream, outcome, new);
                }
            }
        }
        Ok(())
    }
}

fn add(coverage: &Coverage, stream: Stream, outcome: Outcome, count: u64) {
    let flow = flow(stream);
    let loss = |reason| Loss { way: flow.way, kind: flow.kind, reason };
    match outcome {
        Outcome::Sent => coverage.add_sent(flow, count),
        Outcome::RingFull => coverage.add_lost(loss(LossReason::RingFull), count),
        Outcome::ScratchBusy => coverage.add_lost(loss(LossReason::ScratchBusy), count),
        // The event itself arrived; only its argv did not.
        Outcome::ArgvUnreadable => coverage.add_evidence_lost(loss(LossReason::ArgvUnreadable), count),
    }
}

const fn flow(stream: Stream) -> Flow {
    let (kind, way) = match stream {
        Stream::Exec => (EventKind::Exec, Way::CommonRing),
        Stream::Exit => (EventKind::Exit, Way::CommonRing),
        Stream::Death => (EventKind::Exit, Way::UrgentRing),
        Stream::Oom => (EventKind::OomKill, Way::UrgentRing),
        Stream::Crash => (EventKind::Crash, Way::CrashRing),
        Stream::Signal => (EventKind::Signal, Way::CommonRing),
    };
    Flow { kind, way }
}
