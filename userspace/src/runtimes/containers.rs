//! The containers that were seen, each with what is known of it by now. Owned by who sees processes; read by a thread of
//! its own.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;

use super::reading::{Access, read};
use crate::model::ContainerInfo;

/// Containers remembered. Those forgotten live on with the processes that were seen in them.
const CONTAINERS_MAX: usize = 2048;
/// Cgroups remembered: each container may have some.
const CGROUPS_MAX: usize = 8192;
/// Containers that wait to be read.
const WAITING_MAX: usize = 64;
/// Nothing was found: the runtime may not have written it yet. Looks again after these, from one to the next.
const AGAIN: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(5), Duration::from_secs(60)];

/// One container.
pub struct Container {
    id: String,
    cgroup: Arc<str>,
    known: watch::Sender<Known>,
}

#[derive(Clone, Default)]
struct Known {
    info: Option<Arc<ContainerInfo>>,
    /// Looks that were taken.
    looks: usize,
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Container {
    /// What is known by now.
    pub fn info(&self) -> Option<ContainerInfo> {
        self.known.borrow().info.as_deref().cloned()
    }

    /// What is known once it was looked for, or at the latest after so long.
    pub async fn settled(&self, patience: Duration) -> Option<ContainerInfo> {
        let mut known = self.known.subscribe();
        drop(tokio::time::timeout(patience, known.wait_for(|it| it.looks > 0)).await);
        self.info()
    }

    fn look(&self, access: &Access, pids: [u32; 2]) {
        let info = read(access, &self.id, &self.cgroup, pids).map(Arc::new);
        self.known.send_modify(|known| {
            known.looks += 1;
            known.info = info.or(known.info.take());
        });
    }
}

struct Order {
    container: Arc<Container>,
    /// A process in it, and its parent.
    pids: [u32; 2],
}

struct Entry {
    container: Arc<Container>,
    /// When it was last given to the reader, and how often.
    asked: (Instant, usize),
}

/// See the module.
pub struct Containers {
    by_id: HashMap<String, Entry>,
    /// The ids, oldest first.
    order: VecDeque<String>,
    /// `None`: it is of no container that a runtime knows by an id.
    by_cgroup: HashMap<Arc<str>, Option<Arc<Container>>>,
    orders: Option<SyncSender<Order>>,
    refused: Counter,
}

impl Containers {
    /// With a thread that reads. `refused` counts what it has no time for.
    pub fn new(access: Access, refused: Counter) -> Self {
        let (orders, asked) = sync_channel(WAITING_MAX);
        let started =
            std::thread::Builder::new().name("containers".to_owned()).spawn(move || work(&access, &asked));
        Self { orders: started.is_ok().then_some(orders), ..Self::unread(refused) }
    }

    fn unread(refused: Counter) -> Self {
        Self {
            by_id: HashMap::new(),
            order: VecDeque::new(),
            by_cgroup: HashMap::new(),
            orders: None,
            refused,
        }
    }

    /// The container that a process in this cgroup is in, known by its pid and its parent's; `id` says which one the cgroup names, if any. Never waits.
    pub fn of(
        &mut self,
        cgroup: &Arc<str>,
        pids: [u32; 2],
        id: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Arc<Container>> {
        let known = self.by_cgroup.get(cgroup).cloned();
        let container = known.unwrap_or_else(|| {
            let container = id(cgroup).map(|id| self.with_id(id, cgroup));
            if self.by_cgroup.len() >= CGROUPS_MAX {
                self.by_cgroup.clear();
            }
            self.by_cgroup.insert(Arc::clone(cgroup), container.clone());
            container
        })?;
        self.ask(&container, pids);
        Some(container)
    }

    fn with_id(&mut self, id: String, cgroup: &Arc<str>) -> Arc<Container> {
        if let Some(entry) = self.by_id.get(&id) {
            return Arc::clone(&entry.container);
        }
        if self.by_id.len() >= CONTAINERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        let container = Arc::new(Container {
            id: id.clone(),
            cgroup: Arc::clone(cgroup),
            known: watch::Sender::default(),
        });
        self.order.push_back(id.clone());
        self.by_id.insert(id, Entry { container: Arc::clone(&container), asked: (Instant::now(), 0) });
        container
    }

    /// Has it read, where that was not done, or found nothing and is worth another try.
    fn ask(&mut self, container: &Arc<Container>, pids: [u32; 2]) {
        let Some(entry) = self.by_id.get_mut(&container.id) else { return };
        let (at, times) = entry.asked;
        let due = match times.checked_sub(1) {
            None => true,
            Some(again) => {
                container.known.borrow().info.is_none()
                    && AGAIN.get(again).is_some_and(|pause| at.elapsed() >= *pause)
            }
        };
        let Some(orders) = self.orders.as_ref().filter(|_| due) else { return };
        entry.asked = (Instant::now(), times + 1);
        if orders.try_send(Order { container: Arc::clone(container), pids }).is_err() {
            self.refused.inc();
        }
    }
}

/// Until nobody asks any more.
fn work(access: &Access, asked: &Receiver<Order>) {
    while let Ok(Order { container, pids }) = asked.recv() {
        container.look(access, pids);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn access(found: impl Fn() -> Option<Vec<u8>> + Send + 'static) -> Access {
        Access {
            first: Box::new(move |_, _| found().map(|bytes| (0, bytes))),
            argv: Box::new(|_| None),
            proc_root: PathBuf::from("/nonexistent"),
        }
    }

    fn id_of(path: &str) -> Option<String> {
        path.strip_prefix("/docker/").map(str::to_owned)
    }

    #[tokio::test]
    async fn a_container_is_read_once_and_known_by_each_of_its_cgroups() {
        static READS: AtomicUsize = AtomicUsize::new(0);
        let found = || {
            READS.fetch_add(1, Ordering::Relaxed);
            Some(br#"{"Name":"/web","Config":{"Image":"nginx"}}"#.to_vec())
        };
        let mut containers = Containers::new(access(found), Counter::default());
        assert!(containers.of(&"/system.slice".into(), [1, 1], id_of).is_none());
        let first = containers.of(&"/docker/aa".into(), [2, 1], id_of).unwrap();
        let info = first.settled(Duration::from_secs(60)).await.unwrap();
        assert_eq!((info.name.as_deref(), info.image.as_deref()), (Some("web"), Some("nginx")));
        let inner = |path: &str| path.starts_with("/docker/aa").then(|| "aa".to_owned());
        let second = containers.of(&"/docker/aa/init.scope".into(), [3, 1], inner).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(READS.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_was_not_there_yet_is_looked_for_again_and_not_for_ever() {
        static READS: AtomicUsize = AtomicUsize::new(0);
        let found = || {
            READS.fetch_add(1, Ordering::Relaxed);
            None
        };
        let mut containers = Containers::new(access(found), Counter::default());
        let cgroup: Arc<str> = "/docker/aa".into();
        let container = containers.of(&cgroup, [2, 1], id_of).unwrap();
        assert_eq!(container.settled(Duration::from_secs(60)).await, None);
        for (passed, looks) in [(0, 1), (1, 2), (1, 2), (6, 3), (61, 4), (61, 4)] {
            let entry = containers.by_id.get_mut("aa").unwrap();
            entry.asked.0 = Instant::now().checked_sub(Duration::from_secs(passed)).unwrap();
            containers.of(&cgroup, [2, 1], id_of).unwrap();
            let mut known = container.known.subscribe();
            let looked = known.wait_for(|it| it.looks >= looks);
            tokio::time::timeout(Duration::from_secs(60), looked).await.unwrap().unwrap();
            assert_eq!(containers.by_id["aa"].asked.1, looks, "after {passed} s");
        }
        assert_eq!(READS.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn both_maps_are_bounded_and_a_busy_reader_is_not_waited_for() {
        let refused = Counter::default();
        let (orders, asked) = sync_channel(1);
        let mut containers = Containers { orders: Some(orders), ..Containers::unread(refused.clone()) };
        let path = |number: usize| -> Arc<str> { format!("/docker/{number}").into() };
        let first = containers.of(&path(0), [1, 1], id_of).unwrap();
        (1..CGROUPS_MAX + 2).for_each(|it| drop(containers.of(&path(it), [1, 1], id_of)));
        assert_eq!((containers.by_id.len(), containers.order.len()), (CONTAINERS_MAX, CONTAINERS_MAX));
        assert!(containers.by_cgroup.len() <= CGROUPS_MAX);
        assert_eq!(refused.get(), CGROUPS_MAX as u64 + 1);
        assert!(!containers.by_id.contains_key("0"));
        first.known.send_modify(|it| it.looks = 1);
        drop(asked);
        // Without its reader it is as with a busy one.
        assert!(containers.of(&path(1_000_000), [1, 1], id_of).is_some());
    }
}
