//! Ends for the kinds' tests.

use std::time::Duration;

use super::Ended;
use crate::model::{ExitCause, ExitRecord, ProcessInfo, ProcessKey};
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
        container: None,
    }
}

pub(crate) fn exit(cause: ExitCause) -> ExitRecord {
    ExitRecord::sample(cause)
}

pub(crate) fn ended<'a>(process: &'a ProcessInfo, exit: &'a ExitRecord) -> Ended<'a> {
    Ended {
        process,
        starter: ProcessKey { pid: process.ppid, start_ticks: 1 },
        started: Duration::from_secs(100),
        at: Duration::from_secs(100) + Duration::from_millis(exit.age_ms),
        parent_name: if process.ppid == 1 { "systemd" } else { "bash" },
        origin: Origin::Started,
        session: None,
        forks: None,
        exit,
        signal: None,
        source: None,
        relayed: None,
        passed_on: None,
        child_crashed: false,
        tested_by: None,
        copy_of: None,
        oom_trigger: None,
        memory: None,
        word: None,
    }
}
