//! The monitor never names itself: a property of all kinds that scans feed, each asked about one process that does all
//! that they look for. About another process most of them have something to say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::fixture::view::{PID, SCAN, World};
use super::watch::{Found, View, Waker, Watch, WatchSetup};
use super::watches;
use crate::cgroup::Hierarchy;
use crate::config::DetectLimits;
use crate::evidence::Sources;
use crate::model::IncidentKind;
use crate::observation::{CloseLook, HostMemory, IoCounts, SeenProcess, Stall, ThreadLook};

const MIB: u64 = 1 << 20;
/// Long enough for each of them.
const TIME: Duration = Duration::from_mins(40);

/// All watches as one.
struct All(Vec<Box<dyn Watch>>);

impl Watch for All {
    fn saw(&mut self, seen: &SeenProcess, view: View<'_>, found: &mut Vec<Found>) {
        self.0.iter_mut().for_each(|watch| watch.saw(seen, view, found));
    }

    fn looked(&mut self, look: &CloseLook, view: View<'_>, found: &mut Vec<Found>) {
        self.0.iter_mut().for_each(|watch| watch.looked(look, view, found));
    }

    fn host_memory(&mut self, memory: &HostMemory, view: View<'_>) {
        self.0.iter_mut().for_each(|watch| watch.host_memory(memory, view));
    }

    fn scanned(&mut self, began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        self.0.iter_mut().for_each(|watch| watch.scanned(began, view, found));
    }
}

/// A host on which one process does it all; what is found in a while, in full.
fn found_of(culprit: u32) -> Vec<Found> {
    let sources = Sources { proc_root: "/nonexistent".into(), hierarchy: Hierarchy::None };
    let setup = WatchSetup {
        toucher: None,
        sources: &sources,
        limits: &DetectLimits::default(),
        waker: Waker::default(),
        kernel_log: false,
    };
    let mut world = World::new(All(watches(&setup)))
        .with_file("sys/kernel/threads-max", "3000\n")
        .with_file("sys/kernel/pid_max", "3000\n");
    let mut found = Vec::new();
    let scans = TIME.as_secs() / SCAN.as_secs();
    for scan in 1..=scans {
        world.forked(culprit, scan * 20_000);
        world.host_memory(&short_of_memory());
        found.extend(world.looked(&busy_and_stuck(&world, culprit, scan)));
        found.extend(world.scan_in_full(&all_at_once(&world, culprit, scan)));
    }
    found
}

/// It grows in every way, and its children are never reaped; beside it a small one that does nothing.
fn all_at_once(world: &World<All>, culprit: u32, scan: u64) -> Vec<SeenProcess> {
    let sick = SeenProcess {
        cpu_ticks: scan * 1000,
        threads: 10 + scan * 10,
        rss_bytes: scan * 40 * MIB,
        anon_bytes: Some(scan * 40 * MIB),
        fds: Some(50 + scan * 4),
        fd_limit: Some(1024),
        ..world.process(culprit)
    };
    let zombie = |at: u64| {
        let pid = PID + 100 + u32::try_from(at).unwrap();
        SeenProcess { ppid: culprit, state: 'Z', ..world.process(pid) }
    };
    let idle = SeenProcess { rss_bytes: MIB, ..world.process(PID + 1) };
    [sick, idle].into_iter().chain((0..scan * 3).map(zombie)).collect()
}

/// One thread computes, one waits in state D.
fn busy_and_stuck(world: &World<All>, culprit: u32, scan: u64) -> CloseLook {
    let thread = |tid, state| ThreadLook {
        tid,
        comm: (*b"worker").into(),
        state,
        start_ticks: world.key(culprit).start_ticks,
        voluntary_switches: Some(10),
        involuntary_switches: Some(10),
        ..ThreadLook::default()
    };
    let spins = ThreadLook {
        user_ticks: scan * SCAN.as_secs() * 100,
        involuntary_switches: Some(scan),
        io: Some(IoCounts { bytes: 9000, calls: 30 }),
        queued: Some(Duration::ZERO),
        ..thread(culprit, 'R')
    };
    let wchan = Some("folio_wait_bit_common".into());
    let waits = ThreadLook { wchan, ..thread(PID + 50, 'D') };
    CloseLook {
        key: world.key(culprit),
        // As part of the scan that comes.
        at: world.now + SCAN,
        threads_total: 2,
        crowd: 1,
        frozen: false,
        io: Some(IoCounts { bytes: 9000, calls: 30 }),
        threads: vec![spins, waits],
        whole: None,
    }
}

fn short_of_memory() -> HostMemory {
    HostMemory {
        total_bytes: 16 << 30,
        available_bytes: 100 * MIB,
        swap_total_bytes: 0,
        swap_free_bytes: 0,
        stall: Some(Stall { some_avg60: 60.0, full_avg10: 50.0, full_avg60: 50.0 }),
        cgroups: vec![(Arc::from("/app"), Stall { some_avg60: 60.0, full_avg10: 50.0, full_avg60: 50.0 })],
    }
}

#[test]
fn whatever_it_does_nobody_names_the_monitor() {
    use IncidentKind::*;
    let kinds: BTreeSet<IncidentKind> = found_of(PID).iter().map(|it| it.draft.kind).collect();
    let all = [
        HungTask,
        CpuSpin,
        MemoryGrowth,
        FdExhaustion,
        ThreadExplosion,
        ForkStorm,
        MemoryPressure,
        ZombiePileup,
    ];
    assert_eq!(kinds, BTreeSet::from(all), "what can be said of another process");
    let own = std::process::id();
    for Found { draft, process } in found_of(own) {
        let facts: Vec<_> = draft.facts.iter().map(|it| serde_json::to_string(&it.data).unwrap()).collect();
        assert_ne!(process.pid, own, "{:?} {facts:?}", draft.kind);
        let mention = format!("\"pid\":{own}");
        let mentions = facts
            .iter()
            .filter(|it| it.contains(&format!("{mention},")) || it.contains(&format!("{mention}}}")));
        assert_eq!(mentions.count(), 0, "{:?} {facts:?}", draft.kind);
    }
}
