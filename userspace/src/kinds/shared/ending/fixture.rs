//! Ends for the kinds' tests.

use std::time::Duration;

use super::Ended;
use crate::model::{ExitCause, ExitRecord, ProcessInfo};
use crate::state::Origin;

pub(crate) fn process() -> ProcessInfo {
    ProcessInfo {
        pid: 42,
        start_ticks: 100,
        ppid: 7,
        name: "worker".into(),
        exe: Some("/usr/bin/worker".into()),
        argv: vec!["worker".into(), "--fast".into()],
        uid: Some(1000),
        cgroup: Some("/app".into()),
        container_id: None,
        unit: None,
        pod_uid: None,
    }
}

pub(crate) fn exit(cause: ExitCause) -> ExitRecord {
    ExitRecord::sample(cause)
}

pub(crate) fn ended<'a>(process: &'a ProcessInfo, exit: &'a ExitRecord, deaths: &'a [Duration]) -> Ended<'a> {
    Ended {
        process,
        parent_name: if process.ppid == 1 { "systemd" } else { "bash" },
        origin: Origin::Started,
        session: None,
        forks: None,
        exit,
        crash: None,
        tested_by: None,
        child_crashed: false,
        oom_trigger: None,
        memory: None,
        deaths,
        respawns: None,
    }
}
