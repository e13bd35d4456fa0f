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
use crate::host::users::Users;
use crate::metrics::Metrics;
use crate::observation::Observation;
use session::{Out, Session};

/// Where the system bus listens (dbus-daemon(1)), and the variable that says otherwise.
const BUS: &str = "/run/dbus/system_bus_socket";
const UNIX: &str = "unix:path=";
const BUS_VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";
/// What is missing and what to do, by the name of this component in the state of health.
const COMPONENT: &str = "systemd";
/// Before the bus is tried again: at first, and after many failures.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What is lost without it.
const LOST: &str =
    "why systemd stops or restarts a service is not known: its ends are judged by what the kernel says";
const REMEDY: &str = "install dbus on the host; a container needs the host's /run/dbus/system_bus_socket mounted, or \
    pid 1's root directory; see deploy/README.md";
/// dbus-daemon looks up whoever connects, and hangs up where it finds nobody: the user of a unit with `DynamicUser=` is in
/// no file.
const UNKNOWN_USER_REMEDY: &str = "install libnss-systemd and restart dbus, or make a user for the daemon: useradd --system \
    --shell /usr/sbin/nologin ai-debugger; then restart the daemon";

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Bus {
    /// The first of them that is there is the one.
    addresses: Vec<String>,
    proc_root: PathBuf,
    /// Whether this host runs systemd, as far as that shows.
    booted: bool,
}

impl Bus {
    /// The system bus of this host.
    pub fn of_this_host(proc_root: &Path) -> Self {
        let named = std::env::var(BUS_VARIABLE).ok().filter(|address| !address.is_empty());
        // From within a container that sees the host's processes, the host's files are below the first of them.
        let host_bus = proc_root.join("1/root").join(BUS.trim_start_matches('/'));
        let usual = || vec![format!("{UNIX}{BUS}"), format!("{UNIX}{}", host_bus.display())];
        Self {
            addresses: named.map_or_else(usual, |address| vec![address]),
            proc_root: proc_root.to_owned(),
            booted: is_booted(proc_root),
        }
    }

    /// A bus that listens elsewhere, on a host that runs systemd.
    pub fn at(address: impl Into<String>) -> Self {
        Self { addresses: vec![address.into()], proc_root: PathBuf::from("/proc"), booted: true }
    }

    /// The address that there is a socket at; where there is none, the usual one.
    fn address(&self) -> &str {
        self.addresses
            .iter()
            .find(|address| socket(address).is_none_or(is_there))
            .or(self.addresses.first())
            .map_or(BUS, String::as_str)
    }

    /// What to do where it can't be listened to.
    fn remedy(&self) -> &'static str {
        let mut users = Users::new(&self.proc_root);
        users.refresh(Duration::ZERO);
        let is_unknown = users.lacks(rustix::process::geteuid().as_raw());
        if is_unknown && socket(self.address()).is_some_and(is_there) { UNKNOWN_USER_REMEDY } else { REMEDY }
    }

    /// Whether this host runs systemd; where it does not there is nothing to listen to.
    pub const fn is_of_systemd(&self) -> bool {
        self.booted
    }

    /// What is lost and what to do, where systemd can't be listened to. Connects, and asks nothing of it.
    pub async fn trouble(&self) -> Option<(String, &'static str)> {
        let error = session::connect(self.address()).await.err()?;
        Some((format!("{LOST} ({error:#})"), self.remedy()))
    }
}

/// The path of the socket, where the address is that of one.
fn socket(address: &str) -> Option<&Path> {
    address.strip_prefix(UNIX).map(Path::new)
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
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
        let error = match Session::begin(bus.address()).await {
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
            health.degrade(COMPONENT, format!("{LOST} ({reason})"), bus.remedy());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_the_bus_cannot_know_is_told_apart_from_a_bus_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, users) = (folder.path().join("bus"), folder.path().join("1/root/etc/passwd"));
        fs::create_dir_all(users.parent().unwrap()).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let bus = Bus {
            addresses: vec![format!("{UNIX}{}", socket.display())],
            proc_root: folder.path().to_owned(),
            booted: true,
        };
        for (is_there, line, want) in [
            (false, "root:x:77777:", REMEDY),
            (true, "root:x:77777:", UNKNOWN_USER_REMEDY),
            (true, &format!("broken\nme:x:{own}:0::/:/bin/sh"), REMEDY),
        ] {
            fs::write(&users, line).unwrap();
            if is_there {
                fs::write(&socket, "").unwrap();
            }
            assert_eq!(bus.remedy(), want, "{is_there} {line}");
        }
    }

    #[test]
    fn in_a_container_the_hosts_own_socket_is_found_below_its_first_process() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("1/root/run/dbus/system_bus_socket");
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let bus = || Bus::of_this_host(folder.path());
        let usual = format!("{UNIX}{BUS}");
        assert_eq!(bus().address(), usual);
        fs::write(&socket, "").unwrap();
        let own = if Path::new(BUS).exists() { usual } else { format!("{UNIX}{}", socket.display()) };
        assert_eq!(bus().address(), own);
    }
}
