//! How long kernel events take from their time stamp to their place in the table, by ring. Those of the common ring
//! come in batches: the clock is read once for all of a batch, when the last of it is there.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

use crate::host::boot_time;
use crate::metrics::{Metrics, RingLabel};
use crate::model::is_crash_signal;
use crate::observation::Observation;

/// The ring an event came by, and when the kernel stamped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Grave(Duration),
    Crash(Duration),
    Common(Duration),
}

/// The stamp of a kernel event; `None` for what came by no ring.
pub(super) const fn stamp(observation: &Observation) -> Option<Stamp> {
    match observation {
        Observation::Exec(process) => Some(Stamp::Common(process.at)),
        Observation::Exit(exit)
            if exit.oom_killed || matches!(exit.exit_code, Some(code) if code & 0x7f != 0) =>
        {
            Some(Stamp::Grave(exit.process.at))
        }
        Observation::Exit(exit) => Some(Stamp::Common(exit.process.at)),
        Observation::OomVictim(victim) => Some(Stamp::Grave(victim.at)),
        Observation::Signal(signal) if is_crash_signal(signal.signal) => Some(Stamp::Crash(signal.at)),
        Observation::Signal(signal) => Some(Stamp::Common(signal.at)),
        Observation::Forks(_)
        | Observation::Unit(_)
        | Observation::UnitsFollowed(_)
        | Observation::OomReport(_)
        | Observation::Seen(_)
        | Observation::Look(_)
        | Observation::Cgroup(_)
        | Observation::HostMemory(_)
        | Observation::ScanDone(_) => None,
    }
}

/// The histograms, looked up once.
pub(super) struct Delays {
    grave: Histogram,
    crash: Histogram,
    common: Histogram,
    /// The stamps of the common events of the batch under way.
    waiting: Vec<Duration>,
}

impl Delays {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let of = |ring| metrics.event_delay_seconds.get_or_create_owned(&RingLabel { ring });
        Self { grave: of("grave"), crash: of("crash"), common: of("common"), waiting: Vec::new() }
    }

    /// The event with this stamp is in the table now.
    pub(super) fn took(&mut self, stamp: Stamp) {
        match stamp {
            Stamp::Grave(at) => observe(&self.grave, at, boot_time()),
            Stamp::Crash(at) => observe(&self.crash, at, boot_time()),
            Stamp::Common(at) => self.waiting.push(at),
        }
    }

    /// So is the whole batch.
    pub(super) fn took_batch(&mut self) {
        let now = boot_time();
        self.waiting.drain(..).for_each(|at| observe(&self.common, at, now));
    }
}

fn observe(histogram: &Histogram, at: Duration, now: Duration) {
    histogram.observe(now.saturating_sub(at).as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProcessKey;
    use crate::observation::{KernelExit, KernelProcess, ScanDone};

    fn process() -> KernelProcess {
        KernelProcess::sample(ProcessKey { pid: 5, start_ticks: 50 }, Duration::from_secs(7))
    }

    fn exit(exit_code: u32, oom_killed: bool) -> Observation {
        Observation::Exit(KernelExit {
            process: process(),
            exit_code: Some(exit_code),
            oom_killed,
            cpu_ns: None,
            major_faults: None,
            io_bytes: None,
            threads: None,
            cgroup: None,
        })
    }

    #[test]
    fn each_event_is_counted_for_the_ring_it_came_by() {
        let at = Duration::from_secs(7);
        for (observation, want) in [
            (Observation::Exec(process()), Some(Stamp::Common(at))),
            (exit(0, false), Some(Stamp::Common(at))),
            (exit(1 << 8, false), Some(Stamp::Common(at))),
            (exit(0x8b, false), Some(Stamp::Grave(at))),
            (exit(0, true), Some(Stamp::Grave(at))),
            (Observation::ScanDone(ScanDone { began: at, took: at }), None),
        ] {
            assert_eq!(stamp(&observation), want, "{observation:?}");
        }
    }

    #[test]
    fn delays_are_shown_by_ring() {
        let metrics = Metrics::new();
        let mut delays = Delays::new(&metrics);
        delays.took(Stamp::Grave(boot_time()));
        delays.took(Stamp::Common(Duration::ZERO));
        delays.took(Stamp::Common(Duration::ZERO));
        delays.took_batch();
        let text = metrics.render();
        for line in [
            r#"ai_debugger_event_delay_seconds_count{ring="grave"} 1"#,
            r#"ai_debugger_event_delay_seconds_count{ring="common"} 2"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
