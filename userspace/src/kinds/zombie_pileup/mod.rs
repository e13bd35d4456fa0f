//! Zombie pile-up: a parent that does not reap its children.
//!
//! To an operator: each holds a pid; when pid_max or pids.max is reached nothing can fork. The parent is the
//! one to mend. Limits: `zombie_count` zombies of one parent, each at least `zombie_age` old. Near miss: a
//! zombie for a moment, a few forgotten ones.

pub mod facts;
pub mod verdict;
pub mod words;

use std::time::Duration;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::Room;
use crate::model::{IncidentKind, Name, Severity};
use facts::ZombieFact;

/// This kind.
pub const ROOM: Room = Room { summary: words::summary, verdict: verdict::judge };

/// How many zombies are named.
const NAMED: usize = 3;

/// A process that ended and was not waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zombie {
    /// Its pid.
    pub pid: u32,
    /// Its `comm`.
    pub name: Name,
    /// Since its end, or since it was first seen ended.
    pub age: Duration,
}

/// A finding about a parent where enough of its children have waited for long enough.
pub fn detect(zombies: &[Zombie], limits: &DetectLimits) -> Option<Draft> {
    let mut old: Vec<_> = zombies.iter().filter(|zombie| zombie.age >= limits.zombie_age).collect();
    if old.len() < usize::try_from(limits.zombie_count).unwrap_or(usize::MAX) {
        return None;
    }
    old.sort_by_key(|zombie| (std::cmp::Reverse(zombie.age), zombie.pid));
    let zombies = ZombieFact::Zombies {
        count: u64::try_from(old.len()).unwrap_or(u64::MAX),
        oldest_ms: u64::try_from(old.first()?.age.as_millis()).unwrap_or(u64::MAX),
    };
    let named = old.iter().take(NAMED).map(|it| Who { name: it.name.clone(), pid: it.pid });
    let among = ZombieFact::AmongZombies { named: named.collect() };
    Some(Draft {
        kind: IncidentKind::ZombiePileup,
        severity: Severity::Warning,
        facts: vec![Statement::new("proc:stat", zombies), Statement::new("proc:stat", among)],
        site: String::new(),
        summary: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture;

    #[test]
    fn enough_old_zombies_are_a_pile_up() {
        let limits = DetectLimits::default();
        for (old, young, want) in
            [(10, 0, true), (9, 0, false), (9, 50, false), (10, 50, true), (0, 0, false)]
        {
            let zombie = |pid, secs| Zombie { pid, name: "z".into(), age: Duration::from_secs(secs) };
            let zombies: Vec<_> = (0..old)
                .map(|pid| zombie(pid, 60))
                .chain((0..young).map(|pid| zombie(100 + pid, 59)))
                .collect();
            let draft = detect(&zombies, &limits);
            assert_eq!(draft.is_some(), want, "{old} old, {young} young");
            if let Some(draft) = draft {
                let want = [
                    "10 children are zombies, the oldest for 1 min",
                    "among them z (pid 0), z (pid 1), z (pid 2)",
                ];
                assert_eq!(fixture::told(&draft).facts, want);
                assert_eq!(
                    fixture::told(&draft).summary,
                    "python3 (pid 13674) has not reaped 10 of its children."
                );
            }
        }
    }
}
