//! How the model fares, for `/api/v1/status`: what is left of its budgets, and whether it is left alone.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Analyst;
use crate::llm::Client;

impl Analyst {
    /// As JSON; what is not known is null.
    pub fn status(&self) -> Value {
        match &self.model {
            None => json!({"enabled": false, "name": null}),
            Some(model) => of(model),
        }
    }
}

fn of(model: &Client) -> Value {
    let (limits, breaker, (spent, nano_usd)) = (model.limits(), model.breaker(), model.spent());
    let left = |most: u32, used: u64| {
        let most = u64::from(most);
        json!({"limit": most, "used": used, "left": most.saturating_sub(used)})
    };
    let until = breaker.left.and_then(|left| {
        let left = SignedDuration::try_from(left).ok()?;
        Timestamp::now().checked_add(left).ok()
    });
    json!({
        "enabled": true,
        "name": model.model(),
        "budget": {
            "requests_per_minute": {"limit": limits.requests_per_minute},
            "tokens_per_minute": {"limit": limits.tokens_per_minute},
            "requests_per_day": left(limits.requests_per_day, spent.requests),
            "tokens_per_day": left(limits.tokens_per_day, spent.tokens),
            "usd_per_day": {"limit": dollars(limits.nano_usd_per_day), "used": nano_usd.map(dollars)},
            "day": spent.day,
        },
        "breaker": {"state": breaker.state, "failures": breaker.failures, "until": until},
        "prompt_tokens": model.prompt_tokens(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown to people, who need no fifteen digits")]
fn dollars(nano: u64) -> f64 {
    nano as f64 / 1e9
}
