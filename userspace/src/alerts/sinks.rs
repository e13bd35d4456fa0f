//! All receivers that are configured.

use std::sync::Arc;

use anyhow::Result;

use super::pace::Pace;
use super::receiver::Receiver;
use crate::config::Receivers;

/// The receivers of alerts. Cheap to clone.
#[derive(Clone)]
pub struct Sinks {
    pub(super) receivers: Vec<Arc<Receiver>>,
    pub(super) pace: Pace,
}

impl Sinks {
    /// The receivers that are configured.
    pub fn new(config: Receivers) -> Result<Self> {
        Self::with_pace(config, Pace::default())
    }

    /// As [`Sinks::new`], with other times than the usual.
    pub fn with_pace(config: Receivers, pace: Pace) -> Result<Self> {
        let receivers = Receiver::all(config, pace)?.into_iter().map(Arc::new).collect();
        Ok(Self { receivers, pace })
    }

    /// Their names; none: no alert leaves the host.
    pub fn names(&self) -> Vec<&'static str> {
        self.receivers.iter().map(|it| it.name()).collect()
    }

    /// Of these, those that can improve on what they told: nothing is gained by waiting for the model.
    pub fn editing(&self) -> Vec<&'static str> {
        self.receivers.iter().filter(|it| it.can_edit()).map(|it| it.name()).collect()
    }

    /// Of these, those that take the state of each incident, not messages.
    pub fn level(&self) -> Vec<&'static str> {
        self.receivers.iter().filter(|it| it.is_level_triggered()).map(|it| it.name()).collect()
    }
}
