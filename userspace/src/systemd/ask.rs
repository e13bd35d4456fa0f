//! What systemd is asked, and what it answers. Single properties, not all of them: those of a service hold what it is
//! started with, secrets included, and some make systemd read files.

use anyhow::{Context as _, Result};
use serde::Serialize;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, DynamicType, Message, OwnedObjectPath, OwnedVariant, Variant};

use super::names;
use super::said::{self, Said, Settings};
use super::wire::{JOB, MANAGER, PROPERTIES, ROOT, SERVICE, SYSTEMD, microseconds, text, unsigned};
use crate::observation::JobKind;

/// What to ask.
#[derive(Debug)]
pub(super) enum Question {
    /// Which units there are, and how they stand.
    List,
    /// What a unit's file says, and what it has done before we came.
    Settings(String),
    /// What a job is to do.
    Job { unit: String, id: u32, path: String },
}

/// What was answered.
pub(super) enum Answer {
    Units(Result<Vec<Listed>>),
    Settings {
        unit: String,
        settings: Settings,
        said: Said,
    },
    Job {
        unit: String,
        id: u32,
        kind: JobKind,
    },
    /// It is gone: the unit, or the job.
    Nothing,
}

/// A service that is there, and is not just idle.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) said: Said,
}

/// One row of `ListUnits`: name, description, load, active and sub state, what it follows, path, and its job.
type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// Who systemd is on this bus. Asked of the bus, so that nothing is started for it.
pub(super) async fn owner(connection: &Connection) -> Result<OwnedUniqueName> {
    let bus = "org.freedesktop.DBus";
    let body = &(SYSTEMD,);
    let reply =
        connection.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "GetNameOwner", body).await?;
    let name: String = reply.body().deserialize()?;
    OwnedUniqueName::try_from(name).context("the bus gave no name")
}

/// Without it systemd sends no signals (org.freedesktop.systemd1(5)).
pub(super) async fn subscribe(connection: &Connection, systemd: &OwnedUniqueName) -> Result<()> {
    call(connection, systemd, ROOT, MANAGER, "Subscribe", &()).await.map(drop)
}

pub(super) async fn answer(connection: &Connection, systemd: &OwnedUniqueName, question: Question) -> Answer {
    match question {
        Question::List => Answer::Units(list(connection, systemd).await),
        Question::Settings(unit) => settings(connection, systemd, unit).await,
        Question::Job { unit, id, path } => {
            let kind = property(connection, systemd, &path, JOB, "JobType").await;
            let kind = kind.and_then(|kind| text(&kind).map(said::job));
            kind.map_or(Answer::Nothing, |kind| Answer::Job { unit, id, kind })
        }
    }
}

async fn list(connection: &Connection, systemd: &OwnedUniqueName) -> Result<Vec<Listed>> {
    let reply = call(connection, systemd, ROOT, MANAGER, "ListUnits", &()).await?;
    let rows: Vec<Row> = reply.body().deserialize()?;
    let rows = rows.into_iter().filter(|row| row.3 != "inactive" && names::is_service(&row.0));
    let listed = rows.map(|(name, _, _, active, sub, ..)| {
        let state = Some(said::state(&active, &sub));
        Listed { name, said: Said { state, ..Said::default() } }
    });
    Ok(listed.collect())
}

async fn settings(connection: &Connection, systemd: &OwnedUniqueName, unit: String) -> Answer {
    let path = names::path_of(&unit);
    let get = async |name| property(connection, systemd, &path, SERVICE, name).await;
    let span = async |name| get(name).await.as_deref().and_then(microseconds).and_then(said::span);
    let number = async |name| get(name).await.as_deref().and_then(unsigned);
    let Some(restart) = get("Restart").await else { return Answer::Nothing };
    let settings = Settings {
        restart: text(&restart).and_then(said::restart),
        start_timeout: span("TimeoutStartUSec").await,
        stop_timeout: span("TimeoutStopUSec").await,
        watchdog: span("WatchdogUSec").await,
    };
    let said = Said {
        main_pid: number("ExecMainPID").await,
        restarts: number("NRestarts").await,
        ..Said::default()
    };
    Answer::Settings { unit, settings, said }
}

async fn property(
    connection: &Connection,
    systemd: &OwnedUniqueName,
    path: &str,
    interface: &str,
    name: &str,
) -> Option<OwnedVariant> {
    let reply = call(connection, systemd, path, PROPERTIES, "Get", &(interface, name)).await.ok()?;
    let body = reply.body();
    OwnedVariant::try_from(body.deserialize::<Variant<'_>>().ok()?).ok()
}

async fn call(
    connection: &Connection,
    systemd: &OwnedUniqueName,
    path: &str,
    interface: &str,
    method: &str,
    body: &(impl Serialize + DynamicType),
) -> Result<Message> {
    Ok(connection.call_method(Some(systemd.as_str()), path, Some(interface), method, body).await?)
}
