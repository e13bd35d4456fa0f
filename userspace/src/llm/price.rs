//! What a question costs, in billionths of a US dollar.

use super::usage::Usage;
use crate::config::{LlmLimits, Price};

/// Groq's prices in late 2026, in billionths of a dollar for a token: $0.15 and $0.60 for a million are 150 and 600.
const KNOWN: [(&str, u64, u64); 2] = [("openai/gpt-oss-120b", 150, 600), ("openai/gpt-oss-20b", 75, 300)];

/// The model's price; `None`: not known, and then its cost is not either.
pub(super) fn of(model: &str, limits: &LlmLimits) -> Option<Price> {
    let known = || {
        let (_, nano_usd_in, nano_usd_out) = KNOWN.into_iter().find(|(name, ..)| *name == model)?;
        Some(Price { model: model.to_owned(), nano_usd_in, nano_usd_out })
    };
    limits.prices.iter().find(|price| price.model == model).cloned().or_else(known)
}

/// What these tokens cost. Cached ones are cheaper on Groq; here they count in full, on the safe side.
pub(super) const fn cost(price: &Price, usage: Usage) -> u64 {
    price
        .nano_usd_in
        .saturating_mul(usage.prompt)
        .saturating_add(price.nano_usd_out.saturating_mul(usage.completion))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_price_goes_before_the_known_one() {
        let mut limits = LlmLimits::default();
        let usage = Usage { prompt: 1_000_000, completion: 500_000, cached: 0 };
        let of = |model: &str, limits: &LlmLimits| of(model, limits).map(|price| cost(&price, usage));
        assert_eq!(of("openai/gpt-oss-120b", &limits), Some(450_000_000), "45 cents");
        assert_eq!(of("openai/gpt-oss-20b", &limits), Some(225_000_000));
        assert_eq!(of("llama3.2:3b", &limits), None);
        let model = "openai/gpt-oss-120b".to_owned();
        limits.prices = vec![Price { model, nano_usd_in: 1, nano_usd_out: 0 }];
        assert_eq!(of("openai/gpt-oss-120b", &limits), Some(1_000_000));
    }
}
