//! The sentences of this room.

use super::facts::ZombieFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::{duration_ms, list, subject, who};

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let count = file.cited(finding).find_map(|fact| match fact.data.as_zombie() {
        Some(ZombieFact::Zombies { count, .. }) => Some(*count),
        _ => None,
    });
    let children = count.map_or_else(|| "children".to_owned(), |count| format!("{count} of its children"));
    format!("{} has not reaped {children}.", subject(file))
}

/// A fact as a sentence.
pub fn sentence(fact: &ZombieFact) -> String {
    match fact {
        ZombieFact::Zombies { count, oldest_ms } => {
            format!("{count} children are zombies, the oldest for {}", duration_ms(*oldest_ms))
        }
        ZombieFact::AmongZombies { named } => format!("among them {}", list(named.iter().map(who))),
    }
}
