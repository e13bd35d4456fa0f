//! The daemon's own count of events: what the kernel side sent, what was received, what was lost.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::daemon::Daemon;
use crate::metrics::Metrics;

/// Longest wait until everything sent was received; the counters are read once a second.
const CAUGHT_UP_DEADLINE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Events {
    pub(super) execs: f64,
    pub(super) exits: f64,
    pub(super) received: f64,
    pub(super) sent: f64,
    pub(super) lost: f64,
    pub(super) lost_grave: f64,
}

impl Events {
    /// Waits until as many events were received as were sent; what there is now. An inequality that stays is
    /// a result, not an error.
    pub(super) fn caught_up(daemon: &Daemon) -> Result<Self> {
        let began = Instant::now();
        loop {
            // Longer than the interval at which the daemon reads the kernel's counters.
            std::thread::sleep(Duration::from_millis(1200));
            let events = Self::of(&daemon.metrics()?);
            if (events.sent - events.received).abs() < 0.5 || began.elapsed() > CAUGHT_UP_DEADLINE {
                return Ok(events);
            }
        }
    }

    fn of(metrics: &Metrics) -> Self {
        let events = |labels: &[_]| metrics.sum("ai_debugger_events_total", labels);
        Self {
            execs: events(&[("kind", "exec")]),
            exits: events(&[("kind", "exit")]),
            received: events(&[]),
            sent: metrics.sum("ai_debugger_events_sent_total", &[]),
            lost: metrics.sum("ai_debugger_events_lost_total", &[]),
            lost_grave: lost_grave(metrics),
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            execs: self.execs - before.execs,
            exits: self.exits - before.exits,
            received: self.received - before.received,
            sent: self.sent - before.sent,
            lost: self.lost - before.lost,
            lost_grave: self.lost_grave - before.lost_grave,
        }
    }
}

/// Of the ring that rare events have to themselves.
pub(super) fn lost_grave(metrics: &Metrics) -> f64 {
    metrics.sum("ai_debugger_events_lost_total", &[("ring", "grave")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_metrics() {
        let of = |execs: u32, exits: u32, lost: u32| {
            let text = format!(
                "ai_debugger_events_total{{kind=\"exec\",ring=\"common\"}} {execs}\n\
                 ai_debugger_events_total{{kind=\"exit\",ring=\"common\"}} {exits}\n\
                 ai_debugger_events_total{{kind=\"exit\",ring=\"grave\"}} 1\n\
                 ai_debugger_events_sent_total{{kind=\"exit\",ring=\"common\"}} 9\n\
                 ai_debugger_events_lost_total{{ring=\"grave\",kind=\"exit\",reason=\"ring_full\"}} {lost}\n"
            );
            Events::of(&Metrics::parse(&text).unwrap())
        };
        let since = of(5, 7, 2).since(of(1, 2, 0));
        let want = Events { execs: 4.0, exits: 5.0, received: 9.0, sent: 0.0, lost: 2.0, lost_grave: 2.0 };
        assert_eq!(since, want);
    }
}
