//! Where children come from and where those go that do not end: one thread starts them all, for the kernel ends a child
//! with the thread that started it, and ends them all, for where they are another user's it alone may do either
//! (`sandbox/daemon`). It lives as long as the daemon.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::entry::COMMAND;
use super::link::Link;
use crate::health::Health;
use crate::metrics::{HelperLabels, Metrics};

/// Children that were killed and have not ended: so many may wait for file systems that hang, and no more.
const HUNG_MAX: usize = 8;
/// Between two looks at those.
const SWEEP: Duration = Duration::from_millis(500);
/// The part of the daemon that degrades without them.
const COMPONENT: &str = "stacks";

/// Where a child that is wanted goes.
type Birth = SyncSender<io::Result<(Child, Link)>>;

/// What the thread is asked for.
enum Order {
    /// A child.
    Birth(Birth),
    /// The end of one.
    Death(Child),
}

/// See the module.
pub struct Nursery {
    orders: Option<SyncSender<Order>>,
    hung: Arc<Mutex<Vec<Child>>>,
    metrics: Arc<Metrics>,
    health: Health,
}

impl Nursery {
    /// Of children that are this program. The daemon's own is `/proc/self/exe`, whatever became of its file.
    pub fn new(program: PathBuf, metrics: Arc<Metrics>, health: Health) -> Arc<Self> {
        let (orders, asked) = sync_channel(1);
        let hung = Arc::new(Mutex::new(Vec::new()));
        let leaving = Arc::clone(&hung);
        let started = std::thread::Builder::new()
            .name("helpers".to_owned())
            .spawn(move || run(&program, &asked, &leaving));
        Arc::new(Self { orders: started.is_ok().then_some(orders), hung, metrics, health })
    }

    /// One without children, for what must do without.
    pub fn empty(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { orders: None, hung: Arc::default(), metrics, health: Health::default() })
    }

    pub(super) fn bear(&self) -> Result<(Child, Link), &'static str> {
        let hung = self.hung();
        if hung >= HUNG_MAX {
            let reason = format!(
                "{hung} helper processes hang in file systems that do not answer: stacks have no names, and some \
                 files are not looked at"
            );
            let remedy = "look for processes in state D, and for the FUSE or network file systems they wait for: \
                          umount -f them, or abort them in /sys/fs/fuse/connections";
            self.health.degrade(COMPONENT, reason, remedy);
            return Err("too many file systems hang");
        }
        let (reply, answer) = sync_channel(1);
        let asked = self.orders.as_ref().is_some_and(|orders| orders.send(Order::Birth(reply)).is_ok());
        let born = asked.then(|| answer.recv().ok()).flatten();
        match born {
            Some(Ok(child)) => {
                self.health.recover(COMPONENT);
                Ok(child)
            }
            Some(Err(error)) => {
                let reason = format!("a helper process cannot be started: {error}");
                self.health.degrade(COMPONENT, reason, "see the limits of tasks and memory of the daemon");
                Err("no process can be had")
            }
            None => Err("no process can be had"),
        }
    }

    /// Ends one: it is killed, and waited for aside.
    pub(super) fn end(&self, child: Child) {
        // Without the thread there is no child either: the kernel has ended them all.
        if let Some(orders) = &self.orders {
            orders.send(Order::Death(child)).ok();
        }
    }

    /// How many were killed and have not ended.
    pub fn hung(&self) -> usize {
        sweep(&self.hung)
    }

    pub(super) fn count(&self, helper: &'static str, outcome: &'static str) {
        self.metrics.helper_jobs.get_or_create(&HelperLabels { helper, outcome }).inc();
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

fn run(program: &std::path::Path, asked: &Receiver<Order>, hung: &Mutex<Vec<Child>>) {
    loop {
        match asked.recv_timeout(SWEEP) {
            Ok(Order::Birth(reply)) => drop(reply.send(start(program))),
            Ok(Order::Death(mut child)) => {
                child.kill().ok();
                if matches!(child.try_wait(), Ok(None)) {
                    hung.lock().unwrap_or_else(PoisonError::into_inner).push(child);
                }
            }
            Err(RecvTimeoutError::Timeout) => drop(sweep(hung)),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn start(program: &std::path::Path) -> io::Result<(Child, Link)> {
    let (ours, theirs): (Link, OwnedFd) = Link::pair()?;
    // No variable of the daemon's: there are secrets in them.
    let child = Command::new(program)
        .arg(COMMAND)
        .env_clear()
        .current_dir("/")
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((child, ours))
}

/// Forgets those that have ended; how many have not.
fn sweep(hung: &Mutex<Vec<Child>>) -> usize {
    let mut hung = hung.lock().unwrap_or_else(PoisonError::into_inner);
    hung.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    hung.len()
}
