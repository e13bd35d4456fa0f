//! What the language model costs: requests, tokens, money, time, and when it is left alone.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Which tokens: `prompt`, `cached` (part of the prompt) or `completion`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct TokenLabel {
    /// The value of the label.
    pub kind: &'static str,
}

/// Which budget: `requests_per_day`, `tokens_per_day`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct BudgetLabel {
    /// The value of the label.
    pub budget: &'static str,
}

/// The model's numbers, beside its requests and their time.
#[derive(Default)]
pub struct ModelMetrics {
    /// Tokens, by the service's own count.
    pub tokens: Family<TokenLabel, Counter>,
    /// Dollars, where the price is known.
    pub cost_usd: Counter<f64, AtomicU64>,
    /// What is left of the day's budgets.
    pub budget_left: Family<BudgetLabel, Gauge>,
    /// Whether the circuit breaker keeps questions back.
    pub breaker_open: Gauge,
    /// How often it opened.
    pub breaker_trips: Counter,
    /// Verdicts of earlier questions that were given again.
    pub reused: Counter,
    /// Verdicts that raised an incident's severity.
    pub raised: Counter,
}

impl ModelMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("model_tokens", "Tokens as counted by the service, by kind", self.tokens.clone());
        r.register("model_cost_usd", "US dollars spent, where the price is known", self.cost_usd.clone());
        r.register("model_budget_left", "Remaining budget of the day", self.budget_left.clone());
        r.register(
            "model_breaker_open",
            "Whether requests are held back after failures",
            self.breaker_open.clone(),
        );
        r.register("model_breaker_trips", "How often the breaker opened", self.breaker_trips.clone());
        r.register("model_verdicts_reused", "Earlier verdicts reused", self.reused.clone());
        r.register(
            "model_severity_raised",
            "Incidents whose severity the model raised by one step",
            self.raised.clone(),
        );
    }
}
