//! What a language model costs.

use super::parse::{Parsed, model_name, nano};
use super::problem::Rejected;

/// What a model costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// The model's name, as its API lists it.
    pub model: String,
    /// Billionths of a US dollar for a token read: thousandths of a dollar for a million.
    pub nano_usd_in: u64,
    /// The same for a token written.
    pub nano_usd_out: u64,
}

/// `MODEL=IN/OUT`, in dollars for a million tokens.
pub(super) fn price(text: &str) -> Parsed<Price> {
    let accepted = "give MODEL=IN/OUT in dollars for a million tokens, such as openai/gpt-oss-120b=0.15/0.60";
    let rejected = || Rejected::value(text, "is not a price", accepted);
    let (model, price) = text.rsplit_once('=').ok_or_else(rejected)?;
    let (read, written) = price.split_once('/').ok_or_else(rejected)?;
    let parsed = || {
        // A dollar for a million tokens is a thousand billionths for one.
        let (nano_usd_in, nano_usd_out) = (nano(read, 1e3)?, nano(written, 1e3)?);
        Some(Price { model: model_name(model.trim()).ok()?, nano_usd_in, nano_usd_out })
    };
    parsed().ok_or_else(rejected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::check;

    #[test]
    fn prices() {
        let of =
            |model: &str, nano_usd_in, nano_usd_out| Price { model: model.into(), nano_usd_in, nano_usd_out };
        check(
            price,
            &[
                ("openai/gpt-oss-120b=0.15/0.60", of("openai/gpt-oss-120b", 150, 600)),
                ("a=b=0.075/0", of("a=b", 75, 0)),
            ],
            &["", "m", "m=1", "m=1/", "=1/2", "m=-1/2", "m=1/2/3", "m n=1/2"],
        );
    }
}
