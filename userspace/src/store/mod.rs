//! The store of incidents: embedded SQLite, one file in the data folder. An incident, its frozen evidence and
//! its alerts are written in one transaction, so a crash loses neither and an alert never goes out unrecorded.

mod action;
mod advance;
mod announce;
mod backlog;
mod delivery;
mod due;
mod guard;
mod handle;
mod live;
mod lock;
mod noise;
mod occurrences;
mod open;
mod outbox;
mod owner;
mod page;
mod plan;
#[cfg(test)]
mod plans;
mod raise;
mod read;
mod record;
mod recording;
mod related;
mod reminders;
mod reserve;
mod retention;
mod row;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod sides;
#[cfg(test)]
mod tests;
mod trouble;
mod truth;
mod tx;
mod unreadable;
mod up_to_date;
mod whole;

pub use action::{ActionOutcome, IncidentAction};
pub use advance::{Advanced, IsAlive, Watched};
pub use backlog::{Backlog, Greeting};
pub use due::{Brief, DueAlert, Tally};
pub use handle::Store;
pub use lock::{DataLock, InUse};
pub use outbox::{DeliveryFailure, DeliveryOutcome, Settled};
pub use page::{Filter, LIST_MAX, Page};
pub use plan::AlertPlan;
pub use record::Recorded;
pub(crate) use trouble::{is_final, remedy};
pub use unreadable::Unreadable;
