//! From one end after the other to a loop.

use std::time::Duration;

use super::*;
use crate::cgroup::Hierarchy;
use crate::config::DetectLimits;
use crate::evidence::Sources;
use crate::host::Host;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::metrics::Metrics;
use crate::model::{ExitCause, ProcessInfo, Severity};
use crate::observation::{KernelExit, KernelProcess};
use crate::state::{History, Table, Zombies};

/// One life: which cause ended it; `Status(0)` is a success.
struct Lives {
    watch: CrashLoopWatch,
    table: Table,
    second: u64,
}

impl Lives {
    fn new() -> Self {
        Self { watch: CrashLoopWatch::default(), table: Table::default(), second: 100 }
    }

    /// The program lives for a second and ends so; two seconds later it may begin again.
    fn end(&mut self, process: &ProcessInfo, parent_name: &str, cause: ExitCause) -> Option<Draft> {
        let (started, at) = (Duration::from_secs(self.second), Duration::from_secs(self.second + 1));
        self.second += 3;
        let exit = exit(cause);
        let it = Ended { parent_name, started, at, ..ended(process, &exit) };
        let limits = DetectLimits::default();
        let (host, metrics) = (Host::sample(), Metrics::new());
        let sources = Sources { proc_root: "/proc".into(), hierarchy: Hierarchy::None };
        let view = View {
            table: &self.table,
            history: &History::new(limits.growth.growth_window, limits.growth.growth_history),
            zombies: &Zombies::default(),
            cgroups: &[],
            host: &host,
            sources: &sources,
            limits: &limits,
            metrics: &metrics,
            now: at,
        };
        self.watch.ended(&it, view)
    }

    fn succeed(&mut self, process: &ProcessInfo) {
        let argv: Vec<u8> = process.argv.iter().flat_map(|it| [it.as_bytes(), b"\0"].concat()).collect();
        let event = KernelProcess {
            comm: process.name.as_bytes().into(),
            argv: argv.into(),
            ..KernelProcess::sample(process.key(), Duration::from_secs(self.second))
        };
        let mut table = Table::default();
        let gone = table.end(KernelExit::sample(event, Some(0)), None, None).unwrap();
        self.watch.ended_well(gone, ProcessKey { pid: process.ppid, start_ticks: 1 });
    }
}

#[test]
fn the_third_death_of_a_service_is_a_loop() {
    let service = ProcessInfo { ppid: 1, ..process() };
    let mut lives = Lives::new();
    let found: Vec<_> =
        (0..3).map(|_| lives.end(&service, "systemd", ExitCause::Status(1)).map(|it| it.severity)).collect();
    assert_eq!(found, [None, None, Some(Severity::Critical)]);
}

#[test]
fn what_a_parent_starts_again_is_a_loop_and_a_success_starts_anew() {
    let app = ProcessInfo { argv: vec!["./server".into()], exe: Some("/srv/server".into()), ..process() };
    let mut lives = Lives::new();
    let turns = |lives: &mut Lives, times| -> Vec<_> {
        (0..times).map(|_| lives.end(&app, "keeper", ExitCause::Status(3)).is_some()).collect()
    };
    let needed = usize::try_from(DetectLimits::default().crash_loop_respawns).unwrap();
    let found = turns(&mut lives, needed);
    assert_eq!(found.iter().filter(|it| **it).count(), 1, "the last of {needed}: {found:?}");
    assert!(found[needed - 1]);
    lives.succeed(&app);
    assert!(!turns(&mut lives, needed - 1).contains(&true), "the count began anew");
    assert_eq!(turns(&mut lives, 1), [true]);
}

#[test]
fn failing_commands_of_a_shell_are_no_loop() {
    let mut lives = Lives::new();
    for turn in 0..20 {
        let process = ProcessInfo {
            pid: 100 + turn,
            exe: Some("/usr/bin/ls".into()),
            argv: vec!["ls".into(), format!("/{turn}")],
            ..process()
        };
        assert_eq!(lives.end(&process, "bash", ExitCause::Status(1)), None);
    }
}
