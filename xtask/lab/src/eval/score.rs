//! Which incident is about which case, and what that makes of it: found, blamed on the wrong one, false. Pure.

use serde::Serialize;

use super::case::{Case, Kind, Named, Role};
use super::incident::SeenIncident;
use crate::model::Incident;

/// How a case went: what it did itself, not what was raised about it. Times are seconds since 1970.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Outcome {
    pub(super) started_s: f64,
    /// From when on the fault was one: what the program told, and for how long that has to last.
    pub(super) real_s: Option<f64>,
    /// When what it had left began to be ended.
    pub(super) ended_s: f64,
    pub(super) culprits: Vec<u32>,
    pub(super) cgroup: String,
    pub(super) dir: String,
    /// Whether this machine can't do it.
    pub(super) not_here: bool,
    /// Why it was not what it is to be.
    pub(super) broken: Option<String>,
}

/// What the daemon made of a case.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Score {
    /// From when on the fault was one to when its incident could be seen; absent: it was missed.
    pub(super) delay_s: Option<f64>,
    /// Whether it was found at warning or above.
    pub(super) alarmed: bool,
    /// Incidents of the right kind that name the right process.
    pub(super) right: Vec<Incident>,
    /// The same at severity info, where somebody should have been told.
    pub(super) too_quiet: Vec<Incident>,
    /// Of the right kind, naming another one.
    pub(super) wrong_process: Vec<Incident>,
    /// Of other kinds, telling the truth about the same fault.
    pub(super) companions: Vec<Incident>,
    pub(super) false_alarms: Vec<Incident>,
}

/// Judges what was raised while the case was going on. A fault is found by an incident at warning or above; false is
/// only what somebody is told of.
pub(super) fn score(case: &Case, outcome: &Outcome, seen: &[SeenIncident]) -> Score {
    let mut score = Score::default();
    let meanwhile = |at: &f64| *at >= outcome.started_s && *at <= outcome.ended_s;
    for it in seen.iter().filter(|it| meanwhile(&it.at)) {
        let incident = &it.incident;
        if case.role != Role::Idle && !belongs(outcome, incident) {
            continue;
        }
        let alarms = it.alarmed_at.as_ref().is_some_and(meanwhile);
        let is = |kind: &Kind| incident.kind == *kind;
        match case.role {
            Role::Fault(kind) if is(&kind) && names_right(case, outcome, incident) => {
                let Some(at) = it.alarmed_at.filter(meanwhile) else {
                    score.too_quiet.push(incident.clone());
                    continue;
                };
                let delay_s = at - outcome.real_s.unwrap_or(at);
                score.alarmed |= alarms;
                score.delay_s = Some(score.delay_s.map_or(delay_s, |earlier| earlier.min(delay_s)));
                score.right.push(incident.clone());
            }
            _ if !alarms => {}
            Role::Fault(kind) if is(&kind) => score.wrong_process.push(incident.clone()),
            Role::Fault(_) if case.also.iter().any(is) => score.companions.push(incident.clone()),
            _ => score.false_alarms.push(incident.clone()),
        }
    }
    score
}

/// Whether it is about the case: by cgroup, which every process of a case is in; where the daemon does not know
/// it, by what the process was started as, or by pid.
pub(super) fn belongs(outcome: &Outcome, incident: &Incident) -> bool {
    let process = &incident.process;
    let below = |path: &str, parent: &str| {
        path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match &process.cgroup {
        Some(cgroup) => below(cgroup, &outcome.cgroup),
        None => {
            outcome.culprits.contains(&process.pid)
                || process.exe.iter().chain(&process.argv).any(|it| below(it, &outcome.dir))
        }
    }
}

fn names_right(case: &Case, outcome: &Outcome, incident: &Incident) -> bool {
    let process = &incident.process;
    let file = |path: &str, name: &str| path.rsplit('/').next() == Some(name);
    match case.named {
        Named::Any => true,
        Named::Culprit => outcome.culprits.contains(&process.pid),
        Named::Program(name) => {
            outcome.culprits.contains(&process.pid)
                || process.name == name
                || process.exe.iter().chain(&process.argv).any(|it| file(it, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ProcessInfo, Severity, sample};

    const FAULT: Case = Case::fault(Kind::Crash, "crash/x", "", "").also(&[Kind::CrashLoop]);
    const NEAR_MISS: Case = Case::near_miss(Kind::Crash, "crash/y", "", "");

    fn outcome() -> Outcome {
        Outcome {
            started_s: 100.0,
            real_s: Some(101.0),
            ended_s: 110.0,
            culprits: vec![7],
            cgroup: "/run/crash-x".into(),
            dir: "/t/crash-x".into(),
            ..Outcome::default()
        }
    }

    fn process() -> ProcessInfo {
        sample("", Kind::Crash).process
    }

    fn seen(kind: &str, pid: u32, cgroup: Option<&str>, alarmed_at: Option<f64>) -> SeenIncident {
        let process = ProcessInfo { pid, cgroup: cgroup.map(str::to_owned), ..process() };
        let incident = Incident {
            severity: if alarmed_at.is_some() { Severity::Warning } else { Severity::Info },
            process,
            ..sample(&format!("{kind} {pid}"), kind.parse().unwrap())
        };
        SeenIncident { at: alarmed_at.unwrap_or(102.0), alarmed_at, incident }
    }

    const OWN: Option<&str> = Some("/run/crash-x");

    /// Right, wrong process, companions, false alarms.
    fn check(case: &Case, seen: &[SeenIncident], want: [usize; 4], delay_s: Option<f64>) {
        let it = score(case, &outcome(), seen);
        let got = [it.right.len(), it.wrong_process.len(), it.companions.len(), it.false_alarms.len()];
        assert_eq!(got, want, "{}: {seen:?}", case.name);
        assert_eq!(it.delay_s, delay_s, "{}: {seen:?}", case.name);
    }

    #[test]
    fn what_is_raised_is_right_wrong_a_companion_or_false() {
        let at = Some(101.5);
        check(&FAULT, &[seen("crash", 7, OWN, at)], [1, 0, 0, 0], Some(0.5));
        check(&FAULT, &[seen("crash", 8, OWN, at)], [0, 1, 0, 0], None);
        check(&FAULT, &[seen("crash_loop", 8, OWN, at)], [0, 0, 1, 0], None);
        check(&FAULT, &[seen("cpu_spin", 7, OWN, at)], [0, 0, 0, 1], None);
        check(&NEAR_MISS, &[seen("crash", 7, OWN, at)], [0, 0, 0, 1], None);
        check(&NEAR_MISS, &[seen("crash_loop", 7, OWN, at)], [0, 0, 0, 1], None);
        check(&FAULT, &[], [0; 4], None);
    }

    #[test]
    fn the_first_right_one_counts() {
        let both = [seen("crash", 7, OWN, Some(104.0)), seen("crash", 7, OWN, Some(102.0))];
        check(&FAULT, &both, [2, 0, 0, 0], Some(1.0));
        check(&FAULT, &[seen("crash", 7, OWN, Some(100.5))], [1, 0, 0, 0], Some(-0.5));
    }

    #[test]
    fn what_comes_at_another_time_does_not_count() {
        for at in [Some(99.9), Some(110.1)] {
            check(&FAULT, &[seen("crash", 7, OWN, at)], [0; 4], None);
            check(&NEAR_MISS, &[seen("crash", 7, OWN, at)], [0; 4], None);
        }
    }

    #[test]
    fn what_alarms_nobody_finds_nothing_and_is_never_false() {
        check(&FAULT, &[seen("crash", 7, OWN, None)], [0; 4], None);
        assert_eq!(score(&FAULT, &outcome(), &[seen("crash", 7, OWN, None)]).too_quiet.len(), 1);
        for (kind, pid) in [("crash", 8), ("crash_loop", 7), ("cpu_spin", 7)] {
            check(&FAULT, &[seen(kind, pid, OWN, None)], [0; 4], None);
        }
        check(&NEAR_MISS, &[seen("crash", 7, OWN, None)], [0; 4], None);
    }

    #[test]
    fn what_belongs_to_others_does_not_count_but_when_idle() {
        let idle = Case::new(Role::Idle, "noise/idle", "", "");
        let at = Some(105.0);
        for (cgroup, own) in [
            (OWN, true),
            (Some("/run/crash-x/inner"), true),
            (Some("/run/crash-x2"), false),
            (Some("/"), false),
            (None, false),
        ] {
            let it = [seen("cpu_spin", 9, cgroup, at)];
            check(&FAULT, &it, [0, 0, 0, usize::from(own)], None);
            check(&idle, &it, [0, 0, 0, 1], None);
        }
    }

    #[test]
    fn without_a_cgroup_its_program_or_pid_tells() {
        let mut it = seen("crash", 7, None, Some(102.0));
        check(&FAULT, std::slice::from_ref(&it), [1, 0, 0, 0], Some(1.0));
        it.incident.process = ProcessInfo { pid: 9, exe: Some("/t/crash-x/api".into()), ..process() };
        check(&FAULT, std::slice::from_ref(&it), [0, 1, 0, 0], None);
        it.incident.process.exe = Some("/t/crash-xy/api".into());
        check(&FAULT, &[it], [0; 4], None);
    }

    #[test]
    fn programs_are_known_by_their_file_or_name() {
        let case = FAULT.blames("api");
        for (process, right) in [
            (ProcessInfo { exe: Some("/t/crash-x/api".into()), ..process() }, true),
            (ProcessInfo { argv: vec!["sh".into(), "./api".into()], ..process() }, true),
            (ProcessInfo { name: "api".into(), ..process() }, true),
            (ProcessInfo { exe: Some("/t/crash-x/api2".into()), name: "sh".into(), ..process() }, false),
        ] {
            let mut it = seen("crash", 9, OWN, Some(102.0));
            it.incident.process = ProcessInfo { pid: 9, cgroup: OWN.map(str::to_owned), ..process };
            check(&case, &[it], if right { [1, 0, 0, 0] } else { [0, 1, 0, 0] }, right.then_some(1.0));
        }
        let any = FAULT.blames_any();
        check(&any, &[seen("crash", 99, OWN, Some(102.0))], [1, 0, 0, 0], Some(1.0));
    }
}
