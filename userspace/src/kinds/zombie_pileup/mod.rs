//! Zombie pile-up: a parent that does not reap its children.
//!
//! To an operator: each holds a pid; when pid_max or pids.max is reached nothing can fork. The parent is the
//! one to mend. Limits: `zombie_count` zombies of one parent, each at least `zombie_age` old. Near miss: a
//! zombie for a moment, a few forgotten ones.

pub mod facts;
pub mod verdict;
pub mod watch;
pub mod words;

use std::time::Duration;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::{Nature, Room};
use crate::model::{IncidentKind, Severity};
use crate::state::zombies::Zombie;
use facts::ZombieFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Zombie pile-up",
    nature: Nature::Lasts,
    of_cgroup: false,
    of_unit: None,
    explains: &[],
    patience: |limits, _| limits.zombie_age,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// How many zombies are named.
const NAMED: usize = 3;

/// A finding about a parent where enough of its children have waited for long enough.
pub fn detect(zombies: &[&Zombie], now: Duration, limits: &DetectLimits) -> Option<Draft> {
    let is_old = |zombie: &&&Zombie| now.saturating_sub(zombie.since) >= limits.zombie_age;
    let mut old: Vec<_> = zombies.iter().filter(is_old).collect();
    if old.len() < usize::try_from(limits.zombie_count).unwrap_or(usize::MAX) {
        return None;
    }
    old.sort_by_key(|zombie| (zombie.since, zombie.key.pid));
    let oldest = now.saturating_sub(old.first()?.since);
    let zombies = ZombieFact::Zombies {
        count: u64::try_from(old.len()).unwrap_or(u64::MAX),
        oldest_ms: u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX),
    };
    let named = old.iter().take(NAMED).map(|it| Who { name: it.name.clone(), pid: it.key.pid });
    let among = ZombieFact::AmongZombies { named: named.collect() };
    Some(Draft {
        kind: IncidentKind::ZombiePileup,
        severity: Severity::Warning,
        facts: vec![Statement::new("proc:stat", zombies), Statement::new("proc:stat", among)],
        site: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture;
    use crate::model::{ProcessInfo, ProcessKey};
    use crate::observation::SeenProcess;
    use crate::state::Zombies;

    /// Ten zombies, a minute old.
    pub(super) fn sample() -> (ProcessInfo, Draft) {
        let now = Duration::from_secs(100);
        let mut zombies = Zombies::default();
        for pid in 0..10 {
            let seen = SeenProcess {
                comm: (*b"z").into(),
                ..SeenProcess::sample(ProcessKey { pid, start_ticks: 1 })
            };
            zombies.add(&seen, now - Duration::from_secs(60), now);
        }
        let zombies: Vec<_> = zombies.iter().collect();
        (fixture::healthy().process, detect(&zombies, now, &DetectLimits::default()).unwrap())
    }

    #[test]
    fn enough_old_zombies_are_a_pile_up() {
        let limits = DetectLimits::default();
        for (old, young, want) in
            [(10, 0, true), (9, 0, false), (9, 50, false), (10, 50, true), (0, 0, false)]
        {
            let now = Duration::from_secs(100);
            let mut zombies = Zombies::default();
            let pids = (0..old).map(|pid| (pid, 60)).chain((0..young).map(|pid| (100 + pid, 59)));
            for (pid, secs) in pids {
                let key = ProcessKey { pid, start_ticks: 1 };
                zombies.add(
                    &SeenProcess { comm: (*b"z").into(), ..SeenProcess::sample(key) },
                    now - Duration::from_secs(secs),
                    now,
                );
            }
            let zombies: Vec<_> = zombies.iter().collect();
            let draft = detect(&zombies, now, &limits);
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
