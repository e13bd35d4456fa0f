//! Which incidents are one trouble: the OOM kill explains its supervisor's exit and the crash loop. Linked by
//! what is stable: the kinds, the process, its parent or its program, and the same minute, whichever is recorded first.
//! What only happened in the same cgroup may be related: that is shown, and nobody is told less for it.

use anyhow::Result;
use rusqlite::{Row, named_params, params};

use super::recording::Recording;
use super::row::{collect, signed, unsigned, word};
use super::tx::Tx;
use crate::cgroup;
use crate::kinds;
use crate::kinds::room::Tie;
use crate::kinds::shared::signal;
use crate::model::{IncidentKind, ProcessKey, Related, Severity};

/// A cause is looked for in so long a time before its effect.
const MINUTE_MS: i64 = 60_000;

/// What it is made of is looked for in so long a time before it: a supervisor may take minutes to start again what ends.
const PARTS_MS: i64 = 600_000;

/// The stamps of an effect and of its cause come by different ways: so much later may the cause's be.
const SLACK_MS: i64 = 2_000;

/// Occurrences looked at for one case.
const CANDIDATES: i64 = 64;

/// Links kept of one incident, on either side.
const LINKS: i64 = 32;

/// A cause whose alert can tell of an effect too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) id: String,
    pub(super) severity: Severity,
}

/// Whether alerts of this kind may turn out to be told by another's: they wait a moment for it.
pub(super) fn may_be_an_effect(kind: IncidentKind) -> bool {
    IncidentKind::ALL.into_iter().any(|cause| kinds::room(cause).tie(kind).is_some_and(Tie::is_grouped))
}

/// Whether another kind may be made of incidents of this one.
pub(super) fn may_be_a_part(kind: IncidentKind) -> bool {
    IncidentKind::ALL.into_iter().any(|whole| kinds::room(whole).tie(kind) == Some(Tie::MadeOf))
}

/// Whether this kind is made of incidents of others.
fn is_whole(kind: IncidentKind) -> bool {
    kinds::room(kind).explains.iter().any(|(_, tie)| *tie == Tie::MadeOf)
}

/// One occurrence, as far as relations go.
struct Trace {
    kind: IncidentKind,
    key: ProcessKey,
    ppid: u32,
    cgroup: Option<String>,
    /// See [`subject`].
    subject: Option<String>,
    /// Whether somebody sent the signal that ended it: that is its cause.
    is_sent: bool,
    at_ms: i64,
}

/// Which service or program an incident is about.
pub(super) fn subject(recording: &Recording<'_>) -> String {
    kinds::subject(recording.case.kind, &recording.case.file.process)
}

/// How one incident is tied to another that it may have caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It made it happen.
    Proven(Tie),
    /// It happened in the same service or container, shortly before; no more is known.
    Possible,
}

impl Link {
    const fn is_grouped(self) -> bool {
        matches!(self, Self::Proven(tie) if tie.is_grouped())
    }
}

impl Trace {
    fn of(recording: &Recording<'_>) -> Self {
        let process = &recording.case.file.process;
        Self {
            kind: recording.case.kind,
            key: process.key(),
            ppid: process.ppid,
            cgroup: process.cgroup.clone(),
            subject: Some(subject(recording)),
            is_sent: signal::is_somebodys_doing(&recording.case.file),
            at_ms: recording.seen_ms(),
        }
    }

    /// Whether this one made `effect` happen, or may have, and how.
    fn causes(&self, effect: &Self) -> Option<Link> {
        let tie = kinds::room(self.kind).tie(effect.kind)?;
        // What it is made of came first.
        let slack = if tie == Tie::MadeOf { PARTS_MS } else { SLACK_MS };
        let in_time = (effect.at_ms - MINUTE_MS..=effect.at_ms + slack).contains(&self.at_ms);
        // Its parent is who waited for it: a supervisor.
        let supervised = self.ppid == effect.key.pid && self.ppid > 1;
        let same_cgroup = self.cgroup == effect.cgroup && self.cgroup.as_deref().is_some_and(is_one_job);
        // A container that is started again may be another container.
        let same_place = same_cgroup || tie == Tie::MadeOf;
        let same_program = same_place && self.subject.is_some() && self.subject == effect.subject;
        let by_itself = effect.is_sent && !self.is_sent && tie != Tie::MadeOf;
        match in_time {
            true if self.key == effect.key => Some(Link::Proven(tie)),
            true if (supervised || same_program) && !by_itself => Some(Link::Proven(tie)),
            true if same_cgroup => Some(Link::Possible),
            _ => None,
        }
    }
}

/// Whether the processes of this cgroup have to do with each other: those of a service or a container do, those
/// of a login session or of the whole host need not.
fn is_one_job(path: &str) -> bool {
    let leaf = path.rsplit('/').next().unwrap_or_default();
    cgroup::container_id(path).is_some()
        || (!leaf.is_empty() && !leaf.ends_with(".scope") && !leaf.ends_with(".slice"))
}

/// Links the case's incident with its causes and effects of the same minute; the causes that can tell of it.
pub(super) fn link(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<Vec<Cause>> {
    let this = Trace::of(recording);
    let mut causes: Vec<(IncidentKind, Cause)> = Vec::new();
    for (other, severity, trace) in others(tx, id, recording, &this)? {
        if let Some(found) = trace.causes(&this) {
            put_link(tx, id, &other, found)?;
            if found.is_grouped() && !causes.iter().any(|(_, cause)| cause.id == other) {
                causes.push((trace.kind, Cause { id: other, severity }));
            }
        } else if let Some(found) = this.causes(&trace) {
            put_link(tx, &other, id, found)?;
        }
    }
    // The root first: the contract's order of kinds has what explains more before what explains less.
    causes.sort_by_key(|(kind, _)| *kind);
    Ok(causes.into_iter().map(|(_, cause)| cause).collect())
}

/// The latest incident that is a part of what this case is made of, and becomes it: the same fault, now that all of it is
/// known. None where another incident tells of both.
pub(super) fn part(tx: &Tx<'_>, recording: &Recording<'_>) -> Result<Option<String>> {
    if !is_whole(recording.case.kind) {
        return Ok(None);
    }
    let this = Trace::of(recording);
    let others = others(tx, "", recording, &this)?;
    if others.iter().any(|(_, _, trace)| trace.causes(&this).is_some_and(Link::is_grouped)) {
        return Ok(None);
    }
    let is_part = |trace: &Trace| {
        trace.subject == this.subject && this.causes(trace) == Some(Link::Proven(Tie::MadeOf))
    };
    Ok(others.into_iter().find(|(_, _, trace)| is_part(trace)).map(|(id, ..)| id))
}

/// Occurrences of other incidents about the same time that may have to do with this one, the latest first.
fn others(
    tx: &Tx<'_>,
    id: &str,
    recording: &Recording<'_>,
    this: &Trace,
) -> Result<Vec<(String, Severity, Trace)>> {
    let sql = "SELECT o.incident, o.at_ms, o.pid, o.start_ticks, o.ppid, o.cgroup, o.subject, o.is_sent,
                      i.kind, i.severity
               FROM occurrences o JOIN incidents i ON i.id = o.incident
               WHERE o.at_ms BETWEEN :from_ms AND :to_ms AND o.boot_id = :boot_id AND o.incident <> :id
                 AND ((o.pid = :pid AND o.start_ticks = :start_ticks) OR o.pid = :ppid OR o.ppid = :pid
                      OR o.cgroup = :cgroup OR o.subject = :subject)
               ORDER BY o.at_ms DESC LIMIT :limit";
    let mut statement = tx.prepare_cached(sql)?;
    // Nothing but a whole and its parts are tied over more than a minute.
    let reach_ms = if is_whole(this.kind) || may_be_a_part(this.kind) { PARTS_MS } else { MINUTE_MS };
    let rows = statement.query(named_params! {
        ":from_ms": this.at_ms.saturating_sub(reach_ms),
        ":to_ms": this.at_ms.saturating_add(reach_ms),
        ":boot_id": recording.host.boot_id,
        ":id": id,
        ":pid": this.key.pid,
        ":start_ticks": signed(this.key.start_ticks),
        ":ppid": this.ppid,
        ":cgroup": this.cgroup,
        ":subject": this.subject,
        ":limit": CANDIDATES,
    })?;
    // A row of another that can't be read is no reason to lose this case: it is only not linked.
    let found = collect(rows, |row| Ok(candidate(row).ok()))?;
    Ok(found.into_iter().flatten().collect())
}

fn candidate(row: &Row<'_>) -> Result<(String, Severity, Trace)> {
    let trace = Trace {
        kind: word(row, "kind")?,
        key: ProcessKey { pid: row.get("pid")?, start_ticks: unsigned(row, "start_ticks")? },
        // Absent in rows of earlier versions: nobody's parent.
        ppid: row.get::<_, Option<u32>>("ppid")?.unwrap_or(0),
        cgroup: row.get("cgroup")?,
        // Nor of any program.
        subject: row.get("subject")?,
        is_sent: row.get("is_sent")?,
        at_ms: row.get("at_ms")?,
    };
    Ok((row.get("incident")?, word(row, "severity")?, trace))
}

/// What is possible becomes what is proven, and never the other way round.
fn put_link(tx: &Tx<'_>, effect: &str, cause: &str, link: Link) -> Result<()> {
    let is_proven = matches!(link, Link::Proven(_));
    if is_proven {
        let sql = "UPDATE links SET is_proven = 1 WHERE effect = ?1 AND cause = ?2";
        tx.prepare_cached(sql)?.execute(params![effect, cause])?;
    }
    let sql = "INSERT OR IGNORE INTO links (effect, cause, is_proven) SELECT ?1, ?2, ?4
               WHERE (SELECT count(*) FROM links WHERE effect = ?1) < ?3
                 AND (SELECT count(*) FROM links WHERE cause = ?2) < ?3";
    tx.prepare_cached(sql)?.execute(params![effect, cause, LINKS, is_proven])?;
    Ok(())
}

/// Effects of this incident whose alerts its own can tell of: those of the same kind of tie that are linked.
pub(super) fn effects(tx: &Tx<'_>, id: &str, kind: IncidentKind) -> Result<Vec<(String, Severity)>> {
    let sql = "SELECT i.id, i.kind, i.severity FROM links JOIN incidents i ON i.id = links.effect
               WHERE links.cause = ?1 AND links.is_proven ORDER BY i.id";
    let mut statement = tx.prepare_cached(sql)?;
    let found = collect(statement.query([id])?, |row| Ok(effect(row).ok()))?;
    let folded = found
        .into_iter()
        .flatten()
        .filter(|(_, effect, _)| kinds::room(kind).tie(*effect).is_some_and(Tie::is_grouped));
    Ok(folded.map(|(id, _, severity)| (id, severity)).collect())
}

fn effect(row: &Row<'_>) -> Result<(String, IncidentKind, Severity)> {
    Ok((row.get("id")?, word(row, "kind")?, word(row, "severity")?))
}

/// What is related to an incident: causes first, what only may be last, the older first.
pub(super) fn of(tx: &Tx<'_>, id: &str) -> Result<Vec<Related>> {
    let sql = "SELECT i.id, i.kind, i.severity, i.title,
                      iif(links.is_proven, 'caused_by', 'may_be_related') AS relation
               FROM links JOIN incidents i ON i.id = links.cause WHERE links.effect = ?1
               UNION
               SELECT i.id, i.kind, i.severity, i.title,
                      iif(links.is_proven, 'explains', 'may_be_related') AS relation
               FROM links JOIN incidents i ON i.id = links.effect WHERE links.cause = ?1
               ORDER BY relation, 1";
    let mut statement = tx.prepare_cached(sql)?;
    // One that can't be read is left out here: it must not make this one unreadable.
    let found = collect(statement.query([id])?, |row| Ok(related(row).ok()))?;
    Ok(found.into_iter().flatten().collect())
}

fn related(row: &Row<'_>) -> Result<Related> {
    Ok(Related {
        id: row.get("id")?,
        kind: word(row, "kind")?,
        severity: word(row, "severity")?,
        title: row.get("title")?,
        relation: word(row, "relation")?,
    })
}
