//! The parts of a case file as a model may see them: cleaned first (or an invisible character hides a secret from
//! its mask), then redacted, then cut. The environment is never among them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kinds::case::{CaseFile, Fact};
use crate::model::EvidenceFile;
use crate::redact::Censor;
use crate::{render, text};

/// Each limit: what one part may take of the room.
const MAX_FACT_CHARS: usize = 400;
const MAX_NAME_CHARS: usize = 200;
const MAX_ARGS: usize = 32;
const MAX_ARG_CHARS: usize = 160;
const MAX_EXCERPT_CHARS: usize = 2_400;
const MAX_FINDINGS: usize = 8;
const MAX_MISSING: usize = 8;
/// Longer texts are cut before they are searched for secrets, which takes time for their length: to so many times what
/// may be shown, since a character may be four bytes and a mask is shorter than what it hides.
const SEARCHED_BYTES_A_CHAR: usize = 16;
/// And to this, whatever may be shown.
const MAX_SEARCHED_BYTES: usize = 16 * 1024;

/// Frozen files that never leave the host, or say nothing that the process's own line or another of them does not.
const NEVER: [&str; 7] = ["environ", "cmdline", "auxv", "mem", "comm", "oom-report.json", "stack.json"];
/// What tells most, first; files not named here come after.
const TELLING: [&str; 15] = [
    "stack.txt",
    "kmsg",
    "oom-report.txt",
    "cgroup.memory.events",
    "cgroup.memory.max",
    "cgroup.memory.current",
    "cgroup.memory.limit_in_bytes",
    "cgroup.memory.usage_in_bytes",
    "stack",
    "wchan",
    "status",
    "limits",
    "cgroup.memory.stat",
    "smaps_rollup",
    "io",
];
/// Long, and seldom the answer.
const LAST: [&str; 4] = ["maps", "mounts", "mountinfo", "sched"];

/// A case file, and the secrets its arguments gave away.
pub(super) struct Data<'a> {
    file: &'a CaseFile,
    censor: RefCell<Censor>,
}

impl<'a> Data<'a> {
    pub(super) fn new(file: &'a CaseFile) -> Self {
        Self { file, censor: RefCell::new(Censor::new(&file.process.argv)) }
    }

    /// What was masked, before the case was stored and now.
    pub(super) fn masked(&self) -> BTreeMap<String, u64> {
        let mut masked = self.file.completeness.masked.clone();
        for (rule, count) in self.censor.borrow().tally() {
            *masked.entry(rule.as_str().to_owned()).or_default() += count;
        }
        masked
    }

    pub(super) fn process(&self) -> Value {
        let it = &self.file.process;
        let name = |text: &Option<String>| text.as_deref().map(|text| self.clean(text, MAX_NAME_CHARS));
        let clean: Vec<String> =
            it.argv.iter().take(MAX_ARGS).map(|arg| text::printable(searched(arg, MAX_ARG_CHARS))).collect();
        let argv = self.censor.borrow_mut().argv(&clean);
        let argv: Vec<String> =
            argv.iter().map(|arg| text::truncate(&self.masking(arg), MAX_ARG_CHARS)).collect();
        let mut process = json!({
            "pid": it.pid,
            "parent": it.ppid,
            "name": self.clean(&it.name, MAX_NAME_CHARS),
            "exe": name(&it.exe),
            "argv": argv,
            "argv_left_out": it.argv.len().saturating_sub(MAX_ARGS),
            "uid": it.uid,
            "cgroup": name(&it.cgroup),
            "container": name(&it.container_id),
            "unit": name(&it.unit),
            "pod": name(&it.pod_uid),
        });
        if let Some(container) = &it.container {
            process["container_name"] = name(&container.name).into();
            process["image"] = name(&container.image).into();
            process["pod_name"] = name(&container.pod_path()).into();
        }
        process
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = Value> {
        self.file.findings.iter().take(MAX_FINDINGS).map(|it| {
            json!({
                "kind": it.kind,
                "severity": it.severity,
                "summary": self.clean(&render::summary(self.file, it), MAX_FACT_CHARS),
                "facts": it.facts,
            })
        })
    }

    /// What is missing; `None` when nothing is.
    pub(super) fn not_seen(&self) -> Option<Value> {
        let it = &self.file.completeness;
        let missing: Vec<_> =
            it.missing.iter().take(MAX_MISSING).map(|missing| self.clean(missing, MAX_FACT_CHARS)).collect();
        let complete = missing.is_empty() && it.events_lost == 0;
        (!complete).then(|| json!({"kernel_events_lost": it.events_lost, "missing": missing}))
    }

    /// Those that findings cite first: they are the last to be left out.
    pub(super) fn facts(&self) -> impl Iterator<Item = Value> {
        let cited = |fact: &&Fact| self.file.findings.iter().any(|finding| finding.facts.contains(&fact.id));
        let (first, then): (Vec<&Fact>, Vec<&Fact>) = self.file.facts.iter().partition(cited);
        first.into_iter().chain(then).map(|it| {
            let mut fact = json!({
                "id": it.id,
                "text": self.clean(&render::fact(&it.data), MAX_FACT_CHARS),
                "source": self.clean(&it.source, MAX_NAME_CHARS),
            });
            // The time of the observation stands above already.
            if let Some(at) = it.at.filter(|at| *at != self.file.observed_at) {
                fact["at"] = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string().into();
            }
            fact
        })
    }

    /// The name and the beginning of each frozen file that may leave, the most telling first.
    pub(super) fn excerpts(&self) -> impl Iterator<Item = (String, String)> {
        let mut files: Vec<&EvidenceFile> = self.file.evidence.iter().filter(|it| may_leave(it)).collect();
        // By name as well: the store does not keep their order, and the same case is to give the same text.
        files.sort_by_key(|it| (rank(&it.name), &it.name));
        files.into_iter().filter_map(|it| {
            let body = &it.body[..it.body.len().min(MAX_SEARCHED_BYTES)];
            // The kernel ends strings in lists with NUL.
            let lines = text::printable_lines(&String::from_utf8_lossy(body).replace('\0', " "));
            let excerpt = self.masking(lines.trim());
            let name = self.clean(&it.name, MAX_NAME_CHARS);
            (!excerpt.is_empty()).then(|| (name, text::truncate(&excerpt, MAX_EXCERPT_CHARS)))
        })
    }

    fn clean(&self, text: &str, max: usize) -> String {
        text::truncate(&self.masking(&text::printable(searched(text, max))), max)
    }

    fn masking(&self, text: &str) -> String {
        self.censor.borrow_mut().text(text)
    }
}

/// The beginning of a text of which at most so many characters are shown.
fn searched(text: &str, shown: usize) -> &str {
    &text[..text.floor_char_boundary(MAX_SEARCHED_BYTES.min(shown * SEARCHED_BYTES_A_CHAR))]
}

fn may_leave(file: &EvidenceFile) -> bool {
    let last = |name: &str| name.rsplit([':', '/', '.']).next().unwrap_or(name).to_owned();
    let names = [last(&file.name), last(&file.source)];
    !names.iter().any(|name| NEVER.contains(&name.as_str()) || name.contains("environ"))
}

fn rank(name: &str) -> usize {
    let telling = TELLING.iter().position(|it| *it == name);
    let last = LAST.iter().position(|it| *it == name).map(|rank| rank + TELLING.len() + 1);
    telling.or(last).unwrap_or(TELLING.len())
}
