//! Stores and alerts for the tests of this stage and of those after it.

use std::path::Path;
use std::sync::Arc;

use super::{DueAlert, Store};
use crate::health::Health;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::model::{Incident, Occasion};

pub(crate) fn host() -> Host {
    Host {
        name: "web-1".into(),
        boot_id: "boot-1".into(),
        kernel: "6.18".into(),
        ticks_per_second: 100,
        page_size: 4096,
    }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, host(), Metrics::new(), Health::default()).unwrap()
}

pub(crate) fn open_counting(dir: &Path, metrics: &Arc<Metrics>) -> Store {
    Store::open(dir, host(), Arc::clone(metrics), Health::default()).unwrap()
}

pub(crate) fn open_reporting(dir: &Path, metrics: &Arc<Metrics>, health: &Health) -> Store {
    Store::open(dir, host(), Arc::clone(metrics), health.clone()).unwrap()
}

/// An incident's first alert, as its receiver gets it.
pub(crate) fn due_alert(incident: Incident) -> DueAlert {
    DueAlert {
        id: 1,
        sink: "slack".into(),
        occasion: Occasion::New,
        count: incident.count,
        told_before: None,
        first_receipt: None,
        also: Vec::new(),
        also_count: 0,
        tally: Vec::new(),
        attempts: 0,
        may_repeat: false,
        created: incident.last_seen,
        unstored: false,
        incident,
    }
}

/// Returns when it is so: other tasks run meanwhile.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("the condition in time");
}
