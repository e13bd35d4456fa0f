//! Every number the daemon counts about itself, in one registry: /metrics prints it, /api/v1/status reads it.
//! A stage gets `Arc<Metrics>` and touches the fields that are its own.

mod model;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub use model::{BudgetLabel, ModelMetrics, TokenLabel};

/// Which events: by kind and by where they came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct EventLabels {
    /// `exec`, `exit`, `oom_kill`.
    pub kind: &'static str,
    /// `grave` or `common`: which ring.
    pub ring: &'static str,
}

/// Which losses: by ring, kind and reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct LossLabels {
    /// `grave` or `common`.
    pub ring: &'static str,
    /// `exec`, `exit`, `oom_kill`, or `any` where the kind is not known.
    pub kind: &'static str,
    /// `ring_full`, `scratch_busy`, `channel_full`, `malformed`, …
    pub reason: &'static str,
}

/// One label naming what the number is about.
macro_rules! single_label {
    ($(#[$doc:meta])* $name:ident, $field:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
        pub struct $name {
            /// The label.
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
    /// The status code.
    pub status: u16,
}

/// Which alerts: by receiver and what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct AlertLabels {
    /// `slack`.
    pub sink: &'static str,
    /// `sent`, `retried`, `failed`.
    pub outcome: &'static str,
}

/// A family of counters that can also be read back: the registry's own families can only be printed.
///
/// A std Mutex: held for one map operation, never across an await.
struct Tally<L> {
    family: Family<L, Counter>,
    seen: Mutex<BTreeMap<L, Counter>>,
}

impl<L: Clone + Ord + std::hash::Hash + Eq> Tally<L> {
    fn new() -> Self {
        Self { family: Family::default(), seen: Mutex::default() }
    }

    fn add(&self, labels: L, n: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = seen.entry(labels).or_insert_with_key(|labels| self.family.get_or_create_owned(labels));
        counter.inc_by(n);
    }

    fn read(&self) -> Vec<(L, u64)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(labels, counter)| (labels.clone(), counter.get())).collect()
    }
}

/// The daemon's own numbers. Fields are public: each stage counts for itself.
pub struct Metrics {
    registry: Registry,
    events: Tally<EventLabels>,
    events_sent: Tally<EventLabels>,
    events_lost: Tally<LossLabels>,
    evidence_lost: Tally<LossLabels>,
    /// From the kernel's time stamp to the process table, by ring.
    pub event_delay_seconds: Family<RingLabel, Histogram, fn() -> Histogram>,
    /// Processes in the table.
    pub processes: Family<StateLabel, Gauge>,
    /// Walks of /proc that were finished.
    pub scans: Counter,
    /// How long a walk of /proc took.
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
    /// HTTP answers by route and status.
    pub http_responses: Family<HttpLabels, Counter>,
}

impl Metrics {
    /// A registry with everything at zero.
    pub fn new() -> Arc<Self> {
        let mut it = Self {
            registry: Registry::with_prefix("ai_debugger"),
            events: Tally::new(),
            events_sent: Tally::new(),
            events_lost: Tally::new(),
            evidence_lost: Tally::new(),
            event_delay_seconds: Family::new_with_constructor(delays),
            processes: Family::default(),
            scans: Counter::default(),
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
            http_responses: Family::default(),
        };
        let r = &mut it.registry;
        r.register("events", "Kernel events received, by kind and ring", it.events.family.clone());
        r.register(
            "events_sent",
            "Kernel events put on a ring, by kind and ring",
            it.events_sent.family.clone(),
        );
        r.register(
            "events_lost",
            "Kernel events lost, by ring, kind and reason",
            it.events_lost.family.clone(),
        );
        r.register(
            "evidence_lost",
            "Kernel events that came without a part of their evidence, by ring, kind and reason",
            it.evidence_lost.family.clone(),
        );
        r.register(
            "event_delay_seconds",
            "From the kernel's time stamp of an event to its place in the process table, by ring",
            it.event_delay_seconds.clone(),
        );
        r.register("processes", "Processes in the table, by state", it.processes.clone());
        r.register("scans", "Finished walks of /proc", it.scans.clone());
        r.register("scan_seconds", "Duration of a walk of /proc", it.scan_seconds.clone());
        r.register("turned_away", "Things turned away by a named limit", it.turned_away.clone());
        r.register("cases", "Cases raised by the monitor, repeats included", it.cases.clone());
        r.register("queue_depth", "Entries waiting, by queue", it.queue_depth.clone());
        r.register("queue_evicted", "Entries evicted by a worse one, by queue", it.queue_evicted.clone());
        r.register("incidents", "Incidents opened, by kind", it.incidents.clone());
        r.register("model_requests", "Requests to the language model, by outcome", it.model_requests.clone());
        r.register("model_seconds", "Time to the model's answer, retries included", it.model_seconds.clone());
        it.model.register(r);
        r.register("alerts", "Alerts, by receiver and outcome", it.alerts.clone());
        r.register("http_responses", "HTTP answers, by route and status", it.http_responses.clone());
        Arc::new(it)
    }

    /// Counts kernel events received by userspace.
    pub fn count_event(&self, kind: &'static str, ring: &'static str, n: u64) {
        self.events.add(EventLabels { kind, ring }, n);
    }

    /// Counts kernel events that the kernel side says it put on a ring.
    pub fn count_sent(&self, kind: &'static str, ring: &'static str, n: u64) {
        self.events_sent.add(EventLabels { kind, ring }, n);
    }

    /// Counts things that were turned away by the limit of this name.
    pub fn count_turned_away(&self, limit: &'static str, n: u64) {
        self.turned_away.get_or_create(&LimitLabel { limit }).inc_by(n);
    }

    /// Counts kernel events that were lost on the way to the monitor.
    pub fn count_loss(&self, ring: &'static str, kind: &'static str, reason: &'static str, n: u64) {
        self.events_lost.add(LossLabels { ring, kind, reason }, n);
    }

    /// Counts kernel events that came, but without a part of their evidence.
    pub fn count_evidence_loss(&self, ring: &'static str, kind: &'static str, reason: &'static str, n: u64) {
        self.evidence_lost.add(LossLabels { ring, kind, reason }, n);
    }

    /// Kernel events received so far, in the order of their labels.
    pub fn events(&self) -> Vec<(EventLabels, u64)> {
        self.events.read()
    }

    /// Kernel events put on a ring so far, by the kernel side's own count, in the order of their labels.
    pub fn events_sent(&self) -> Vec<(EventLabels, u64)> {
        self.events_sent.read()
    }

    /// Kernel events lost so far, by all rings, kinds and reasons.
    pub fn lost_total(&self) -> u64 {
        self.losses().iter().map(|(_, count)| count).sum()
    }

    /// Kernel events lost so far, in the order of their labels.
    pub fn losses(&self) -> Vec<(LossLabels, u64)> {
        self.events_lost.read()
    }

    /// Kernel events that came without a part of their evidence so far, in the order of their labels.
    pub fn evidence_losses(&self) -> Vec<(LossLabels, u64)> {
        self.evidence_lost.read()
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

    #[test]
    fn losses_are_shown_by_ring_kind_and_reason() {
        let metrics = Metrics::new();
        metrics.count_loss("common", "exec", "ring_full", 5);
        metrics.count_loss("common", "exec", "ring_full", 2);
        metrics.count_loss("common", "any", "malformed", 1);
        let text = metrics.render();
        let line = r#"ai_debugger_events_lost_total{ring="common",kind="exec",reason="ring_full"} 7"#;
        assert!(text.contains(line), "{text}");
        assert!(text.ends_with("# EOF\n"));
        let any = LossLabels { ring: "common", kind: "any", reason: "malformed" };
        let exec = LossLabels { ring: "common", kind: "exec", reason: "ring_full" };
        assert_eq!(metrics.losses(), [(any, 1), (exec, 7)]);
    }

    #[test]
    fn events_read_back_as_they_are_printed() {
        let metrics = Metrics::new();
        metrics.count_event("exit", "grave", 3);
        metrics.count_event("exec", "common", 0);
        let exec = EventLabels { kind: "exec", ring: "common" };
        let exit = EventLabels { kind: "exit", ring: "grave" };
        assert_eq!(metrics.events(), [(exec, 0), (exit, 3)]);
        assert!(metrics.render().contains(r#"ai_debugger_events_total{kind="exit",ring="grave"} 3"#));
    }
}
