//! From messages of the bus to what they say. systemd's interface is described in org.freedesktop.systemd1(5).

use std::collections::HashMap;
use std::time::Duration;

use zbus::message::Type;
use zbus::{Message, Variant};

use super::names;
use super::said::{self, Said};
use crate::host::boot_time;

/// Who answers, and where; what its objects can do.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
pub(super) const ROOT: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1.Service";
pub(super) const JOB: &str = "org.freedesktop.systemd1.Job";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// What a signal tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The first of a pair: on what only a service has.
    Half(String, Said),
    /// The second: on what every unit has.
    Whole(String, Said),
    /// A unit was given something to do.
    NewJob { unit: String, id: u32, path: String },
    /// The unit files were read again.
    Reloaded,
}

/// What a signal of systemd tells of services; `None`: nothing.
pub(super) fn signal(message: &Message) -> Option<Signal> {
    let header = message.header();
    if header.message_type() != Type::Signal {
        return None;
    }
    let (interface, member) = (header.interface()?.as_str(), header.member()?.as_str());
    let body = message.body();
    match (interface, member) {
        (PROPERTIES, "PropertiesChanged") => {
            let unit = names::of_path(header.path()?.as_str())?;
            let (of, values, _): (&str, HashMap<&str, Variant<'_>>, Vec<&str>) = body.deserialize().ok()?;
            match of {
                SERVICE => Some(Signal::Half(unit, of_service(&values))),
                UNIT => Some(Signal::Whole(unit, of_unit(&values))),
                _ => None,
            }
        }
        (MANAGER, "JobNew") => {
            let (id, path, unit): (u32, zbus::ObjectPath<'_>, &str) = body.deserialize().ok()?;
            let path = path.as_str().to_owned();
            names::is_service(unit).then(|| Signal::NewJob { unit: unit.to_owned(), id, path })
        }
        (MANAGER, "Reloading") => (!body.deserialize::<bool>().ok()?).then_some(Signal::Reloaded),
        _ => None,
    }
}

/// Properties of the interface that only services have.
pub(super) fn of_service(values: &HashMap<&str, Variant<'_>>) -> Said {
    let code = values.get("ExecMainCode").and_then(int);
    let status = values.get("ExecMainStatus").and_then(int);
    Said {
        result: values.get("Result").and_then(text).map(said::result),
        main_pid: values.get("ExecMainPID").and_then(unsigned),
        main_cause: code.map(|code| said::cause(code, status.unwrap_or(-1))),
        main_ended: values.get("ExecMainExitTimestampMonotonic").and_then(microseconds).map(since_boot),
        restarts: values.get("NRestarts").and_then(unsigned),
        ..Said::default()
    }
}

fn of_unit(values: &HashMap<&str, Variant<'_>>) -> Said {
    let active = values.get("ActiveState").and_then(text);
    let sub = values.get("SubState").and_then(text).unwrap_or_default();
    let job = values.get("Job").and_then(|value| match value {
        Variant::Structure(it) => it.fields().first().and_then(unsigned),
        _ => None,
    });
    Said { state: active.map(|active| said::state(active, sub)), job, ..Said::default() }
}

pub(super) fn text<'a>(value: &'a Variant<'_>) -> Option<&'a str> {
    match value {
        Variant::Str(text) => Some(text.as_str()),
        _ => None,
    }
}

pub(super) const fn unsigned(value: &Variant<'_>) -> Option<u32> {
    match value {
        Variant::U32(number) => Some(*number),
        _ => None,
    }
}

const fn int(value: &Variant<'_>) -> Option<i32> {
    match value {
        Variant::I32(number) => Some(*number),
        _ => None,
    }
}

pub(super) const fn microseconds(value: &Variant<'_>) -> Option<u64> {
    match value {
        Variant::U64(number) => Some(*number),
        _ => None,
    }
}

/// systemd stamps by CLOCK_MONOTONIC, which stands still while the host sleeps.
fn since_boot(microseconds: u64) -> Duration {
    let slept = boot_time().saturating_sub(monotonic());
    Duration::from_micros(microseconds).saturating_add(slept)
}

fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(now).unwrap_or_default()
}
