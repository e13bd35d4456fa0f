//! From drafts of findings to a case: numbers the facts, freezes the evidence with them, names and
//! fingerprints it.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::evidence::Collected;
use crate::host::wall_time;
use crate::kinds;
use crate::kinds::case::{Case, CaseFile, Draft, cite, numbered};
use crate::kinds::room::OfUnit;
use crate::kinds::shared::place;
use crate::model::{Completeness, IncidentKind, ProcessInfo};
use crate::state::identity;
use crate::text;

/// Longest title.
const TITLE_MAX: usize = 150;
/// Longest cgroup in it: its end says whose it is.
const CGROUP_MAX: usize = 80;

/// What a case is made of beside its draft.
pub(super) struct Material {
    pub(super) process: ProcessInfo,
    /// When it happened, on CLOCK_BOOTTIME.
    pub(super) at: Duration,
    /// Kernel events lost around it.
    pub(super) events_lost: u64,
}

/// The case for one draft, its evidence still to come.
pub(super) fn build(draft: Draft, material: Material) -> Case {
    let fingerprint = fingerprint(draft.kind, &material.process, &draft.site);
    let title = title(draft.kind, &material.process);
    let (kind, severity) = (draft.kind, draft.severity);
    let container = material.process.container.as_ref().map(place::in_container);
    let mut file = file(vec![draft], material);
    // Behind those that prove something.
    if let Some(statement) = container {
        cite(&mut file.facts, statement);
    }
    Case { fingerprint, kind, severity, title, count: 1, file }
}

/// The case file for any number of drafts, worst first, its evidence still to come.
pub(super) fn file(drafts: Vec<Draft>, material: Material) -> CaseFile {
    let (findings, facts) = numbered(drafts);
    CaseFile {
        findings,
        facts,
        observed_at: wall_time(material.at),
        completeness: Completeness { events_lost: material.events_lost, ..Completeness::default() },
        evidence: Vec::new(),
        process: material.process,
    }
}

/// Freezes what was read with the case file.
pub(super) fn add_evidence(file: &mut CaseFile, collected: Collected) {
    file.completeness.evidence_delay_ms = delay_ms(&collected, file.observed_at);
    file.completeness.missing.extend(collected.missing);
    file.evidence.extend(collected.files);
}

fn delay_ms(collected: &Collected, observed_at: Timestamp) -> Option<u64> {
    // The kernel's own records need no reading, and say nothing of how late the reading was.
    let read = collected.files.iter().filter(|file| file.source.starts_with("proc:"));
    let last = read.map(|file| file.taken_at).max()?;
    Some(u64::try_from(last.duration_since(observed_at).as_millis()).unwrap_or(0))
}

/// Equal for equal faults: the kind, the program and its cgroup, and the detector's own site.
pub(super) fn fingerprint(kind: IncidentKind, process: &ProcessInfo, site: &str) -> String {
    let room = kinds::room(kind);
    let subject = match room.of_unit {
        Some(OfUnit::Whole) => process.unit.as_deref().map(crate::cgroup::without_ids),
        Some(OfUnit::MainProcess) => identity::unit(process),
        None if room.of_cgroup => Some(identity::place(process)),
        None => None,
    };
    let subject = subject.unwrap_or_else(|| identity::program(process));
    let digest = Sha256::digest(format!("{kind}\0{subject}\0{site}"));
    data_encoding::HEXLOWER.encode(&digest[..16])
}

/// `OOM kill: python3 (pid 13674) in /oomtest`; the service or the container where the cgroup is one.
fn title(kind: IncidentKind, process: &ProcessInfo) -> String {
    let named = process.container.as_ref().and_then(place::words::in_words);
    let id = || process.container_id.as_ref().map(|id| format!("container {}", crate::cgroup::short_id(id)));
    let container = named.or_else(id);
    let cgroup = process.cgroup.as_deref().filter(|path| *path != "/");
    let cgroup = cgroup.map(|path| text::shorten_path(&text::printable(path), CGROUP_MAX));
    let place = process.unit.clone().or(container).or(cgroup);
    let place = place.map_or_else(String::new, |place| format!(" in {place}"));
    let room = kinds::room(kind);
    let title = match (&process.unit, room.of_unit) {
        (Some(unit), Some(OfUnit::Whole)) => format!("{}: {unit}", room.label),
        _ => format!("{}: {} (pid {}){place}", room.label, process.name, process.pid),
    };
    text::truncate(&text::printable(&title), TITLE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::case::Statement;
    use crate::kinds::fixture::recorded;
    use crate::model::{ContainerInfo, EvidenceFile, Severity};
    use crate::render;

    fn process(pid: u32, name: &str) -> ProcessInfo {
        ProcessInfo {
            pid,
            start_ticks: 1,
            ppid: 1,
            name: name.into(),
            exe: None,
            argv: Vec::new(),
            uid: None,
            cgroup: Some("/app".into()),
            container_id: None,
            unit: None,
            pod_uid: None,
            container: None,
        }
    }

    fn material(pid: u32, name: &str) -> Material {
        Material { process: process(pid, name), at: Duration::ZERO, events_lost: 0 }
    }

    fn draft(kind: IncidentKind, severity: Severity, facts: &[&str]) -> Draft {
        let facts = facts.iter().map(|text| Statement::new("test", recorded(text))).collect();
        Draft { kind, severity, facts, site: "site".into() }
    }

    #[test]
    fn facts_are_numbered_once_and_cited() {
        let drafts = vec![
            draft(IncidentKind::FdExhaustion, Severity::Warning, &["a", "b"]),
            draft(IncidentKind::OomKill, Severity::Critical, &["b", "c"]),
        ];
        let file = file(drafts, material(1, "p"));
        let facts: Vec<_> =
            file.facts.iter().map(|it| format!("{} {}", it.id, render::fact(&it.data))).collect();
        assert_eq!(facts, ["F1 b", "F2 c", "F3 a"]);
        assert_eq!(file.findings[0].kind, IncidentKind::OomKill, "worst first");
        assert_eq!(file.findings[1].facts, ["F3", "F1"]);
    }

    #[test]
    fn fingerprints_know_programs_not_pids() {
        let of =
            |pid, name, kind| build(draft(kind, Severity::Warning, &[]), material(pid, name)).fingerprint;
        let crash = of(1, "a", IncidentKind::Crash);
        assert_eq!(crash.len(), 32);
        assert_eq!(crash, of(2, "a", IncidentKind::Crash));
        assert_ne!(crash, of(1, "b", IncidentKind::Crash));
        assert_ne!(crash, of(1, "a", IncidentKind::OomKill));
        assert_ne!(of(1, "a", IncidentKind::SuspiciousExec), of(1, "b", IncidentKind::SuspiciousExec));
        assert_eq!(of(1, "a", IncidentKind::MemoryPressure), of(1, "b", IncidentKind::MemoryPressure));
    }

    #[test]
    fn hostile_names_make_harmless_titles() {
        let name = "\x1b]0;pwned\x07\u{202e}x";
        let case = build(draft(IncidentKind::Crash, Severity::Warning, &[]), material(1, name));
        assert_eq!(case.title, "Crash: \u{fffd}]0;pwned\u{fffd}x (pid 1) in /app");
    }

    #[test]
    fn titles_name_the_service_or_the_container() {
        let id = "3f".repeat(32);
        for (unit, container, want) in [
            (None, None, "OOM kill: a (pid 1) in /app"),
            (Some("nginx.service"), None, "OOM kill: a (pid 1) in nginx.service"),
            (None, Some(id.as_str()), "OOM kill: a (pid 1) in container 3f3f3f3f3f3f"),
            (None, Some("web-frontend-1"), "OOM kill: a (pid 1) in container web-frontend-1"),
        ] {
            let process = ProcessInfo {
                unit: unit.map(str::to_owned),
                container_id: container.map(str::to_owned),
                ..process(1, "a")
            };
            assert_eq!(title(IncidentKind::OomKill, &process), want);
        }
    }

    #[test]
    fn what_a_runtime_calls_a_container_is_in_title_and_facts_and_its_image_in_the_fingerprint() {
        let of = |id: &str, container: Option<ContainerInfo>| {
            let process = ProcessInfo {
                cgroup: Some(format!("/kubepods/{id}")),
                container_id: Some(id.to_owned()),
                container,
                ..process(7, "app")
            };
            let material = Material { process, at: Duration::ZERO, events_lost: 0 };
            build(draft(IncidentKind::Crash, Severity::Warning, &["a"]), material)
        };
        let pod = |pod: &str| ContainerInfo {
            name: Some("app".into()),
            image: Some("shop/app:1".into()),
            pod: Some(pod.into()),
            namespace: Some("shop".into()),
            runtime: Some("containerd".into()),
        };
        let (one, other) = ("3f".repeat(32), "4e".repeat(32));
        let case = of(&one, Some(pod("checkout-7d9f")));
        assert_eq!(
            case.title,
            "Crash: app (pid 7) in pod shop/checkout-7d9f (container app, image shop/app:1)"
        );
        let last = case.file.facts.last().unwrap();
        assert_eq!(
            (render::fact(&last.data).as_str(), last.source.as_str()),
            ("it ran in pod shop/checkout-7d9f (container app, image shop/app:1)", "runtime:containerd")
        );
        assert_eq!(case.file.findings[0].facts, ["F1"], "it proves nothing");
        let same = of(&other, Some(pod("checkout-51c0")));
        assert_eq!(case.fingerprint, same.fingerprint, "{}", same.title);
        let image = Some("shop/web:1".to_owned());
        assert_ne!(
            case.fingerprint,
            of(&one, Some(ContainerInfo { image, ..pod("checkout-7d9f") })).fingerprint
        );
        let hostile =
            ContainerInfo { name: Some("\x1b]0;x\u{202e}<!channel>".into()), ..ContainerInfo::default() };
        let title = of(&one, Some(hostile)).title;
        assert!(!title.contains(['\x1b', '\u{202e}']), "{title}");
    }

    #[test]
    fn the_delay_is_that_of_the_last_file() {
        let observed = Timestamp::from_second(1_000).unwrap();
        let at = |ms: i64| EvidenceFile {
            name: "f".into(),
            source: "proc:f".into(),
            taken_at: Timestamp::from_millisecond(1_000_000 + ms).unwrap(),
            body: Vec::new(),
            truncated: false,
        };
        let kernel = EvidenceFile { source: "kernel:sched_process_exit".into(), ..at(9) };
        for (files, want) in [
            (vec![], None),
            (vec![kernel.clone()], None),
            (vec![at(4), kernel], Some(4)),
            (vec![at(4), at(2)], Some(4)),
            (vec![at(-3)], Some(0)),
        ] {
            let collected = Collected { files, missing: Vec::new() };
            assert_eq!(delay_ms(&collected, observed), want);
        }
    }
}
