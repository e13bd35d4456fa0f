//! Zombie pile-up: a parent that does not reap its children.
//!
//! To an operator: each holds a pid; when pid_max or pids.max is reached nothing can fork. The parent is the
//! one to mend. Limits: `zombie_count` zombies of one parent, each at least `zombie_age` old. Near miss: a
//! zombie for a moment, a few forgotten ones.

use std::time::Duration;

use super::{Draft, Statement};
use crate::config::DetectLimits;
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::text;

/// How many zombies are named.
const NAMED: usize = 3;

/// A process that ended and was not waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zombie {
    /// Its pid.
    pub pid: u32,
    /// Its `comm`.
    pub name: String,
    /// Since its end, or since it was first seen ended.
    pub age: Duration,
}

/// A finding about `parent` where enough of its children have waited for long enough.
pub fn detect(parent: &ProcessInfo, zombies: &[Zombie], limits: &DetectLimits) -> Option<Draft> {
    let mut old: Vec<_> = zombies.iter().filter(|zombie| zombie.age >= limits.zombie_age).collect();
    if old.len() < usize::try_from(limits.zombie_count).unwrap_or(usize::MAX) {
        return None;
    }
    old.sort_by_key(|zombie| (std::cmp::Reverse(zombie.age), zombie.pid));
    let name = text::printable(&parent.name);
    let count = old.len();
    let oldest = text::duration(old.first()?.age);
    let named: Vec<_> =
        old.iter().take(NAMED).map(|it| format!("{} (pid {})", text::printable(&it.name), it.pid)).collect();
    Some(Draft {
        kind: IncidentKind::ZombiePileup,
        severity: Severity::Warning,
        summary: format!("{name} (pid {}) has not reaped {count} of its children.", parent.pid),
        facts: vec![
            Statement::new("proc:stat", format!("{count} children are zombies, the oldest for {oldest}")),
            Statement::new("proc:stat", format!("among them {}", named.join(", "))),
        ],
        site: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::*;

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
            let draft = detect(&process(), &zombies, &limits);
            assert_eq!(draft.is_some(), want, "{old} old, {young} young");
            if let Some(draft) = draft {
                assert_eq!(draft.summary, "worker (pid 42) has not reaped 10 of its children.");
                assert_eq!(draft.facts[1].text, "among them z (pid 0), z (pid 1), z (pid 2)");
            }
        }
    }
}
