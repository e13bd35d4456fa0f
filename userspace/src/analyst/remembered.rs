//! Verdicts of the model that are given again for the same fault: the same findings and facts but for their
//! measures. A more severe one, or one with another fact, is asked about anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::cgroup::without_ids;
use crate::kinds::case::CaseFile;
use crate::kinds::part::Part as _;
use crate::metrics::Metrics;
use crate::model::{NextStep, Verdict};

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

/// Equal for files that differ in nothing but pids, measures and the ids of containers.
pub(super) fn signature(file: &CaseFile) -> Signature {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update(bytes);
        digest.update([0]);
    };
    let process = &file.process;
    add(process.name.as_bytes());
    add(process.exe.as_deref().unwrap_or_default().as_bytes());
    add(process.cgroup.as_deref().map(without_ids).unwrap_or_default().as_bytes());
    process.argv.iter().for_each(|arg| add(arg.as_bytes()));
    for finding in &file.findings {
        [finding.kind.as_str(), finding.severity.as_str()].iter().for_each(|word| add(word.as_bytes()));
        finding.facts.iter().for_each(|id| add(id.as_bytes()));
        if let Some(recorded) = &finding.summary {
            recorded.identify(&mut add);
        }
    }
    for fact in &file.facts {
        add(fact.id.as_bytes());
        add(fact.source.as_bytes());
        fact.data.identify(&mut add);
    }
    Signature(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tokio::time::advance;

    use super::*;
    use crate::analyst::built_in;
    use crate::kinds::fixture::{facts, oom, recorded};
    use crate::model::Severity;

    #[test]
    fn only_the_same_fault_has_the_same_signature() {
        let file = oom();
        let mut same = oom();
        same.process.pid = 99;
        same.process.cgroup = Some(format!("/oomtest/docker-{}.scope", "7c".repeat(32)));
        let mut twin = same.clone();
        twin.process.cgroup = Some(format!("/oomtest/docker-{}.scope", "9d".repeat(32)));
        assert!(signature(&same) == signature(&twin), "another run of the same container");
        same.process.cgroup.clone_from(&file.process.cgroup);
        for fact in &mut same.facts {
            let mut data = serde_json::to_value(&fact.data).unwrap();
            other_measures(&mut data);
            fact.data = serde_json::from_value(data).unwrap();
        }
        assert!(file.facts != same.facts, "the measures are others");
        assert!(signature(&file) == signature(&same));
        let changes: [fn(&mut CaseFile); 7] = [
            |it| it.findings[0].severity = Severity::Info,
            |it| it.facts[1].data = it.facts[0].data.clone(),
            |it| it.facts = facts(&[("exit", "exit status 1")]),
            |it| it.findings[0].summary = Some(recorded("Written by an earlier version.")),
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

    /// Adds one to whatever is called a pid, a size or a time.
    fn other_measures(data: &mut Value) {
        match data {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value.as_u64() {
                        Some(number)
                            if name == "pid" || name.ends_with("_bytes") || name.ends_with("_ms") =>
                        {
                            *value = (number + 1).into();
                        }
                        _ => other_measures(value),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(other_measures),
            _ => {}
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
