//! When each program last died: the history behind crash loops. Bounded in programs and in deaths of each.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::respawn::Life;
use crate::model::ProcessInfo;
use crate::state::identity::{program, unit};

/// Most programs whose deaths are remembered.
const PROGRAMS: usize = 1024;
/// Most deaths remembered of one program.
const DEATHS: usize = 32;

/// Deaths by program and cgroup; of what the service manager started, by unit.
#[derive(Default)]
pub(super) struct Deaths(HashMap<String, VecDeque<Duration>>);

impl Deaths {
    /// Remembers a death; all of that program's that are remembered, the new one last. What had begun before the
    /// last of them was not started again after it but ran beside it: a batch, a pool. It is not added.
    pub(super) fn add(&mut self, process: &ProcessInfo, life: Life) -> &[Duration] {
        if self.0.len() >= PROGRAMS {
            self.forget_longest_ago();
        }
        let deaths = self.0.entry(unit(process).unwrap_or_else(|| program(process))).or_default();
        if deaths.back().is_none_or(|last| life.started >= *last) {
            if deaths.len() >= DEATHS {
                deaths.pop_front();
            }
            deaths.push_back(life.ended);
        }
        deaths.make_contiguous()
    }

    fn forget_longest_ago(&mut self) {
        let oldest = self.0.iter().min_by_key(|(_, deaths)| deaths.back().copied());
        if let Some(program) = oldest.map(|(program, _)| program.clone()) {
            self.0.remove(&program);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, name: &str, exe: Option<&str>, cgroup: Option<&str>) -> ProcessInfo {
        ProcessInfo {
            pid,
            start_ticks: u64::from(pid),
            ppid: 1,
            name: name.into(),
            exe: exe.map(str::to_owned),
            argv: Vec::new(),
            uid: None,
            cgroup: cgroup.map(str::to_owned),
            container_id: None,
            unit: None,
            pod_uid: None,
            container: None,
        }
    }

    /// A life without length.
    fn at(second: u64) -> Life {
        let at = Duration::from_secs(second);
        Life { started: at, ended: at }
    }

    #[test]
    fn what_ran_side_by_side_died_once() {
        let mut deaths = Deaths::default();
        let app = process(1, "app", None, None);
        let mut add = |started, ended| {
            let [started, ended] = [started, ended].map(Duration::from_secs);
            deaths.add(&app, Life { started, ended }).len()
        };
        for (started, ended, want) in
            [(0, 10, 1), (0, 10, 1), (1, 11, 1), (10, 12, 2), (11, 12, 2), (12, 13, 3), (20, 21, 4)]
        {
            assert_eq!(add(started, ended), want, "{started} {ended}");
        }
    }

    #[test]
    fn history_is_bounded_both_ways() {
        let mut deaths = Deaths::default();
        let app = process(1, "app", None, None);
        for second in 0..40 {
            deaths.add(&app, at(second));
        }
        let kept = deaths.add(&app, at(40));
        assert_eq!((kept.len(), kept[0].as_secs(), kept[DEATHS - 1].as_secs()), (DEATHS, 9, 40));
        for other in 0..u32::try_from(PROGRAMS).unwrap() + 10 {
            deaths.add(&process(1, &format!("p{other}"), None, None), at(100 + u64::from(other)));
        }
        assert_eq!(deaths.0.len(), PROGRAMS);
        assert_eq!(deaths.add(&app, at(9999)).len(), 1, "the oldest was forgotten");
    }
}
