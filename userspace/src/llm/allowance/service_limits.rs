//! What the service itself says is left, in its `x-ratelimit-*` headers: it may count more than this daemon, as
//! others use the key too.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::llm::exhausted::SpendingLimit;

/// No reset is believed that is further away: Groq's are of a minute or a day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The last that was told.
#[derive(Default)]
pub(super) struct ServiceLimits {
    requests: Option<Left>,
    tokens: Option<Left>,
    /// The service asked to wait until then (`retry-after`).
    wait: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Left {
    remaining: u64,
    until: Instant,
}

impl ServiceLimits {
    /// Takes in an answer's headers. Groq's `-requests` are of a day, its `-tokens` of a minute.
    pub(super) fn hear(&mut self, headers: &HeaderMap, now: Instant) {
        self.requests = left(headers, "requests", now).or(self.requests);
        self.tokens = left(headers, "tokens", now).or(self.tokens);
    }

    /// Takes in a refusal that says how long to wait.
    pub(super) fn wait(&mut self, time: Duration, now: Instant) {
        self.wait = Some(now + time.min(LONGEST));
    }

    /// Which budget has no room for a request of so many tokens, and until when.
    pub(super) fn lacks(&self, tokens: u32, now: Instant) -> Option<(SpendingLimit, Instant)> {
        let short = |left: Option<Left>, need: u64| {
            left.filter(|left| left.remaining < need && left.until > now).map(|left| left.until)
        };
        let waits = self.wait.filter(|until| *until > now).map(|until| (SpendingLimit::Service, until));
        waits
            .or_else(|| Some((SpendingLimit::Service, short(self.requests, 1)?)))
            .or_else(|| Some((SpendingLimit::Service, short(self.tokens, tokens.into())?)))
    }
}

fn left(headers: &HeaderMap, what: &str, now: Instant) -> Option<Left> {
    let header = |kind: &str| headers.get(format!("x-ratelimit-{kind}-{what}"))?.to_str().ok();
    let remaining = header("remaining")?.trim().parse().ok()?;
    // `2m59.56s`
    let reset: SignedDuration = header("reset")?.trim().parse().ok()?;
    let reset = Duration::try_from(reset).ok()?.min(LONGEST);
    Some(Left { remaining, until: now + reset })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        given.iter().map(pair).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_read_and_believed_until_its_reset() {
        let now = Instant::now();
        let requests =
            |left, reset| [("x-ratelimit-remaining-requests", left), ("x-ratelimit-reset-requests", reset)];
        let tokens =
            |left, reset| [("x-ratelimit-remaining-tokens", left), ("x-ratelimit-reset-tokens", reset)];
        for (given, want_ms) in [
            (requests("0", "2m59.56s"), Some(179_560)),
            (requests("1", "2m59.56s"), None),
            (tokens("4999", "7.66s"), Some(7_660)),
            (tokens("5000", "7.66s"), None),
            (tokens("0", "120ms"), Some(120)),
            (tokens("0", "0s"), None),
            (tokens("0", "9000h"), Some(86_400_000)),
            (tokens("0", "-5s"), None),
            (tokens("many", "7s"), None),
            (tokens("0", "soon"), None),
            (tokens("-1", "1s"), None),
        ] {
            let mut told = ServiceLimits::default();
            told.hear(&headers(&given), now);
            let lacks = told.lacks(5_000, now).map(|(_, until)| (until - now).as_millis());
            assert_eq!(lacks, want_ms, "{given:?}");
        }
        let mut told = ServiceLimits::default();
        told.wait(Duration::from_secs(60), now);
        told.hear(&headers(&tokens("0", "90s")), now);
        let until = |after: u64| {
            let now = now + Duration::from_secs(after);
            told.lacks(1, now).map(|(_, until)| (until - now).as_secs())
        };
        assert_eq!((until(0), until(60), until(90)), (Some(60), Some(30), None));
    }
}
