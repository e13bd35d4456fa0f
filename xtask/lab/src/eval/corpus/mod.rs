//! The corpus: for each kind real faults, variants that hide them, and what looks like them and is none. A new case
//! takes one entry in one of these tables.

mod ends;
mod everyday;
mod exec;
mod loops;
mod memory;
mod noise;
mod processes;
mod time;

use super::case::Case;

/// Every case, kind by kind, noise last.
pub(super) fn all() -> impl Iterator<Item = Case> {
    let tables: [&[Case]; 12] = [
        ends::OOM_KILLS,
        ends::CRASHES,
        ends::ABNORMAL_EXITS,
        loops::CRASH_LOOPS,
        processes::FORK_STORMS,
        processes::ZOMBIES,
        time::HUNG_TASKS,
        time::CPU_SPINS,
        memory::ALL,
        processes::DESCRIPTORS,
        processes::THREADS,
        exec::ALL,
    ];
    tables.into_iter().flatten().chain(noise::ALL).chain(everyday::ALL).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::case::{Kind, Role};
    use super::*;

    #[test]
    fn names_are_unique_and_begin_with_their_kind() {
        let mut names = BTreeSet::new();
        for case in all() {
            assert!(names.insert(case.slug()), "{} twice", case.name);
            let kind = case.kind().map_or("noise", Kind::as_str);
            let rest = case.name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/'));
            assert!(rest.is_some_and(|rest| !rest.is_empty()), "{}", case.name);
        }
    }

    #[test]
    fn every_kind_has_faults_near_misses_and_a_quick_one_of_each() {
        // The end of the daemon before is no fault of the host's, and an eval's daemon has to live:
        // `tests/it/disk.rs` kills one and starts the next. Nor may a systemd be started where an eval runs: `tests/it/units.rs`
        // has a stand-in for it.
        let elsewhere = [Kind::UncleanStop, Kind::UnitFailed];
        for kind in Kind::ALL.into_iter().filter(|it| !elsewhere.contains(it)) {
            let count =
                |role: Role, quick: bool| all().filter(|it| it.role == role && (it.quick || !quick)).count();
            assert!(count(Role::Fault(kind), false) >= 3, "{kind}: a fault and two that hide");
            assert!(count(Role::NearMiss(kind), false) >= 2, "{kind}: near misses");
            assert!(
                count(Role::Fault(kind), true) >= 1 && count(Role::NearMiss(kind), true) >= 1,
                "{kind}: quick"
            );
        }
    }

    #[test]
    fn what_can_take_the_machine_down_is_limited() {
        for case in all() {
            let bomb = case.run.contains(" bomb") || case.name.starts_with("fork_storm/");
            assert!(!bomb || case.pids.is_some(), "{}: no limit of processes", case.name);
            let eats = case.run.contains("grow 1024 0\n") || case.run.ends_with("grow 1024 0");
            assert!(!eats || case.memory_mib.is_some(), "{}: no limit of memory", case.name);
        }
    }
}
