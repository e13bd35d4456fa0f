//! How much may be asked: requests and tokens by the minute and the day, money by the day. Room is taken before a
//! request leaves, so that the limits hold whatever comes back, and corrected by what the service says it cost.

mod ledger;
mod service_limits;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::exhausted::{Exhausted, SpendingLimit};
use super::price;
use super::usage::Usage;
use crate::config::{LlmLimits, Price};
use crate::metrics::{BudgetLabel, Metrics, TokenLabel};

use ledger::Ledger;
pub(super) use ledger::Spent;
use service_limits::ServiceLimits;

const MINUTE: Duration = Duration::from_secs(60);

/// Tokio's clock, which tests can pause.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

pub(super) struct Allowance {
    limits: LlmLimits,
    price: Option<Price>,
    clock: TokioClock,
    requests: Limiter,
    tokens: Limiter,
    ledger: Ledger,
    minute: Mutex<Minute>,
    metrics: Arc<Metrics>,
}

/// A std Mutex around it: held for a few comparisons, never across an await.
#[derive(Default)]
struct Minute {
    told: ServiceLimits,
    /// There was no room for so many tokens, and will not be before then.
    full: Option<(u32, Exhausted, Instant)>,
    /// Tokens that were taken for requests that cost less, and since when. They can't be put back into the limiter,
    /// and lose their worth while that fills up by itself.
    credit: Option<(u32, Instant)>,
}

impl Minute {
    fn credit(&self) -> u32 {
        let Some((tokens, since)) = self.credit else { return 0 };
        let left = MINUTE.saturating_sub(since.elapsed()).as_millis();
        u32::try_from(u128::from(tokens) * left / MINUTE.as_millis()).unwrap_or(0)
    }
}

/// Room that was taken for one request.
pub(super) struct Taken {
    tokens: u64,
    nano_usd: u64,
}

impl Allowance {
    pub(super) fn new(model: &str, limits: LlmLimits, metrics: Arc<Metrics>) -> Self {
        let clock = TokioClock(Instant::now());
        let limiter = |most: u32| {
            let most = NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct_with_clock(Quota::per_minute(most), clock.clone())
        };
        Self {
            price: price::of(model, &limits),
            requests: limiter(limits.requests_per_minute),
            tokens: limiter(limits.tokens_per_minute),
            ledger: Ledger::default(),
            minute: Mutex::default(),
            limits,
            clock,
            metrics,
        }
    }

    /// Keeps the day's account in this folder. Blocks.
    pub(super) fn keep_in(&self, dir: &Path) -> Result<()> {
        let kept = self.ledger.keep_in(dir, Timestamp::now());
        self.show_left();
        kept
    }

    pub(super) const fn limits(&self) -> &LlmLimits {
        &self.limits
    }

    /// What was spent today; the money is `None` where the price is not known.
    pub(super) fn spent(&self) -> (Spent, Option<u64>) {
        let spent = self.ledger.today(Timestamp::now(), |spent| spent.clone());
        let money = self.price.is_some().then_some(spent.nano_usd);
        (spent, money)
    }

    /// Takes the room for one request.
    pub(super) fn take(&self, prompt: u32, completion: u32) -> Result<Taken, Exhausted> {
        let now = Timestamp::now();
        let usage = Usage { prompt: prompt.into(), completion: completion.into(), cached: 0 };
        let tokens = prompt.saturating_add(completion);
        let taken = Taken {
            tokens: tokens.into(),
            nano_usd: self.price.as_ref().map_or(0, |it| price::cost(it, usage)),
        };
        self.day_lacks(now, &taken).map_or(Ok(()), Err)?;
        self.minute_take(now, tokens)?;
        self.ledger.today(now, |spent| {
            spent.requests = spent.requests.saturating_add(1);
            spent.tokens = spent.tokens.saturating_add(taken.tokens);
            spent.nano_usd = spent.nano_usd.saturating_add(taken.nano_usd);
        });
        self.changed();
        Ok(taken)
    }

    /// Puts what a request cost in place of what was taken for it; without it, what was taken stays spent.
    pub(super) fn settle(&self, taken: &Taken, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        let unused = taken.tokens.saturating_sub(usage.prompt.saturating_add(usage.completion));
        self.with_minute(|minute| {
            let credit = minute.credit().saturating_add(u32::try_from(unused).unwrap_or(0));
            minute.credit = Some((credit.min(self.limits.tokens_per_minute), Instant::now()));
            minute.full = None;
        });
        let cost = self.price.as_ref().map_or(0, |it| price::cost(it, usage));
        self.ledger.today(Timestamp::now(), |spent| {
            let correct = |sum: u64, taken: u64, real: u64| sum.saturating_sub(taken).saturating_add(real);
            spent.tokens = correct(spent.tokens, taken.tokens, usage.prompt.saturating_add(usage.completion));
            spent.nano_usd = correct(spent.nano_usd, taken.nano_usd, cost);
        });
        let count = |kind, n| self.metrics.model.tokens.get_or_create(&TokenLabel { kind }).inc_by(n);
        count("prompt", usage.prompt);
        count("completion", usage.completion);
        count("cached", usage.cached);
        #[expect(clippy::cast_precision_loss, reason = "a counter in dollars, shown with few digits")]
        let dollars = cost as f64 / 1e9;
        self.metrics.model.cost_usd.inc_by(dollars);
        self.changed();
    }

    /// Takes in what an answer's headers say is left.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        self.with_minute(|minute| minute.told.hear(headers, Instant::now()));
    }

    /// The service asked to be left alone for so long.
    pub(super) fn wait(&self, time: Duration) {
        self.with_minute(|minute| minute.told.wait(time, Instant::now()));
    }

    fn day_lacks(&self, now: Timestamp, need: &Taken) -> Option<Exhausted> {
        let limits = &self.limits;
        let (requests, tokens, nano_usd) =
            self.ledger.today(now, |spent| (spent.requests, spent.tokens, spent.nano_usd));
        let lacks = |sum: u64, need: u64, most: u64| sum.saturating_add(need) > most;
        let budget = if lacks(requests, 1, limits.requests_per_day.into()) {
            SpendingLimit::DayRequests
        } else if lacks(tokens, need.tokens, limits.tokens_per_day.into()) {
            SpendingLimit::DayTokens
        } else if self.price.is_some() && lacks(nano_usd, need.nano_usd, limits.nano_usd_per_day) {
            SpendingLimit::DayMoney
        } else {
            return None;
        };
        Some(Exhausted { budget, until: next_day(now) })
    }

    fn minute_take(&self, now: Timestamp, tokens: u32) -> Result<(), Exhausted> {
        self.with_minute(|minute| {
            let instant = Instant::now();
            let lacks = |budget, wait: Duration| Exhausted { budget, until: later(now, wait) };
            if let Some((budget, until)) = minute.told.lacks(tokens, instant) {
                return Err(lacks(budget, until - instant));
            }
            // Not asked for again in vain: a try takes from the requests even when the tokens then lack.
            if let Some((need, full, until)) = minute.full
                && tokens >= need
                && until > instant
            {
                return Err(full);
            }
            let credit = minute.credit();
            let Some((budget, wait)) = self.minute_lacks(tokens.saturating_sub(credit)) else {
                minute.credit = Some((credit.saturating_sub(tokens), instant));
                return Ok(());
            };
            let full = lacks(budget, wait);
            minute.full = Some((tokens, full, instant + wait));
            Err(full)
        })
    }

    fn minute_lacks(&self, tokens: u32) -> Option<(SpendingLimit, Duration)> {
        let wait = |until: NotUntil<Duration>| until.wait_time_from(self.clock.now());
        if let Err(until) = self.requests.check() {
            return Some((SpendingLimit::MinuteRequests, wait(until)));
        }
        match self.tokens.check_n(NonZeroU32::new(tokens)?) {
            Ok(Ok(())) => None,
            Ok(Err(until)) => Some((SpendingLimit::MinuteTokens, wait(until))),
            // More than a minute has: no waiting helps, only a larger limit.
            Err(_) => Some((SpendingLimit::MinuteTokens, MINUTE)),
        }
    }

    fn changed(&self) {
        self.ledger.save();
        self.show_left();
    }

    fn show_left(&self) {
        let (spent, _) = self.spent();
        let left = |budget, most: u32, used: u64| {
            let left = i64::from(most).saturating_sub(i64::try_from(used).unwrap_or(i64::MAX)).max(0);
            self.metrics.model.budget_left.get_or_create(&BudgetLabel { budget }).set(left);
        };
        left("requests_per_day", self.limits.requests_per_day, spent.requests);
        left("tokens_per_day", self.limits.tokens_per_day, spent.tokens);
    }

    fn with_minute<T>(&self, act: impl FnOnce(&mut Minute) -> T) -> T {
        act(&mut self.minute.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .map_or(Timestamp::MAX, |wait| now.saturating_add(wait).unwrap_or(Timestamp::MAX))
}

/// When the next UTC day begins.
fn next_day(now: Timestamp) -> Timestamp {
    let tomorrow = now.to_zoned(TimeZone::UTC).date().tomorrow();
    let begins = tomorrow.and_then(|day| day.to_zoned(TimeZone::UTC));
    begins.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests;
