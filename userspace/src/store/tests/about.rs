//! What is open about one process: for who asks about it after a restart of the daemon.

use super::*;
use crate::kinds::case::CaseFile;
use crate::kinds::fixture::healthy;
use crate::model::ProcessKey;

#[tokio::test]
async fn what_is_open_about_a_process_is_added_to_what_is_known_of_it_now() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other_kind = case("spin");
    other_kind.kind = IncidentKind::CpuSpin;
    other_kind.file.findings[0].kind = IncidentKind::CpuSpin;
    other_kind.file.findings[0].severity = Severity::Warning;
    let ids = [
        store.record(case("a"), verdict("Dead."), slack_now()).await.unwrap().id,
        store.record(other_kind, verdict("Spins."), slack_now()).await.unwrap().id,
        store.record(case_by("b", 99_999, 0), verdict("Another's."), slack_now()).await.unwrap().id,
    ];
    let key = case("a").file.process.key();
    let open = store.open_about(key).await.unwrap();
    assert_eq!(open.iter().map(|it| &it.id).collect::<Vec<_>>(), [&ids[0], &ids[1]], "not another process's");
    let reused = ProcessKey { start_ticks: key.start_ticks + 1, ..key };
    assert!(store.open_about(reused).await.unwrap().is_empty(), "nor of one that had its pid");

    let mut file: CaseFile = healthy();
    let before = file.facts.len();
    open.iter().chain(&open).for_each(|incident| file.add_findings_of(incident));
    let kinds: Vec<_> = file.findings.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [IncidentKind::OomKill, IncidentKind::CpuSpin], "worst first, each once");
    let cited = case("a").file.facts.len();
    assert_eq!(file.facts.len(), before + cited, "both cite the same facts");
    assert_eq!(file.cited(&file.findings[1]).count(), cited);

    set_status(&store, &ids[0], IncidentStatus::Resolved).await;
    assert_eq!(store.open_about(key).await.unwrap().len(), 1);
}
