//! Every sentence in other words changes no verdict, no severity and no fingerprint.

use std::cell::Cell;

use expect_test::expect_file;
use serde_json::json;

use super::{facts, findings};
use crate::analyst::built_in;
use crate::kinds::case::CaseFile;
use crate::kinds::{self, fixture};
use crate::model::{IncidentKind, Verdict};

thread_local! {
    /// Whether this thread's sentences are in other words.
    pub(super) static REWORDED: Cell<bool> = const { Cell::new(false) };
}

/// What `act` gives while every sentence is in other words.
fn reworded<T>(act: impl FnOnce() -> T) -> T {
    assert!(!REWORDED.replace(true), "it is not reworded twice");
    let given = act();
    REWORDED.set(false);
    given
}

/// All that a verdict decides; its summary is a sentence of the renderer's.
fn decided(file: &CaseFile) -> Verdict {
    Verdict { summary: String::new(), ..built_in(file) }
}

#[test]
fn other_words_change_no_verdict() {
    for kind in IncidentKind::ALL {
        let file = fixture::sample(kind);
        let (texts, summaries) = (facts(&file), findings(&file));
        let (process, draft) = (kinds::room(kind).sample)();
        let verdict = decided(&file);
        reworded(|| {
            for (fact, was) in facts(&file).iter().zip(&texts) {
                assert!(fact.text != was.text && fact.data == was.data, "{kind}: {}", was.text);
            }
            for (finding, was) in findings(&file).iter().zip(&summaries) {
                assert_ne!(finding.summary, was.summary, "{kind}");
            }
            assert_eq!(fixture::sample(kind), file, "{kind}: the detector reads no sentence");
            assert_eq!((kinds::room(kind).sample)(), (process, draft), "{kind}: severity and site");
            assert_eq!(decided(&file), verdict, "{kind}");
            assert_ne!(
                built_in(&file).summary,
                findings(&file)[0].summary.replace(" of the ", " "),
                "{kind}"
            );
        });
    }
}

#[test]
fn benchmarks_play_what_the_detectors_make() {
    let cases = IncidentKind::ALL.map(|kind| {
        let file = fixture::sample(kind);
        json!({"kind": kind, "findings": file.findings, "facts": file.facts}).to_string()
    });
    let text = format!("[\n{}\n]\n", cases.join(",\n"));
    expect_file!["../../examples/bars/cases.json"].assert_eq(&text);
}
