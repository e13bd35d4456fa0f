//! SIGHUP: the configuration is read again. What can change under way does, and is said; of what has changed and cannot,
//! it is said that it takes a restart.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::told::Told;
use crate::alerts::{COMPONENTS, Sinks};
use crate::config::{self, GivenSettings, Receivers, Sources, find_setting};
use crate::health::Health;
use crate::http::Access;

/// Settings that a reload puts in force: what their names begin with.
const IN_FORCE: [&str; 5] =
    ["slack_", "alert_webhook_", "alertmanager_url", "public_url", "alert_min_severity"];
/// The part of the daemon that degrades by a configuration that cannot be read.
const COMPONENT: &str = "configuration";

/// What the configuration was read from, and what it said.
pub struct Origin {
    /// Flags, environment and file.
    pub sources: Sources,
    /// What they gave at the start.
    pub given: GivenSettings,
}

/// See the module.
pub(super) struct Reload {
    access: Arc<Access>,
    origin: Origin,
    /// Those in force.
    receivers: Mutex<Receivers>,
    told: Told,
    health: Health,
}

impl Reload {
    pub(super) fn new(
        access: Arc<Access>,
        origin: Origin,
        receivers: Receivers,
        told: Told,
        health: Health,
    ) -> Self {
        Self { access, origin, receivers: Mutex::new(receivers), told, health }
    }

    /// From now on SIGHUP ends nothing. The future reloads at each, for as long as it is polled.
    pub(super) fn on_hangup(self) -> Result<impl Future<Output = ()> + Send> {
        let mut hangup = signal(SignalKind::hangup()).context("cannot watch for SIGHUP")?;
        let this = Arc::new(self);
        Ok(async move {
            while hangup.recv().await.is_some() {
                info!("SIGHUP: reading the configuration, the access key and the certificate again");
                let reload = Arc::clone(&this);
                // Files, on whatever file system they are.
                if let Err(fault) = tokio::task::spawn_blocking(move || reload.reload()).await {
                    error!("the reload ended in a fault: {fault}");
                }
            }
        })
    }

    fn reload(&self) {
        self.access.reload();
        let draft = match config::load(&self.origin.sources) {
            Ok(draft) => draft,
            Err(errors) => {
                for problem in &errors.0 {
                    warn!("the configuration stays as it was: {problem}");
                }
                let reason = "the configuration has errors since it was changed, and stays as it was";
                self.health.degrade(COMPONENT, reason, "see the log; mend it and send SIGHUP again");
                return;
            }
        };
        self.health.recover(COMPONENT);
        draft.warnings.iter().for_each(|warning| warn!("{warning}"));
        if let Err(err) = self.tell_others(draft.config.receivers) {
            warn!("the receivers of alerts stay as they were: {err:#}");
        }
        let least = draft.config.alerts.min_severity;
        let changed =
            self.told.audience.send_if_modified(|it| std::mem::replace(&mut it.min_severity, least) != least);
        if changed {
            info!("alerts begin with severity {} now", least.as_str());
        }
        for name in self.origin.given.differs(&draft.given) {
            if !IN_FORCE.iter().any(|it| name.starts_with(it)) {
                let shown = find_setting(name).map_or_else(|| name.to_owned(), config::Setting::shown);
                info!("{shown} has changed: that takes a restart");
            }
        }
    }

    fn tell_others(&self, new: Receivers) -> Result<()> {
        let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        if receivers.same(&new) {
            info!("the receivers of alerts are the same as before");
            return Ok(());
        }
        let sinks = Sinks::new(new.clone())?;
        let names = sinks.names();
        let said = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        self.access.hide(new.secrets());
        info!("alerts go to {said} now");
        *receivers = new;
        // What was wrong with those before says nothing of these.
        COMPONENTS.iter().for_each(|component| self.health.recover(component));
        // First who is to be told: what is open is then told to those that are new.
        self.told.audience.send_modify(|it| {
            (it.sinks, it.editing, it.level) = (sinks.names(), sinks.editing(), sinks.level());
        });
        self.told.names.send_replace(names);
        self.told.sinks.send_replace(sinks);
        Ok(())
    }
}
