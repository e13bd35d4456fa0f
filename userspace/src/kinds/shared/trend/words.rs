//! The sentences on steady growth.

use super::facts::{Counted, TrendFact};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::duration_ms;

/// A fact as a sentence.
pub fn sentence(fact: &TrendFact) -> String {
    match fact {
        TrendFact::CountGrew { what, from, to, over_ms, limit_reached_in_ms } => {
            let who = match what {
                Counted::OpenDescriptors => "open descriptors",
                Counted::Threads | Counted::Processes => "they",
            };
            let end = limit_reached_in_ms.map_or_else(String::new, |lasts| {
                format!(": at this rate the limit is reached in {}", duration_ms(lasts))
            });
            format!("{who} grew {}{end}", from_to(*from, *to, *over_ms))
        }
        TrendFact::SteadyGrowth { points, over_ms, rising_percent } => format!(
            "it is steady: of all pairs of the {points} samples in {}, {rising_percent} % rise more than \
             they fall, and the lowest values rise too",
            duration_ms(*over_ms)
        ),
    }
}

/// `from 100 to 400 in 9 min; its limit is reached in 19 min`, where the finding says that a count grew; `limit` is
/// how that one is called.
pub fn growth(file: &CaseFile, finding: &Finding, limit: &str) -> Option<String> {
    file.cited(finding).find_map(|fact| match fact.data.as_trend() {
        Some(TrendFact::CountGrew { from, to, over_ms, limit_reached_in_ms, .. }) => {
            let end = limit_reached_in_ms
                .map_or_else(String::new, |lasts| format!("; {limit} is reached in {}", duration_ms(lasts)));
            Some(from_to(*from, *to, *over_ms) + &end)
        }
        _ => None,
    })
}

fn from_to(from: u64, to: u64, over_ms: u64) -> String {
    format!("from {from} to {to} in {}", duration_ms(over_ms))
}
