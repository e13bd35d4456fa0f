//! A stand-in for systemd: a real dbus-daemon of the test's own, on which a service owns systemd's name, answers what
//! the daemon asks, and sends the signals that systemd 252 sends (src/core/dbus-unit.c, dbus-service.c, dbus-job.c).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::{Connection, MessageStream, ObjectPath, Variant};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const ROOT: &str = "/org/freedesktop/systemd1";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Why there can be no bus here; `None`: there can.
pub(crate) fn no_bus() -> Option<String> {
    let found = Command::new("dbus-daemon").arg("--version").stdout(Stdio::null()).status();
    found.err().map(|error| format!("dbus-daemon can't be run: {error}"))
}

/// A bus of the test's own.
pub(crate) struct PrivateBus {
    daemon: Child,
    folder: PathBuf,
}

impl PrivateBus {
    /// Starts one that listens in this folder, with the policy of the system's bus as far as it matters.
    pub(crate) fn start(folder: &Path) -> Self {
        let config = folder.join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
              <policy context="default"><allow user="*"/><allow own="*"/><allow send_type="signal"/>
              <allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>"#,
            folder.join("bus").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let daemon = command.stdin(Stdio::null()).spawn().unwrap();
        let bus = Self { daemon, folder: folder.to_owned() };
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(bus.folder.join("bus")).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the bus does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        bus
    }

    /// As clients are told it.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.folder.join("bus").display())
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        drop(self.daemon.kill());
        drop(self.daemon.wait());
        drop(std::fs::remove_file(self.folder.join("bus")));
    }
}

/// A service unit as systemd would describe it.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) active: &'static str,
    pub(crate) sub: &'static str,
    pub(crate) result: &'static str,
    pub(crate) restart: &'static str,
    pub(crate) restarts: u32,
    pub(crate) job: u32,
    pub(crate) main_pid: u32,
    /// `ExecMainCode` and `ExecMainStatus`.
    pub(crate) main_end: (i32, i32),
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            active: "inactive",
            sub: "dead",
            result: "success",
            restart: "no",
            restarts: 0,
            job: 0,
            main_pid: 0,
            main_end: (0, 0),
        }
    }
}

#[derive(Default)]
struct State {
    units: BTreeMap<String, Unit>,
    jobs: BTreeMap<u32, &'static str>,
    subscribed: bool,
}

/// What owns systemd's name.
#[derive(Clone)]
pub(crate) struct StandIn {
    connection: Connection,
    state: Arc<Mutex<State>>,
    /// Signals on services that it has sent.
    pub(crate) sent: Arc<AtomicU64>,
}

impl StandIn {
    /// Takes the name on a bus, and answers.
    pub(crate) async fn start(address: &str) -> Self {
        let connection = zbus::connection::Builder::address(address).build().await.unwrap();
        let stand_in = Self { connection, state: Arc::default(), sent: Arc::default() };
        let calls = MessageStream::from(stand_in.connection.clone());
        tokio::spawn(stand_in.clone().answer(calls));
        stand_in.connection.request_name(SYSTEMD).await.unwrap();
        stand_in
    }

    /// Gives the name up, as `systemctl daemon-reexec` makes systemd do.
    pub(crate) async fn leave(&self) {
        self.connection.release_name(SYSTEMD).await.unwrap();
    }

    /// Changes a unit and says so, as systemd does: first what is a service's, then what is any unit's.
    pub(crate) async fn change(&self, name: &str, change: impl FnOnce(&mut Unit)) {
        let (unit, subscribed) = {
            let mut state = self.state.lock().unwrap();
            let unit = state.units.entry(name.to_owned()).or_default();
            change(unit);
            let unit = unit.clone();
            (unit, state.subscribed)
        };
        if !subscribed {
            return;
        }
        tell(&self.connection, None, name, &unit).await;
        self.sent.fetch_add(2, Ordering::Relaxed);
    }

    /// Gives a unit something to do.
    pub(crate) async fn job(&self, name: &str, id: u32, kind: &'static str) {
        self.state.lock().unwrap().jobs.insert(id, kind);
        let body = (id, ObjectPath::try_from(format!("{ROOT}/job/{id}")).unwrap(), name);
        self.connection.emit_signal(None::<&str>, ROOT, MANAGER, "JobNew", &body).await.unwrap();
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.change(name, |unit| unit.job = id).await;
    }

    /// It is done.
    pub(crate) async fn job_done(&self, name: &str, id: u32) {
        self.state.lock().unwrap().jobs.remove(&id);
        let body = (id, ObjectPath::try_from(format!("{ROOT}/job/{id}")).unwrap(), name, "done");
        self.connection.emit_signal(None::<&str>, ROOT, MANAGER, "JobRemoved", &body).await.unwrap();
        self.change(name, |unit| unit.job = 0).await;
    }

    async fn answer(self, mut calls: MessageStream) {
        while let Some(Ok(call)) = calls.next().await {
            if call.message_type() != Type::MethodCall {
                continue;
            }
            let header = call.header();
            let member = header.member().unwrap().to_string();
            match &*member {
                "Subscribe" => {
                    self.state.lock().unwrap().subscribed = true;
                    self.connection.reply(&header, &()).await.unwrap();
                }
                "ListUnits" => {
                    let rows = self.rows();
                    self.connection.reply(&header, &rows).await.unwrap();
                }
                "Get" => {
                    let path = header.path().unwrap().to_string();
                    let body = call.body();
                    let (interface, name): (&str, &str) = body.deserialize().unwrap();
                    match self.property(&path, interface, name) {
                        Some(value) => self.connection.reply(&header, &value).await.unwrap(),
                        None => {
                            let error = "org.freedesktop.DBus.Error.UnknownObject";
                            self.connection.reply_error(&header, error, &"it is gone").await.unwrap();
                        }
                    }
                }
                other => panic!("nobody should call {other}"),
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let state = self.state.lock().unwrap();
        let row = |(name, unit): (&String, &Unit)| {
            let path = ObjectPath::try_from(object(name)).unwrap();
            let job = ObjectPath::try_from("/").unwrap();
            let text = str::to_owned;
            let (active, sub) = (text(unit.active), text(unit.sub));
            (name.clone(), text("d"), text("loaded"), active, sub, text(""), path, unit.job, text(""), job)
        };
        let mut rows: Vec<_> = state.units.iter().map(row).collect();
        // A unit of another kind, which has no services' interface.
        let mut other = row((&"tmp.mount".to_owned(), &Unit { active: "active", ..Unit::default() }));
        other.4 = "mounted".to_owned();
        rows.push(other);
        rows
    }

    fn property(&self, path: &str, interface: &str, name: &str) -> Option<Variant<'static>> {
        let state = self.state.lock().unwrap();
        if let Some(job) = path.strip_prefix(&format!("{ROOT}/job/")) {
            assert_eq!(name, "JobType");
            return state.jobs.get(&job.parse().unwrap()).map(|kind| Variant::from(*kind));
        }
        let (_, unit) = state.units.iter().find(|(name, _)| object(name) == path)?;
        assert_eq!(interface, SERVICE);
        Some(match name {
            "Restart" => Variant::from(unit.restart),
            "TimeoutStartUSec" | "TimeoutStopUSec" => Variant::from(90_000_000_u64),
            "WatchdogUSec" => Variant::from(2_000_000_u64),
            "NRestarts" => Variant::from(unit.restarts),
            "ExecMainPID" => Variant::from(unit.main_pid),
            other => panic!("nobody should read {other}"),
        })
    }
}

type Row =
    (String, String, String, String, String, String, ObjectPath<'static>, u32, String, ObjectPath<'static>);

/// Says how a unit is: to everybody who listens, or to one alone.
pub(crate) async fn tell(connection: &Connection, to: Option<&str>, name: &str, unit: &Unit) {
    let path = object(name);
    let ended = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let ended_us =
        u64::try_from(ended.tv_sec).unwrap() * 1_000_000 + u64::try_from(ended.tv_nsec).unwrap() / 1000;
    let service: HashMap<&str, Variant<'_>> = HashMap::from([
        ("MainPID", Variant::from(if unit.main_end.0 == 0 { unit.main_pid } else { 0 })),
        ("StatusText", Variant::from("Result: failure")),
        ("Result", Variant::from(unit.result)),
        ("NRestarts", Variant::from(unit.restarts)),
        ("ExecMainPID", Variant::from(unit.main_pid)),
        ("ExecMainCode", Variant::from(unit.main_end.0)),
        ("ExecMainStatus", Variant::from(unit.main_end.1)),
        ("ExecMainExitTimestampMonotonic", Variant::from(if unit.main_end.0 == 0 { 0 } else { ended_us })),
    ]);
    let job = if unit.job == 0 { "/".to_owned() } else { format!("{ROOT}/job/{}", unit.job) };
    let generic: HashMap<&str, Variant<'_>> = HashMap::from([
        ("ActiveState", Variant::from(unit.active)),
        ("SubState", Variant::from(unit.sub)),
        ("Job", Variant::from((unit.job, ObjectPath::try_from(job).unwrap()))),
    ]);
    for (interface, values, invalidated) in [(SERVICE, service, vec!["ExecStart"]), (UNIT, generic, vec![])] {
        let body = (interface, values, invalidated);
        connection.emit_signal(to, &*path, PROPERTIES, "PropertiesChanged", &body).await.unwrap();
    }
}

/// The path of a unit's object (systemd src/libsystemd/sd-bus/bus-label.c).
fn object(name: &str) -> String {
    let label: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("_{byte:02x}"),
        })
        .collect();
    format!("{ROOT}/unit/{label}")
}
