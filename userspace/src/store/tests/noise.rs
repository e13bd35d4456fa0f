//! What goes when the store is full: of the noisy, never what others had.

use super::super::retention::Limits;
use super::*;
use crate::config::LifeRules;
use crate::health::Health;
use crate::metrics::Metrics;

fn by(name: &str, uid: u32, severity: Severity) -> kinds::case::Case {
    let mut it = case(name);
    it.severity = severity;
    it.file.process.uid = Some(uid);
    it.file.process.cgroup = Some("/".into());
    it.file.process.container_id = None;
    it
}

#[tokio::test]
async fn noise_pushes_out_noise_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (metrics, health) = (Metrics::new(), Health::default());
    let limits = Limits { incidents: 20, quota: 5, ..Limits::default() };
    let store =
        Store::open_with(dir.path(), host(), metrics, health.clone(), limits, LifeRules::default()).unwrap();
    let record = async |it| store.record(it, verdict("1"), AlertPlan::default()).await.unwrap().id;
    let oom = record(by("oom", 0, Severity::Critical)).await;
    let honest = record(by("honest", 33, Severity::Info)).await;
    set_status(&store, &honest, IncidentStatus::Resolved).await;
    for number in 0..300 {
        // As grave as it can make them.
        record(by(&format!("noise {number}"), 1000, Severity::Critical)).await;
    }
    for id in [&oom, &honest] {
        assert!(store.get(id).await.unwrap().is_some(), "{id}");
    }
    let all = store.list(Filter { limit: 99, ..Filter::default() }).await.unwrap().incidents;
    assert_eq!((all.len(), all[0].fingerprint.as_str()), (20, "noise 299"));
    let shown = health.degraded().remove(0);
    assert!(shown.component == "retention" && shown.reason.contains("uid 1000 has"), "{shown:?}");
}

#[tokio::test]
async fn without_a_noisy_one_the_least_worth_goes_and_an_open_critical_one_last() {
    let dir = tempfile::tempdir().unwrap();
    let (metrics, health) = (Metrics::new(), Health::default());
    let limits = Limits { incidents: 4, quota: 4, ..Limits::default() };
    let store = Store::open_with(dir.path(), host(), metrics, health, limits, LifeRules::default()).unwrap();
    let record = async |it| store.record(it, verdict("1"), AlertPlan::default()).await.unwrap().id;
    record(by("critical", 1, Severity::Critical)).await;
    record(by("warning", 2, Severity::Warning)).await;
    let over = record(by("over", 3, Severity::Critical)).await;
    set_status(&store, &over, IncidentStatus::Resolved).await;
    record(by("info", 4, Severity::Info)).await;
    let mut gone = Vec::new();
    for (number, uid) in (5..9).enumerate() {
        let before = store.list(Filter::default()).await.unwrap().incidents;
        record(by(&format!("{number}"), uid, Severity::Critical)).await;
        let after = store.list(Filter::default()).await.unwrap().incidents;
        gone.extend(before.into_iter().filter(|it| !after.iter().any(|other| other.id == it.id)));
    }
    let gone: Vec<_> = gone.iter().map(|it| it.fingerprint.as_str()).collect();
    assert_eq!(gone[..3], ["over", "info", "warning"]);
}
