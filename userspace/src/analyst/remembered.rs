//! Verdicts of the model that are given again for the same fault: the same findings and facts but for their
//! measures. A more severe one, or one with another fact, is asked about anew.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::kinds::facts::FactData;
use crate::kinds::part::Part as _;
use crate::metrics::Metrics;
use crate::model::{CaseFile, NextStep, Verdict};

/// Verdicts kept; beyond it the oldest gives way, and is counted.
const MAX_VERDICTS: usize = 256;
/// After that a verdict is no news, and the next question may get a better one.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// What stands for one fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Signature([u8; 32]);

struct RememberedVerdict {
    verdict: Verdict,
    given: Timestamp,
    at: Instant,
}

/// The verdicts. A std Mutex: held for a look-up, never across an await.
pub(super) struct Remembered {
    entries: Mutex<HashMap<Signature, RememberedVerdict>>,
    metrics: Arc<Metrics>,
}

impl Remembered {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { entries: Mutex::default(), metrics }
    }

    /// The earlier verdict, marked as one. Its steps are the rules' own: the model's name another pid.
    pub(super) fn recall(&self, signature: Signature, rules_steps: &[NextStep]) -> Option<Verdict> {
        let (verdict, given) = self.with(|entries| {
            let entry = entries.get(&signature).filter(|entry| entry.at.elapsed() < LIFETIME)?;
            Some((entry.verdict.clone(), entry.given))
        })?;
        self.metrics.model.reused.inc();
        let note = format!(
            "the model's verdict of {} on the same fault; its text may name the earlier pid and \
             measurements, the steps are for this one",
            given.strftime("%Y-%m-%d %H:%M:%S UTC")
        );
        Some(Verdict { note: Some(note), next_steps: rules_steps.to_vec(), ..verdict })
    }

    pub(super) fn keep(&self, signature: Signature, verdict: &Verdict) {
        let entry =
            RememberedVerdict { verdict: verdict.clone(), given: Timestamp::now(), at: Instant::now() };
        let evicted = self.with(|entries| {
            entries.retain(|_, entry| entry.at.elapsed() < LIFETIME);
            let full = entries.len() >= MAX_VERDICTS && !entries.contains_key(&signature);
            let oldest =
                full.then(|| entries.iter().min_by_key(|(_, it)| it.at).map(|(key, _)| *key)).flatten();
            let evicted = oldest.and_then(|oldest| entries.remove(&oldest)).is_some();
            entries.insert(signature, entry);
            evicted
        });
        if evicted {
            self.metrics.count_turned_away("model_verdicts", 1);
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Signature, RememberedVerdict>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Equal for files that differ in nothing but pids and measures.
pub(super) fn signature(file: &CaseFile) -> Signature {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(without_measures(text));
        digest.update([0]);
    };
    let process = &file.process;
    add(&process.name);
    add(process.exe.as_deref().unwrap_or_default());
    add(process.cgroup.as_deref().unwrap_or_default());
    process.argv.iter().for_each(|arg| add(arg));
    for finding in &file.findings {
        [finding.kind.as_str(), finding.severity.as_str(), finding.said()].into_iter().for_each(&mut add);
    }
    for fact in &file.facts {
        [fact.id.as_str(), &fact.source].into_iter().for_each(&mut add);
        if let FactData::Recorded(_) = fact.data {
            add(fact.text());
        }
    }
    for fact in file.facts.iter().filter(|fact| !matches!(fact.data, FactData::Recorded(_))) {
        fact.data.identify(&mut |bytes| {
            digest.update(bytes);
            digest.update([0]);
        });
    }
    Signature(digest.finalize().into())
}

/// Sizes, times, addresses and large numbers out. Small whole numbers stay: an exit status or a signal is what a
/// verdict rests on.
fn without_measures(text: &str) -> String {
    static MEASURE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?x)
            \b0x[0-9a-f]+ | \b[0-9]+ (?:\.[0-9]+)? [\x20]? (?:[KMGTPE]iB|kB|B|µs|ms|s|min|h|d)\b
            | \b[0-9]+ (?:\.[0-9]+)? [\x20]? % | \b[0-9]+\.[0-9]+ | [0-9a-f]{4,}",
        )
        .expect("the pattern is a constant and used in the tests")
    });
    // A word of four letters from a to f is none of a hex number.
    MEASURE
        .replace_all(text, |found: &regex::Captures<'_>| {
            let found = &found[0];
            if found.bytes().any(|b| b.is_ascii_digit()) { "#".to_owned() } else { found.to_owned() }
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::analyst::built_in;
    use crate::kinds::fixture::recorded;
    use crate::kinds::fixture::{facts, oom};
    use crate::model::Severity;

    #[test]
    fn measures_go_and_what_decides_stays() {
        for (given, want) in [
            ("after 4.2 s, peak RSS 255 MiB", "after #, peak RSS #"),
            ("after 85 µs, 12% of 1 KiB", "after #, # of #"),
            ("pid 13674 (pid 7)", "pid # (pid 7)"),
            ("SIGSEGV (signal 11) at 0x7f00", "SIGSEGV (signal 11) at #"),
            ("exit status 127", "exit status 127"),
            ("docker-7c9d1e0f5a3b.scope", "docker-#.scope"),
            ("the limit is 268435456 bytes", "the limit is # bytes"),
            ("faced decade python3", "faced decade python3"),
        ] {
            assert_eq!(without_measures(given), want);
        }
    }

    #[test]
    fn only_the_same_fault_has_the_same_signature() {
        let file = oom();
        let mut same = oom();
        same.process.pid = 99;
        same.findings[0].summary = Some(recorded(&same.findings[0].said().replace("13674", "99999")));
        same.facts[1].data = recorded(&same.facts[1].text().replace("4.2 s", "17 min")).into();
        assert!(signature(&file) == signature(&same));
        let changes: [fn(&mut CaseFile); 6] = [
            |it| it.findings[0].severity = Severity::Info,
            |it| it.facts[1].data = recorded(&format!("{} by SIGTERM", it.facts[1].text())).into(),
            |it| it.facts = facts(&[("exit", "exit status 1")]),
            |it| it.process.argv.push("other.py".into()),
            |it| it.process.exe = None,
            |it| it.facts.truncate(2),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = oom();
            change(&mut other);
            assert!(signature(&file) != signature(&other), "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn verdicts_are_marked_bounded_and_grow_old() {
        let metrics = Metrics::new();
        let remembered = Remembered::new(Arc::clone(&metrics));
        let (verdict, key) = (built_in(&oom()), |n: usize| {
            let mut file = oom();
            file.process.argv = vec![format!("app-{}", n % 1000), format!("{}", n / 1000)];
            signature(&file)
        });
        let steps = [NextStep { why: "rules".into(), command: "uptime".into() }];
        assert!(remembered.recall(key(0), &steps).is_none());
        remembered.keep(key(0), &verdict);
        let again = remembered.recall(key(0), &steps).unwrap();
        assert_eq!((again.next_steps.as_slice(), &again.summary), (steps.as_slice(), &verdict.summary));
        assert!(again.note.unwrap().starts_with("the model's verdict of 20"));
        advance(Duration::from_secs(1)).await;
        for n in 1..MAX_VERDICTS {
            remembered.keep(key(n), &verdict);
        }
        remembered.keep(key(0), &verdict);
        advance(Duration::from_secs(1)).await;
        assert!(remembered.recall(key(0), &steps).is_some(), "there is room for all of them");
        remembered.keep(key(MAX_VERDICTS), &verdict);
        assert!(remembered.with(|entries| entries.len()) == MAX_VERDICTS);
        let text = metrics.render();
        assert!(text.contains("turned_away_total{limit=\"model_verdicts\"} 1"), "{text}");
        assert!(text.contains("ai_debugger_model_verdicts_reused_total 2"), "{text}");
        advance(LIFETIME).await;
        assert!(remembered.recall(key(MAX_VERDICTS), &steps).is_none(), "too old");
    }
}
