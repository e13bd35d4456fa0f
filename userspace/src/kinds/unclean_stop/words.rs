//! The sentences of this room.

use super::facts::{HowEnded, StopFact};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::{duration_ms, subject};

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let stated = |read: fn(&StopFact) -> Option<String>| {
        file.cited(finding).find_map(|fact| fact.data.as_unclean_stop().and_then(read))
    };
    let how = stated(|fact| match fact {
        StopFact::MonitorEnded { how, .. } => Some(ended(*how).to_owned()),
        _ => None,
    });
    let gap = stated(|fact| match fact {
        StopFact::Unwatched { gap_ms } => Some(format!(" for {}", duration_ms(*gap_ms))),
        _ => None,
    });
    format!(
        "This monitor, {}, {}; nothing was watched{}.",
        subject(file),
        how.unwrap_or_else(|| "did not end in order".to_owned()),
        gap.unwrap_or_default()
    )
}

/// How it ended, as the rest of a sentence about it.
pub(super) const fn ended(how: HowEnded) -> &'static str {
    match how {
        HowEnded::WithTheHost => "ended with the host, which did not stop it first",
        HowEnded::OomKilled => "was killed by the OOM killer",
        HowEnded::Faulted => "was ended by a fault of its own",
        HowEnded::ByItself => "ended itself, as one of its stages had stopped",
        HowEnded::Unknown => "was killed or aborted",
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &StopFact) -> String {
    match fact {
        StopFact::MonitorEnded { how, ran_ms } => {
            format!("the monitor before this one {}, after {}", ended(*how), duration_ms(*ran_ms))
        }
        StopFact::Unwatched { gap_ms } => {
            format!(
                "nothing was watched for {}, from its last sign of life to this start",
                duration_ms(*gap_ms)
            )
        }
        StopFact::UnstoredLost {} => {
            "its database could not be written: the incidents it had in memory alone are lost".to_owned()
        }
    }
}
