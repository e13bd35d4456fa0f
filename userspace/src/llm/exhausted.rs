//! That a budget has no room left, which one, and until when.

use jiff::Timestamp;

/// No room, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(super) budget: SpendingLimit,
    pub(super) until: Timestamp,
}

/// Which limit has no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpendingLimit {
    /// Requests in a minute.
    MinuteRequests,
    /// Tokens in a minute.
    MinuteTokens,
    /// Requests in a day.
    DayRequests,
    /// Tokens in a day.
    DayTokens,
    /// Money in a day.
    DayMoney,
    /// By the service's own count, or its `retry-after`.
    Service,
}

impl SpendingLimit {
    /// For people, after "the budget of".
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::MinuteRequests => "requests per minute",
            Self::MinuteTokens => "tokens per minute",
            Self::DayRequests => "requests per day",
            Self::DayTokens => "tokens per day",
            Self::DayMoney => "money per day",
            Self::Service => "the service, by its own count,",
        }
    }

    /// Whether it comes back within minutes.
    pub(super) const fn is_short(self) -> bool {
        matches!(self, Self::MinuteRequests | Self::MinuteTokens | Self::Service)
    }
}
