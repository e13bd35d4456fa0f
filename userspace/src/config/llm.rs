//! The language model: where it is, and how much may be spent on it. The defaults are Groq's free plan.

use std::time::Duration;

use secrecy::SecretString;

/// The language model: Groq, or anything that speaks the same chat-completions API.
#[derive(Clone, Debug)]
pub struct LlmConfig {
    /// Such as `https://api.groq.com/openai/v1`; no slash at the end.
    pub base_url: String,
    /// Such as `openai/gpt-oss-120b`.
    pub model: String,
    /// `GROQ_API_KEY`.
    pub api_key: SecretString,
    /// How long an alert may wait for the verdict, retries included.
    pub deadline: Duration,
    /// How much may be spent.
    pub limits: LlmLimits,
}

/// How much may be spent on the model. Over a limit the built-in analyst judges alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmLimits {
    /// Requests in a minute.
    pub requests_per_minute: u32,
    /// Requests in a UTC day.
    pub requests_per_day: u32,
    /// Tokens in a minute, the room for the answer included.
    pub tokens_per_minute: u32,
    /// Tokens in a UTC day.
    pub tokens_per_day: u32,
    /// Money in a UTC day, in billionths of a US dollar.
    pub nano_usd_per_day: u64,
    /// Tokens of the longest prompt, as they are estimated here.
    pub prompt_tokens: u32,
    /// What models cost beside those that are known here.
    pub prices: Vec<Price>,
}

/// What a model costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// The model's name.
    pub model: String,
    /// Billionths of a US dollar for a token read: thousandths of a dollar for a million.
    pub nano_usd_in: u64,
    /// The same for a token written.
    pub nano_usd_out: u64,
}

impl Default for LlmLimits {
    fn default() -> Self {
        Self {
            requests_per_minute: 30,
            requests_per_day: 1_000,
            tokens_per_minute: 8_000,
            tokens_per_day: 200_000,
            nano_usd_per_day: 1_000_000_000,
            prompt_tokens: 5_400,
            prices: Vec::new(),
        }
    }
}
