//! What systemd knows of its units: why one is stopped, how it failed, whether it is started again. Listened to over the
//! system bus, which needs no privilege. Without it the ends of processes are judged by what the kernel says alone.

mod ask;
mod book;
mod names;
mod said;
mod session;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::coverage::{Coverage, Delivery};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::observation::Observation;
use session::{Out, Session};

/// Where the system bus listens (dbus-daemon(1)), and the variable that says otherwise.
const BUS: &str = "unix:path=/run/dbus/system_bus_socket";
const BUS_VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";
/// What is missing and what to do, by the name of this component in the state of health.
const COMPONENT: &str = "systemd";
/// Before the bus is tried again: at first, and after many failures.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What is lost without it.
const LOST: &str =
    "why systemd stops or restarts a service is not known: its ends are judged by what the kernel says";
const REMEDY: &str =
    "in a container mount /run/dbus/system_bus_socket, on the host install dbus; see deploy/README.md";

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Bus {
    address: String,
    /// Whether this host runs systemd, as far as that shows.
    booted: bool,
}

impl Bus {
    /// The system bus of this host.
    pub fn of_this_host(proc_root: &Path) -> Self {
        let address = std::env::var(BUS_VARIABLE).ok().filter(|address| !address.is_empty());
        Self { address: address.unwrap_or_else(|| BUS.to_owned()), booted: is_booted(proc_root) }
    }

    /// A bus that listens elsewhere, on a host that runs systemd.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: address.into(), booted: true }
    }

    /// Whether this host runs systemd; where it does not there is nothing to listen to.
    pub const fn is_of_systemd(&self) -> bool {
        self.booted
    }

    /// What is lost and what to do, where systemd can't be listened to. Connects, and asks nothing of it.
    pub async fn trouble(&self) -> Option<(String, &'static str)> {
        let error = session::connect(&self.address).await.err()?;
        Some((format!("{LOST} ({error:#})"), REMEDY))
    }
}

/// sd_booted(3), and for a container that sees the host's processes what the first of them is.
fn is_booted(proc_root: &Path) -> bool {
    let first: PathBuf = proc_root.join("1/comm");
    Path::new("/run/systemd/system").is_dir()
        || fs::read_to_string(first).is_ok_and(|comm| comm == "systemd\n")
}

/// Listens for ever, or until the monitor is gone; connects anew where the connection ends.
pub async fn follow(
    bus: Bus,
    batches: Sender<Vec<Observation>>,
    coverage: Coverage,
    metrics: Arc<Metrics>,
    health: Health,
) {
    let out = Out { batches, coverage, metrics };
    let mut pause = PAUSES.0;
    while !out.batches.is_closed() {
        let mut came_whole = false;
        let error = match Session::begin(&bus.address).await {
            Ok(session) => {
                let whole = || {
                    came_whole = true;
                    out.coverage.set_systemd(Delivery::Complete);
                    health.recover(COMPONENT);
                    info!("systemd is listened to over the system bus");
                };
                session.follow(&out, whole).await
            }
            Err(error) => error,
        };
        let reason =
            if bus.booted { format!("{error:#}") } else { "this host does not run systemd".to_owned() };
        if bus.booted {
            if came_whole {
                warn!("systemd can no more be listened to: {reason}");
            }
            health.degrade(COMPONENT, format!("{LOST} ({reason})"), REMEDY);
        }
        out.coverage.set_systemd(Delivery::Absent(reason));
        if came_whole {
            pause = PAUSES.0;
            // A closed channel ends the loop.
            drop(out.batches.send(vec![Observation::UnitsFollowed(false)]).await);
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
