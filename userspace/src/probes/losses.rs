//! What the kernel side counted: sent and lost, by stream. Read as totals, reported as differences.

use ai_debugger_ebpf::counters::{OUTCOMES, Outcome, STREAMS, Stream, slot};
use anyhow::{Context as _, Result};
use aya::maps::{MapData, PerCpuArray};

use crate::metrics::Metrics;

/// The kernel's counters and what of them was reported before.
pub(super) struct KernelCounters {
    map: PerCpuArray<MapData, u64>,
    reported: [u64; STREAMS.len() * OUTCOMES.len()],
}

impl KernelCounters {
    pub(super) const fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self { map, reported: [0; STREAMS.len() * OUTCOMES.len()] }
    }

    /// Adds what has come since the last call to the metrics.
    pub(super) fn report(&mut self, metrics: &Metrics) -> Result<()> {
        for stream in STREAMS {
            for outcome in OUTCOMES {
                let slot = slot(stream, outcome);
                let values = self.map.get(&slot, 0).context("cannot read the kernel's counters")?;
                let total: u64 = values.iter().sum();
                let reported = &mut self.reported[slot as usize];
                let new = total.saturating_sub(*reported);
                *reported = total;
                if new > 0 {
                    add(metrics, stream, outcome, new);
                }
            }
        }
        Ok(())
    }
}

fn add(metrics: &Metrics, stream: Stream, outcome: Outcome, count: u64) {
    let (ring, kind) = names(stream);
    match outcome {
        Outcome::Sent => metrics.count_sent(kind, ring, count),
        Outcome::RingFull => metrics.count_loss(ring, kind, "ring_full", count),
        Outcome::ScratchBusy => metrics.count_loss(ring, kind, "scratch_busy", count),
        // The event itself arrived; only its argv did not.
        Outcome::ArgvUnreadable => metrics.count_evidence_loss(ring, kind, "argv_unreadable", count),
    }
}

/// Ring and kind as metrics name them.
const fn names(stream: Stream) -> (&'static str, &'static str) {
    match stream {
        Stream::Exec => ("common", "exec"),
        Stream::Exit => ("common", "exit"),
        Stream::Death => ("grave", "exit"),
        Stream::Oom => ("grave", "oom_kill"),
        Stream::Crash => ("crash", "crash"),
    }
}
