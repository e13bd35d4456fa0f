//! The language model: where it is, and how much may be spent on it. The defaults are Groq's free plan.

use std::time::Duration;

use secrecy::SecretString;

use super::declare::{Fixed, Part, Reader, Section, defaults, flags, list, one, settings, variables};
use super::key;
use super::parse::{self, count};
use super::price::{Price, price};
use super::problem::Rejected;
use super::secret::{Given, Secret};
use super::setting::group;

/// The language model: Groq, or anything that speaks the same chat-completions API.
#[derive(Clone, Debug)]
pub struct LlmConfig {
    /// Such as `https://api.groq.com/openai/v1`; no slash at the end.
    pub base_url: String,
    /// The model to ask, such as `openai/gpt-oss-120b`.
    pub model: String,
    /// The API key, from `GROQ_API_KEY`.
    pub api_key: SecretString,
    /// How long an alert may wait for the verdict, retries included.
    pub deadline: Duration,
    /// How much may be spent.
    pub limits: LlmLimits,
}

settings! {
    /// How much may be spent on the model. Over a limit the built-in analyst judges alone.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LlmLimits {
        in flags(group::MODEL, "llm_") => {
            /// Maximum requests to the model per minute; above any of these limits the built-in analyst works alone.
            pub requests_per_minute: u32 = one("30", "N", count(1, 100_000));
            /// Maximum requests to the model per day (UTC).
            pub requests_per_day: u32 = one("1000", "N", count(1, 100_000_000));
            /// Maximum tokens per minute, including 2,000 reserved for each answer.
            pub tokens_per_minute: u32 = one("8000", "N", count(6_000, 100_000_000));
            /// Maximum tokens per day (UTC).
            pub tokens_per_day: u32 = one("200000", "N", count(6_000, 4_000_000_000));
            // In billionths of a US dollar.
            /// Maximum spending per day (UTC) in US dollars, if the model's price is known.
            pub nano_usd_per_day: u64 = one("1", "USD", parse::nano_usd).adjust(|it| it.rename("llm_usd_per_day"));
            /// Tokens of the longest prompt, as they are estimated here: with the room for the answer it fits into a
            /// minute of Groq's free plan, with some to spare where the estimate is wrong.
            pub prompt_tokens: u32 = Fixed(5_400);
            // Beside those that are known here.
            /// Price of a model in US dollars per million input tokens and output tokens; repeatable.
            pub prices: Vec<Price> = list("", "MODEL=IN/OUT", price);
        }
    }
}

defaults!(LlmLimits);

settings! {
    struct LlmSettings {
        in flags(group::MODEL, "llm_") => {
            /// Base URL of the model's API: Groq, or any other service compatible with OpenAI's chat completions.
            base_url: String = one("https://api.groq.com/openai/v1", "URL", parse::base_url);
            /// Name of the model to ask.
            model: String = one("openai/gpt-oss-120b", "MODEL", parse::model_name);
            /// How long an alert may wait for the model, 1s to 1m.
            deadline: Duration = one("8s", "TIME", parse::duration("1s", "1m"));
            /// How much may be spent.
            limits: LlmLimits = Part;
        }
        in variables(group::MODEL, "groq_") => {
            /// API key of the model; without it the built-in analyst works alone.
            api_key: Option<Given> = Secret("KEY");
        }
    }
}

impl Section for Option<LlmConfig> {
    fn read(reader: &mut Reader) -> Self {
        let LlmSettings { base_url, model, deadline, limits, api_key } = Section::read(reader);
        if reader.layers.get("no_llm").is_some_and(|found| parse::switch(found.text()) == Ok(true)) {
            return None;
        }
        let Some(Given { value: api_key, origin }) = api_key else {
            if reader.layers.get("llm_base_url").is_some() {
                reader.warn(
                    "the model is not used: its address is set, but GROQ_API_KEY is not (any value will do \
                     if the API needs no key)",
                );
            }
            return None;
        };
        let what = "the value cannot be an API key";
        let wrong = |_| Rejected::new(what, "copy it as the API's provider shows it");
        reader.note(key::check_shape(&api_key).map_err(wrong), &origin)?;
        Some(LlmConfig { base_url, model, api_key, deadline, limits })
    }
}
