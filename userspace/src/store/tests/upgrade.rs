//! A database that an earlier version wrote stays readable: every incident, fact and finding as it was told then.

use std::fs;

use super::*;
use crate::store::Filter;

/// Written by version 0.1.0 (schema version 4), whose facts were sentences: crashes, a crash loop, an OOM kill.
const VERSION_4: &[u8] = include_bytes!("../testdata/version-4.db");

#[tokio::test]
async fn a_database_of_sentences_is_read_as_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("incidents.db"), VERSION_4).unwrap();
    let store = open(dir.path());
    let page = store.list(Filter::default()).await.unwrap();
    assert_eq!((page.incidents.len(), page.unreadable), (6, 0));
    for incident in &page.incidents {
        assert!(!incident.findings.is_empty() && !incident.facts.is_empty(), "{}", incident.title);
        for fact in &incident.facts {
            assert_eq!(fact.data["type"], "recorded", "{fact:?}");
            assert_eq!(fact.data["text"], fact.text.as_str(), "{fact:?}");
        }
        assert!(incident.findings.iter().all(|it| it.summary.ends_with('.')), "{:?}", incident.findings);
    }
    let oom = page.incidents.iter().find(|it| it.kind == IncidentKind::OomKill).unwrap();
    assert_eq!(oom.facts[10].id, "F11");
    assert_eq!(oom.facts[5].text, "its own allocation triggered the OOM killer");
    assert_eq!(
        oom.findings[0].summary,
        "The OOM killer ended checkout-api, which held 30.6 MiB: memory cgroup /olddb was at its memory limit of \
         30.0 MiB, checkout-api itself was the largest task and its own allocation triggered it."
    );
    assert_eq!(oom.verdict.evidence[0], "F1");
}
