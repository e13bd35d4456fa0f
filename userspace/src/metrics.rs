//! Every number the daemon counts about itself, in one registry, which /metrics prints.
//! A stage gets `Arc<Metrics>` and touches the fields that are its own.

mod events;
mod model;

use std::fmt::Write as _;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::coverage::Coverage;
use crate::sandbox::Confinement;
use events::EventMetrics;
pub use model::{BudgetLabel, ModelMetrics, TokenLabel};

/// One label naming what the number is about.
macro_rules! single_label {
    ($(#[$doc:meta])* $name:ident, $field:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
        pub struct $name {
            /// The value of the label.
            pub $field: &'static str,
        }
    };
}
single_label!(/** Which incident kind. */ KindLabel, kind);
single_label!(/** Which queue: `cases` or `model`. */ QueueLabel, queue);
single_label!(/** How it ended. */ OutcomeLabel, outcome);
single_label!(/** Which state: `live` or `ended`. */ StateLabel, state);
single_label!(/** Which bounded thing turned something away. */ LimitLabel, limit);
single_label!(/** Which ring: `grave`, `crash` or `common`. */ RingLabel, ring);

/// Which answers: by status class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct HttpLabels {
    /// The matched route, or `other`.
    pub route: String,
    /// The status code of the answer.
    pub status: u16,
}

/// Which alerts: by receiver and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct AlertLabels {
    /// The receiver's name, such as `slack`.
    pub sink: &'static str,
    /// What became of the alert: `sent`, `retried` or `failed`.
    pub outcome: &'static str,
}

/// Which jobs of the daemon's helper processes: by helper and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct HelperLabels {
    /// `parser` or `opener`.
    pub helper: &'static str,
    /// `answered`, or how the helper ended: `deadline`, `memory`, `cpu`, `signal`, `exited`, `malformed`; `refused`: there
    /// was none.
    pub outcome: &'static str,
}

/// The daemon's own numbers. Fields are public: each stage counts for itself.
pub struct Metrics {
    registry: Registry,
    /// Which events can be seen, came and were lost.
    pub coverage: Coverage,
    /// From the kernel's time stamp to the process table, by ring.
    pub event_delay_seconds: Family<RingLabel, Histogram, fn() -> Histogram>,
    /// Processes in the table.
    pub processes: Family<StateLabel, Gauge>,
    /// How long a scan of /proc took.
    pub scan_seconds: Histogram,
    /// Things that were turned away by a limit, by the limit's name.
    pub turned_away: Family<LimitLabel, Counter>,
    /// Cases the monitor raised, by kind; repeats included.
    pub cases: Family<KindLabel, Counter>,
    /// Entries waiting, by queue.
    pub queue_depth: Family<QueueLabel, Gauge>,
    /// Entries evicted by a worse one because the queue was full, by queue.
    pub queue_evicted: Family<QueueLabel, Counter>,
    /// Incidents opened, by kind.
    pub incidents: Family<KindLabel, Counter>,
    /// Requests to the language model, by outcome.
    pub model_requests: Family<OutcomeLabel, Counter>,
    /// How long the model took to answer, retries included.
    pub model_seconds: Histogram,
    /// What the model costs.
    pub model: ModelMetrics,
    /// Alerts by receiver and outcome.
    pub alerts: Family<AlertLabels, Counter>,
    /// Jobs of helper processes by outcome.
    pub helper_jobs: Family<HelperLabels, Counter>,
    /// What is in force in them.
    pub confinement: Confinement,
    /// HTTP answers by route and status.
    pub http_responses: Family<HttpLabels, Counter>,
}

impl Metrics {
    /// A registry with everything at zero.
    pub fn new() -> Arc<Self> {
        let mut it = Self {
            registry: Registry::with_prefix("ai_debugger"),
            coverage: Coverage::default(),
            event_delay_seconds: Family::new_with_constructor(delays),
            processes: Family::default(),
            scan_seconds: seconds(),
            turned_away: Family::default(),
            cases: Family::default(),
            queue_depth: Family::default(),
            queue_evicted: Family::default(),
            incidents: Family::default(),
            model_requests: Family::default(),
            model_seconds: seconds(),
            model: ModelMetrics::default(),
            alerts: Family::default(),
            helper_jobs: Family::default(),
            confinement: Confinement::default(),
            http_responses: Family::default(),
        };
        let r = &mut it.registry;
        r.register_collector(Box::new(EventMetrics(it.coverage.clone())));
        r.register(
            "event_delay_seconds",
            "Time from the kernel's time stamp of an event to the process table, by ring",
            it.event_delay_seconds.clone(),
        );
        r.register("processes", "Processes in the table, by state", it.processes.clone());
        r.register("scan_seconds", "Duration of a scan of /proc", it.scan_seconds.clone());
        r.register("turned_away", "Things turned away by a named limit", it.turned_away.clone());
        r.register("cases", "Cases raised by the monitor, repeats included", it.cases.clone());
        r.register("queue_depth", "Entries waiting, by queue", it.queue_depth.clone());
        r.register(
            "queue_evicted",
            "Entries evicted by a more urgent one, by queue",
            it.queue_evicted.clone(),
        );
        r.register("incidents", "Incidents opened, by kind", it.incidents.clone());
        r.register("model_requests", "Requests to the language model, by outcome", it.model_requests.clone());
        r.register(
            "model_seconds",
            "Time until the model's answer, including retries",
            it.model_seconds.clone(),
        );
        it.model.register(r);
        r.register("alerts", "Alerts, by receiver and outcome", it.alerts.clone());
        r.register("helper_jobs", "Jobs of helper processes, by helper and outcome", it.helper_jobs.clone());
        r.register("http_responses", "HTTP answers, by route and status", it.http_responses.clone());
        Arc::new(it)
    }

    /// Counts things that were turned away by the limit of this name.
    pub fn count_turned_away(&self, limit: &'static str, n: u64) {
        self.turned_away.get_or_create(&LimitLabel { limit }).inc_by(n);
    }

    /// All of it as OpenMetrics text, which Prometheus reads.
    pub fn render(&self) -> String {
        let mut out = String::new();
        if encode(&mut out, &self.registry).is_err() {
            // Writing to a String does not fail; an encoder's own refusal still must not be silence.
            out.clear();
            let _ = writeln!(out, "# the metrics could not be encoded\n# EOF");
        }
        out
    }
}

/// From 20 µs to 4 s, each bucket a third above the one before: fine enough to read percentiles off.
fn delays() -> Histogram {
    Histogram::new(exponential_buckets(0.000_02, 4.0 / 3.0, 44))
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::{EventKind, Flow, Loss, LossReason, Way};

    #[test]
    fn losses_are_shown_by_ring_kind_and_reason() {
        let metrics = Metrics::new();
        let loss = Loss { way: Way::CommonRing, kind: EventKind::Exec, reason: LossReason::RingFull };
        metrics.coverage.add_lost(loss, 5);
        metrics.coverage.add_lost(loss, 2);
        metrics.coverage.add_lost(Loss { kind: EventKind::Any, reason: LossReason::Malformed, ..loss }, 1);
        let text = metrics.render();
        for line in [
            r#"ai_debugger_events_lost_total{ring="common",kind="exec",reason="ring_full"} 7"#,
            r#"ai_debugger_events_lost_total{ring="common",kind="any",reason="malformed"} 1"#,
            "# TYPE ai_debugger_events_lost counter",
        ] {
            assert_eq!(text.matches(line).count(), 1, "{line}: {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn events_are_shown_by_kind_and_ring() {
        let metrics = Metrics::new();
        metrics.coverage.add_received(Flow { kind: EventKind::Exit, way: Way::UrgentRing }, 3);
        metrics.coverage.add_sent(Flow { kind: EventKind::Exit, way: Way::UrgentRing }, 4);
        let text = metrics.render();
        assert!(text.contains(r#"ai_debugger_events_total{kind="exit",ring="grave"} 3"#), "{text}");
        assert!(text.contains(r#"ai_debugger_events_sent_total{kind="exit",ring="grave"} 4"#), "{text}");
    }
}
