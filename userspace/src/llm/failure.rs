//! Why the model gave no verdict: what is counted, what is said in the verdict's note, and what is tried again.
//! Nothing in it comes from the server but numbers and error codes that are known here.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::exhausted::Exhausted;

/// Codes worth telling; others are the server's own words, which are not to be trusted.
const CODES: [&str; 6] = [
    "model_decommissioned",
    "model_not_found",
    "json_validate_failed",
    "rate_limit_exceeded",
    "capacity_exceeded",
    "invalid_api_key",
];

/// Why there is no verdict of the model's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Other cases kept the model busy for too long.
    Busy,
    /// A budget has no room; nothing was sent.
    Exhausted(Exhausted),
    /// It failed so often that it is left alone; nothing was sent.
    LeftAlone { failures: u32, until: Timestamp },
    /// No answer before the deadline.
    Timeout,
    /// No connection, or it broke.
    Connection,
    /// An HTTP status that is no success.
    Status { status: u16, code: Option<&'static str>, retry_after: Option<Duration> },
    /// The model would not answer.
    Refused,
    /// The reply is larger than the limit.
    TooLarge,
    /// The reply is not what was asked for.
    Invalid(&'static str),
}

impl Failure {
    /// From an answer's status, its `Retry-After` and its body.
    pub(super) fn from_status(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        // Seconds; the dates that HTTP allows as well are not used by these servers.
        let seconds = retry_after.and_then(|it| it.trim().parse::<f64>().ok());
        let retry_after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let code = CODES.into_iter().find(|code| body["error"]["code"] == **code);
        Self::Status { status, code, retry_after }
    }

    /// Whether the same request may well succeed later.
    pub(super) const fn is_transient(&self) -> bool {
        match self {
            Self::Connection => true,
            // 498: no capacity, Groq's own.
            Self::Status { status, .. } => matches!(status, 408 | 409 | 429 | 498 | 500..=599),
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The value of the label `outcome` in metrics.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Exhausted(_) => "budget",
            Self::LeftAlone { .. } => "breaker",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Status { status: 429, .. } => "rate_limited",
            Self::Status { status: 400..=499, .. } => "http_4xx",
            Self::Status { status: 500..=599, .. } => "http_5xx",
            Self::Status { .. } => "http_other",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Invalid(_) => "invalid_reply",
        }
    }

    /// Whether it says that the model is sick, for the breaker. Budgets and other cases do not, nor a service that
    /// says how long to wait.
    pub(super) const fn is_sickness(&self) -> bool {
        match self {
            Self::Busy | Self::Exhausted(_) | Self::LeftAlone { .. } => false,
            Self::Status { status: 429, retry_after, .. } => retry_after.is_none(),
            _ => true,
        }
    }

    /// Whether the service did the work, as far as one can know, and may have it on its bill.
    pub(super) fn may_cost(&self) -> bool {
        match self {
            Self::Timeout | Self::Refused | Self::TooLarge | Self::Invalid(_) => true,
            Self::Busy | Self::Exhausted(_) | Self::LeftAlone { .. } | Self::Connection => false,
            Self::Status { code, .. } => matches!(code, Some("json_validate_failed")),
        }
    }

    /// What is wrong with the configuration, and what to do, when that is what it says.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Exhausted(it) if !it.budget.is_short() => {
                return Some(
                    "wait until the next day (UTC), or raise the --llm-… limits to match the service's plan",
                );
            }
            Self::LeftAlone { .. } => {
                return Some("see the log for the failures; it is retried automatically");
            }
            _ => {}
        }
        let Self::Status { status, code, .. } = self else { return None };
        if matches!(code, Some("model_decommissioned" | "model_not_found")) {
            return Some("set --llm-model (AI_DEBUGGER_LLM_MODEL) to a model the service has");
        }
        match status {
            401 | 403 => Some("check GROQ_API_KEY (or GROQ_API_KEY_FILE): it must be a key for this service"),
            404 => Some(
                "set --llm-model to a model the service has, and --llm-base-url to its OpenAI-style address",
            ),
            // Sending the same again would fail again, so the request is never repeated.
            413 => Some("lower --llm-tokens-per-minute to what the service's plan allows"),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("busy with other cases"),
            Self::Exhausted(it) => {
                let until = it.until.strftime("%Y-%m-%d %H:%M:%S UTC");
                write!(f, "the budget of {} is used up until {until}", it.budget.words())
            }
            Self::LeftAlone { failures, until } => {
                let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
                write!(f, "not asked until {until} after {failures} failures in a row")
            }
            Self::Timeout => f.write_str("no answer before the deadline"),
            Self::Connection => f.write_str("cannot be reached, or the connection broke"),
            Self::Refused => f.write_str("the model refused to answer"),
            Self::TooLarge => f.write_str("its reply is too large"),
            Self::Invalid(why) => write!(f, "its reply {why}"),
            Self::Status { status, code, retry_after } => {
                write!(f, "{status} {}", words(*status))?;
                if let Some(code) = code {
                    write!(f, ", {code}")?;
                }
                retry_after.map_or(Ok(()), |wait| write!(f, " (retry after {} s)", wait.as_secs_f64()))
            }
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // The client's own timeout is the whole deadline; that of connecting is shorter and worth another try.
        let failure =
            if error.is_timeout() && !error.is_connect() { Self::Timeout } else { Self::Connection };
        tracing::info!(error = format!("{:#}", anyhow::Error::new(error)), "the model's service: {failure}");
        failure
    }
}

fn words(status: u16) -> &'static str {
    match status {
        401 => "API key refused",
        403 => "API key not allowed to do this",
        404 => "no such model, or a wrong base URL",
        408 => "request timed out",
        413 => "request too large for the plan",
        429 => "rate limited",
        498 => "no capacity",
        300..=399 => "redirect refused",
        400..=499 => "request refused",
        _ => "server error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_counted_and_retried_as_they_mean() {
        for (status, retry_after, body, text, outcome, transient) in [
            (429, Some("60"), "", "429 rate limited (retry after 60 s)", "rate_limited", true),
            (429, Some("1.5"), "{", "429 rate limited (retry after 1.5 s)", "rate_limited", true),
            (429, Some("Wed, 21 Oct 2026 07:28:00 GMT"), "", "429 rate limited", "rate_limited", true),
            (429, Some("-1"), "", "429 rate limited", "rate_limited", true),
            (429, Some("1e300"), "", "429 rate limited", "rate_limited", true),
            (429, Some("NaN"), "", "429 rate limited", "rate_limited", true),
            (
                400,
                None,
                r#"{"error":{"code":"json_validate_failed"}}"#,
                "400 request refused, json_validate_failed",
                "http_4xx",
                false,
            ),
            (400, None, r#"{"error":{"code":"gsk_secret"}}"#, "400 request refused", "http_4xx", false),
            (401, None, "[]", "401 API key refused", "http_4xx", false),
            (404, None, "", "404 no such model, or a wrong base URL", "http_4xx", false),
            (408, None, "", "408 request timed out", "http_4xx", true),
            (409, None, "", "409 request refused", "http_4xx", true),
            (413, None, "", "413 request too large for the plan", "http_4xx", false),
            (498, None, "", "498 no capacity", "http_4xx", true),
            (503, None, "", "503 server error", "http_5xx", true),
            (302, None, "", "302 redirect refused", "http_other", false),
        ] {
            let failure = Failure::from_status(status, retry_after, body.as_bytes());
            assert_eq!(failure.to_string(), text);
            assert_eq!(failure.outcome(), outcome, "{text}");
            assert_eq!(failure.is_transient(), transient, "{text}");
        }
    }
}
