//! What confinement this host allows: tried by processes that end right after.

use std::path::PathBuf;
use std::sync::Arc;

use super::child::Helper;
use super::nursery::Nursery;
use super::share::Share;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::sandbox::{Step, Work};

/// What is in force in one kind of process, or why that cannot be tried.
pub type Confined = (&'static str, Result<Vec<Step>, &'static str>);

/// Tries it for the daemon and for each kind of helper, each being this program. Blocks.
pub fn check(program: PathBuf) -> Vec<Confined> {
    let metrics = Metrics::new();
    let nursery = Nursery::new(program, Arc::clone(&metrics), Health::default());
    let share = Share::of(None);
    let helper = |name, work, limits| {
        let started = Helper::start(&nursery, work, limits);
        (name, started.map(|_| metrics.confinement.helpers().remove(name).unwrap_or_default()))
    };
    vec![
        ("daemon", Helper::trial(&nursery)),
        helper("parser", Work::Parse, share.parser),
        helper("opener", Work::Open, share.opener),
    ]
}
