//! Alerts: drains the store's outbox to the receivers. At least once: what was sent but could not be noted as
//! sent is sent again, and says that it may be a repeat.

mod alertmanager;
mod bot;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod message;
mod mrkdwn;
mod pace;
mod post;
mod receiver;
mod redacted;
mod sinks;
mod slack;
#[cfg(test)]
mod tests;
mod trouble;
mod webhook;
mod worker;

#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use message::message;
pub use pace::Pace;
pub use receiver::{ALERTMANAGER, COMPONENTS, SLACK, WEBHOOK};
pub use sinks::Sinks;
pub use worker::run;

/// What each receiver would be sent, for tests of what may be in it.
#[cfg(test)]
pub(crate) fn bodies(alert: &crate::store::DueAlert) -> [(&'static str, String); 3] {
    let now = jiff::Timestamp::UNIX_EPOCH;
    [
        (SLACK, message(alert, None).to_string()),
        (WEBHOOK, webhook::body(alert)),
        (ALERTMANAGER, alertmanager::payload(alert, None, now).to_string()),
    ]
}
