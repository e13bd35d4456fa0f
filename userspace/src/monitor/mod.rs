//! The monitor: owns the process table alone (no lock), joins what the kernel and the scans of /proc report,
//! asks the detectors, and raises cases. It never waits for a disk, the network, or anything a process can hold.

mod case;
mod delays;
mod ends;
mod examine;
mod fallen;
mod handle;
mod join;
mod located;
mod losses;
mod once;
mod raise;
mod repeats;
mod roots;
mod scans;
mod senders;
mod signals;
mod stacks;
mod standing;
mod units;
mod victims;
mod word;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::MissedTickBehavior;

pub use handle::Handle;
pub use located::containers;
pub use once::examine_once;

use crate::cgroup::{Hierarchy, Paths};
use crate::children::{Symboliser, Toucher};
use crate::config::DetectLimits;
use crate::evidence::Sources;
use crate::health::Health;
use crate::host::users::Users;
use crate::host::{Host, boot_time};
use crate::kept::Kept;
use crate::kinds;
use crate::kinds::case::{Case, Draft};
use crate::kinds::watch::{Found, View, Waker, Watch, WatchSetup};
use crate::metrics::Metrics;
use crate::model::{ProcessInfo, ProcessKey, ProcessView};
use crate::observation::{CgroupMemory, Observation};
use crate::queue::Queue;
use crate::runtimes::Containers;
use crate::state::{History, Process, Table, Zombies};
use delays::Delays;
use examine::{Examiner, Known};
use fallen::Fallen;
use handle::Question;
use losses::Losses;
use raise::Raiser;
use signals::{Generated, Signals};
use standing::Standing;
use units::Units;
use victims::Victims;

/// How often overdue victims are looked for.
const TICK: Duration = Duration::from_secs(1);

/// What the monitor works with.
pub struct Inputs {
    /// Where evidence is read.
    pub sources: Sources,
    /// From when on something is a finding.
    pub limits: DetectLimits,
    /// Between two scans of /proc.
    pub scan_interval: Duration,
    /// This host's name, clocks and page size.
    pub host: Host,
    /// Whether the kernel's log is followed, so that OOM reports come.
    pub kernel_log: bool,
    /// Who finds the names of stacks.
    pub symboliser: Arc<Symboliser>,
    /// Who looks at what may hang; absent: whoever asks.
    pub toucher: Option<Arc<Toucher>>,
    /// The containers of this host, and who reads what is known of them.
    pub containers: Containers,
    /// Copies of the files of programs in other roots than the host's.
    pub kept: Kept,
    /// The queue that cases are pushed to.
    pub cases: Queue<Case>,
    /// To count what happens.
    pub metrics: Arc<Metrics>,
    /// The state of health.
    pub health: Health,
}

/// A case that no observation makes, found at `at` on CLOCK_BOOTTIME.
pub fn case_of(draft: Draft, process: ProcessInfo, at: Duration) -> Case {
    case::build(draft, case::Material { process, at, events_lost: 0 })
}

/// The owner of the process table: a task that observations feed.
pub struct Monitor {
    table: Table,
    history: History,
    zombies: Zombies,
    /// The limited memory cgroups of the last scan, and of the one under way.
    cgroups: Vec<CgroupMemory>,
    cgroups_read: Vec<CgroupMemory>,
    watches: Vec<Box<dyn Watch>>,
    waker: Waker,
    standing: Standing,
    victims: Victims,
    units: Units,
    fallen: Fallen,
    signals: Signals,
    users: Users,
    losses: Losses,
    delays: Delays,
    paths: Paths,
    containers: Containers,
    kept: Kept,
    hierarchy: Hierarchy,
    limits: DetectLimits,
    host: Host,
    raiser: Raiser,
    examiner: Examiner,
    metrics: Arc<Metrics>,
    health: Health,
    questions: Receiver<Question>,
    revision: Arc<AtomicU64>,
}

impl Monitor {
    /// A monitor that knows nothing yet, and the way to ask it.
    pub fn new(inputs: Inputs) -> (Self, Handle) {
        let Inputs {
            sources,
            limits,
            scan_interval,
            host,
            kernel_log,
            symboliser,
            toucher,
            containers,
            kept,
            cases,
            metrics,
            health,
        } = inputs;
        let (handle, questions, revision) = Handle::new();
        let waker = Waker::default();
        let setup = WatchSetup {
            sources: &sources,
            limits: &limits,
            toucher: toucher.clone(),
            waker: Waker::clone(&waker),
            kernel_log,
        };
        let monitor = Self {
            table: Table::default(),
            history: History::new(limits.growth.growth_window, limits.growth.growth_history),
            zombies: Zombies::default(),
            cgroups: Vec::new(),
            cgroups_read: Vec::new(),
            watches: kinds::watches(&setup),
            waker,
            standing: Standing::default(),
            victims: Victims::default(),
            units: Units::default(),
            fallen: Fallen::default(),
            signals: Signals::default(),
            users: Users::new(&sources.proc_root),
            losses: Losses::default(),
            delays: Delays::new(&metrics),
            paths: Paths::new(sources.hierarchy.clone(), sources.proc_root.clone()),
            containers,
            kept,
            hierarchy: sources.hierarchy.clone(),
            examiner: Examiner {
                sources: sources.clone(),
                toucher,
                host: host.clone(),
                limits: limits.clone(),
                scan_interval,
            },
            raiser: Raiser::new(sources, cases, symboliser, Arc::clone(&metrics)),
            limits,
            host,
            metrics,
            health,
            questions,
            revision,
        };
        (monitor, handle)
    }

    /// Until every sender of observations is gone; then until every case is queued.
    pub async fn run(mut self, mut batches: Receiver<Vec<Observation>>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                batch = batches.recv() => match batch {
                    Some(batch) => self.observe_all(batch),
                    None => break,
                },
                () = self.waker.notified() => self.ask_watches(boot_time(), |watch, view, found| watch.woken(view, found)),
                Some(question) = self.questions.recv() => self.answer(question),
                () = tokio::time::sleep(victims::WORD_PATIENCE), if self.victims.has_early() || self.units.is_waiting() => {
                    self.judge_early_ends(boot_time());
                    self.judge_units(boot_time());
                }
                _ = tick.tick() => {
                    self.judge_early_ends(boot_time());
                    self.judge_units(boot_time());
                    self.raise_overdue_victims(boot_time());
                }
            }
        }
        self.judge_early_ends(Duration::MAX);
        self.judge_units(Duration::MAX);
        self.raiser.finish().await;
    }

    fn observe_all(&mut self, batch: Vec<Observation>) {
        batch.into_iter().for_each(|it| self.observe(it));
        self.delays.took_batch();
        self.revision.fetch_add(1, Ordering::Relaxed);
    }

    fn observe(&mut self, observation: Observation) {
        let stamp = delays::stamp(&observation);
        match observation {
            Observation::Exec(event) => {
                self.forget(event.key);
                let cgroup = self.paths.resolve(event.cgroup, [event.key.pid, event.parent.pid], None);
                let ns_pid = event.ns_pid;
                if let Some(process) = self.table.exec(event, cgroup) {
                    located::locate(&mut self.containers, process);
                    roots::keep(process, ns_pid, &self.kept);
                    self.watches
                        .iter_mut()
                        .for_each(|watch| watch.began(process, &self.limits, &self.metrics));
                }
            }
            Observation::Exit(event) => {
                self.forget(event.process.key);
                self.on_exit(event);
            }
            Observation::OomVictim(victim) => self.on_victim(victim),
            Observation::Signal(signal) => {
                let bound = if signal.capture.is_some() { "crashes" } else { "signals" };
                let source = Box::new(senders::source(&signal, &self.table, &self.users));
                if !self.signals.add(Generated { signal, source }) {
                    self.metrics.count_turned_away(bound, 1);
                }
            }
            Observation::Forks(counts) => self.table.add_forks(&counts),
            Observation::OomReport(report) => {
                self.ask_watches(boot_time(), |watch, view, _| watch.oom_report(Arc::clone(&report), view));
            }
            Observation::Seen(seen) => self.on_seen(&seen),
            Observation::Look(look) => {
                self.ask_watches(look.at, |watch, view, found| watch.looked(&look, view, found));
            }
            Observation::Cgroup(memory) => self.cgroups_read.push(memory),
            Observation::HostMemory(memory) => {
                self.ask_watches(boot_time(), |watch, view, _| watch.host_memory(&memory, view));
            }
            Observation::ScanDone(done) => self.on_scan_done(done),
            Observation::Unit(unit) => self.on_unit(&unit),
            Observation::UnitsFollowed(followed) => {
                self.units.follow(followed);
                self.judge_units(boot_time());
            }
        }
        if let Some(stamp) = stamp {
            self.delays.took(stamp);
        }
    }

    /// Hands every watch the view and raises what they found.
    fn ask_watches(&mut self, now: Duration, mut ask: impl FnMut(&mut dyn Watch, View<'_>, &mut Vec<Found>)) {
        let mut found = Vec::new();
        self.with_watches(now, |watches, view| {
            watches.iter_mut().for_each(|watch| ask(&mut **watch, view, &mut found));
        });
        for Found { draft, process } in found {
            self.raise_condition(draft, process, now);
        }
    }

    /// Lends the watches the view for one call.
    fn with_watches<T>(
        &mut self,
        now: Duration,
        act: impl FnOnce(&mut [Box<dyn Watch>], View<'_>) -> T,
    ) -> T {
        let view = View {
            table: &self.table,
            history: &self.history,
            zombies: &self.zombies,
            cgroups: &self.cgroups,
            host: &self.host,
            sources: &self.examiner.sources,
            limits: &self.limits,
            metrics: &self.metrics,
            now,
        };
        act(&mut self.watches, view)
    }

    /// The process ended or runs another program now.
    fn forget(&mut self, key: ProcessKey) {
        self.history.forget(key);
        self.standing.forget(key);
        self.watches.iter_mut().for_each(|watch| watch.forget(key));
    }

    /// An asker that is gone does not mind.
    fn answer(&mut self, question: Question) {
        match question {
            Question::Processes(reply) => {
                let views = self.views();
                let measurer = self.examiner.clone();
                tokio::task::spawn_blocking(move || drop(reply.send(measurer.measured(views))));
            }
            Question::Process { pid, start_ticks, reply } => {
                let view = self.view(pid, start_ticks);
                let measurer = self.examiner.clone();
                tokio::task::spawn_blocking(move || {
                    drop(reply.send(measurer.measured(view.into_iter().collect()).pop()));
                });
            }
            Question::Examine { pid, reply } => {
                let known = self.known(pid);
                let examiner = self.examiner.clone();
                tokio::task::spawn_blocking(move || drop(reply.send(examiner.examine(pid, known))));
            }
        }
    }

    /// What is known of a live process; `None` where no scan and no event has told of it.
    fn known(&self, pid: u32) -> Option<Known> {
        let process = self.table.live_by_pid(pid)?;
        Some(Known {
            info: process.info(),
            drafts: self.standing.of(process.key),
            watched: boot_time().saturating_sub(process.met),
            scans: process.scans,
        })
    }

    fn view(&self, pid: u32, start_ticks: Option<u64>) -> Option<ProcessView> {
        let process = match start_ticks {
            Some(start_ticks) => self.table.get(ProcessKey { pid, start_ticks }),
            None => self.table.by_pid(pid),
        }?;
        let zombie = self.zombies.has(process.key);
        Some(process.view(&self.host, ended_state(process, zombie)))
    }

    /// Every live process, zombies included.
    fn views(&self) -> Vec<ProcessView> {
        let live = self.table.live().map(|process| process.view(&self.host, None));
        let dead = self.zombies.iter().filter_map(|it| self.table.get(it.key)).filter(|it| it.end.is_some());
        live.chain(dead.map(|process| process.view(&self.host, Some('Z')))).collect()
    }
}

/// The state letter of a process that is over.
fn ended_state(process: &Process, zombie: bool) -> Option<char> {
    match (zombie, &process.end) {
        (true, _) => Some('Z'),
        (false, Some(_)) => Some('X'),
        (false, None) => None,
    }
}
