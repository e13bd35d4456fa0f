//! Which top module of the library may take something from which, and that nothing goes in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{self, Import};
use super::{File, Violation, circles};

/// Every top module, each below those it may take from: so nothing can go in a circle.
#[rustfmt::skip]
const ARROWS: [(&str, &[&str]); 40] = [
    ("text", &[]),
    ("heap", &[]),
    ("model", &["text"]),
    ("programs", &["model"]),
    ("languages", &["model"]),
    ("coverage", &[]),
    ("redact", &["model", "programs", "text"]),
    ("observation", &["model"]),
    ("cgroup", &["observation"]),
    ("host", &[]),
    ("health", &[]),
    ("sandbox", &[]),
    ("lookup", &[]),
    ("metrics", &["coverage", "sandbox"]),
    ("stack", &["languages", "lookup", "text"]),
    ("children", &["health", "lookup", "metrics", "sandbox", "stack"]),
    ("evidence", &["cgroup", "model", "sandbox", "text"]),
    ("kept", &["children", "evidence", "lookup", "model", "stack"]),
    ("outbound", &[]),
    ("config", &["languages", "model", "programs", "text"]),
    ("scan", &["cgroup", "children", "evidence", "health", "host", "metrics", "model", "observation", "sandbox"]),
    ("probes", &["coverage", "health", "host", "metrics", "model", "observation", "scan"]),
    ("kmsg", &["coverage", "health", "host", "model", "observation"]),
    ("runtimes", &["model"]),
    ("systemd", &["coverage", "health", "host", "metrics", "model", "observation"]),
    ("state", &["cgroup", "coverage", "host", "metrics", "model", "observation", "programs", "runtimes"]),
    ("kinds", &["cgroup", "children", "config", "evidence", "host", "languages", "lookup", "metrics", "model", "observation", "programs", "redact", "stack", "state", "text"]),
    ("render", &["kinds", "model"]),
    ("queue", &["cgroup", "kinds", "metrics", "model"]),
    ("monitor", &["cgroup", "children", "config", "evidence", "health", "host", "kept", "kinds", "lookup", "metrics", "model", "observation", "programs", "queue", "redact", "runtimes", "scan", "stack", "state", "text"]),
    ("llm", &["config", "metrics", "model", "outbound", "text"]),
    ("analyst", &["cgroup", "config", "health", "kinds", "llm", "metrics", "model", "redact", "render", "text"]),
    ("store", &["cgroup", "config", "health", "host", "kinds", "metrics", "model", "render", "text"]),
    ("recorder", &["analyst", "coverage", "health", "kinds", "metrics", "model", "queue", "redact", "store", "text"]),
    ("alerts", &["cgroup", "config", "health", "kinds", "metrics", "model", "outbound", "redact", "store", "text"]),
    ("http", &["analyst", "children", "config", "coverage", "evidence", "health", "host", "kinds", "metrics", "model", "monitor", "redact", "sandbox", "store", "text"]),
    ("daemon", &["alerts", "analyst", "cgroup", "children", "config", "coverage", "evidence", "health", "host", "http", "kept", "kinds", "kmsg", "languages", "metrics", "monitor", "probes", "programs", "queue", "recorder", "runtimes", "sandbox", "scan", "store", "systemd"]),
    ("logging", &["config"]),
    ("cli", &["analyst", "children", "config", "coverage", "daemon", "health", "kinds", "kmsg", "languages", "logging", "metrics", "model", "monitor", "outbound", "probes", "programs", "redact", "render", "sandbox", "store", "systemd", "text"]),
    ("fuzzing", &["alerts", "config", "http", "kmsg", "llm", "probes", "redact", "scan", "stack"]),
];

/// Modules that are being emptied into others: until they are gone their arrows are not looked at.
const LEAVING: [&str; 0] = [];

pub(super) fn arrows(files: &[File]) -> Vec<Violation> {
    match imports::all(files) {
        Ok(imports) => Rules { arrows: &ARROWS, leaving: &LEAVING }.check(&imports),
        Err(path) => vec![violation(&path, 1, "arrows", "it cannot be read as Rust")],
    }
}

type Arrows<'a> = [(&'a str, &'a [&'a str])];

struct Rules<'a> {
    arrows: &'a Arrows<'a>,
    leaving: &'a [&'a str],
}

impl Rules<'_> {
    fn check(&self, imports: &[Import]) -> Vec<Violation> {
        let mut found = order(self.arrows);
        found.extend(self.unknown(imports));
        found.extend(unused(self.arrows, imports));
        found.extend(file_circles(imports));
        found.extend(self.gone(imports));
        found
    }

    /// Imports that the table does not have. Of each pair the first.
    fn unknown(&self, imports: &[Import]) -> Vec<Violation> {
        let known: BTreeMap<&str, &[&str]> = self.arrows.iter().copied().collect();
        let mut told = BTreeSet::new();
        let mut found = vec![];
        for import in imports {
            let (from, to) = import.tops();
            let free = from == to || from == "lib" || [from, to].iter().any(|it| self.leaving.contains(it));
            let allowed = free || known.get(from).is_some_and(|it| it.contains(&to));
            if !allowed && told.insert((from, to)) {
                let advice = format!(
                    "`{from}` must not take from `{to}`: move what both need to one that is above both; or, if \
                     the way of the data is meant to change, add the arrow to {TABLE}"
                );
                found.push(violation(&import.from, import.line, "arrow", &advice));
            }
        }
        found
    }

    /// Modules that were being emptied and are.
    fn gone(&self, imports: &[Import]) -> Vec<Violation> {
        let is_there = |module: &str| imports.iter().any(|it| it.tops().0 == module);
        let gone = self.leaving.iter().filter(|module| !is_there(module));
        gone.map(|module| {
            violation(TABLE, 1, "arrow", &format!("`{module}` is gone: take it out of LEAVING"))
        })
        .collect()
    }
}

/// Where the table stands.
const TABLE: &str = "xtask/src/tidy/arrows.rs";

/// With every arrow going up the table there is no circle of modules.
fn order(arrows: &Arrows<'_>) -> Vec<Violation> {
    let mut above = BTreeSet::new();
    let mut found = vec![];
    for (module, targets) in arrows {
        for target in targets.iter().filter(|target| !above.contains(*target)) {
            let advice = format!("`{module}` takes from `{target}`, which does not stand above it");
            found.push(violation(TABLE, 1, "module circle", &advice));
        }
        if !above.insert(*module) {
            found.push(violation(TABLE, 1, "arrows", &format!("`{module}` stands there twice")));
        }
    }
    found
}

/// Arrows that nothing needs.
fn unused(arrows: &Arrows<'_>, imports: &[Import]) -> Vec<Violation> {
    let used: BTreeSet<(&str, &str)> = imports.iter().map(Import::tops).collect();
    let pairs = arrows.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (*from, *to)));
    pairs
        .filter(|pair| !used.contains(pair))
        .map(|(from, to)| {
            violation(TABLE, 1, "arrow", &format!("`{from}` takes nothing from `{to}`: take the arrow out"))
        })
        .collect()
}

/// Files of one module that need each other.
fn file_circles(imports: &[Import]) -> Vec<Violation> {
    let inside = imports.iter().filter(|it| it.tops().0 == it.tops().1);
    let circles = circles::find(inside.map(|it| (it.from.as_str(), it.to.as_str())));
    let mut found = vec![];
    for circle in &circles {
        let first = imports.iter().find(|it| circle.contains(&&*it.from) && circle.contains(&&*it.to));
        let (path, line) = first.map_or((circle[0], 1), |it| (&it.from, it.line));
        let advice = format!("these files need each other, part them: {}", circle.join(", "));
        found.push(violation(path, line, "file circle", &advice));
    }
    found
}

fn violation(path: &str, line: usize, rule: &'static str, advice: &str) -> Violation {
    Violation { path: path.to_owned(), line, rule, advice: advice.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(pairs: &[(&str, &str)]) -> Vec<Import> {
        let path = |name: &str| format!("userspace/src/{name}.rs");
        let import = |(from, to): &(&str, &str)| Import { from: path(from), line: 1, to: path(to) };
        pairs.iter().map(import).collect()
    }

    fn found(arrows: &Arrows<'_>, pairs: &[(&str, &str)]) -> Vec<String> {
        let rules = Rules { arrows, leaving: &[] };
        rules.check(&imports(pairs)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_has_each_module_below_those_it_takes_from() {
        assert_eq!(order(&ARROWS), []);
        let circle = order(&[("a", &["b"]), ("b", &["a"])]);
        assert_eq!(circle.len(), 1, "{circle:?}");
        assert_eq!(order(&[("a", &[]), ("a", &[])]).len(), 1);
    }

    #[test]
    fn a_new_arrow_is_found_and_one_that_is_gone() {
        let arrows: &Arrows<'_> = &[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])];
        let used = [("b/x", "a"), ("c", "a/y"), ("c", "b/x"), ("c/z", "b/x"), ("lib", "c"), ("b/x", "b/y")];
        assert_eq!(found(arrows, &used), [""; 0]);
        let new = found(arrows, &[&used[..], &[("a/y", "c"), ("a/y", "c/z"), ("d", "a")]].concat());
        assert_eq!(new.len(), 2, "{new:?}");
        assert!(new[0].starts_with("userspace/src/a/y.rs:1: arrow: `a` must not take from `c`"), "{new:?}");
        let gone = found(arrows, &used[..2]);
        assert!(gone.len() == 1 && gone[0].contains("`c` takes nothing from `b`"), "{gone:?}");
    }

    #[test]
    fn a_module_that_leaves_may_need_anything_until_it_is_gone() {
        let rules = Rules { arrows: &[("a", &[])], leaving: &["old"] };
        assert_eq!(rules.check(&imports(&[("a/x", "old"), ("old", "a/x")])), []);
        let gone = rules.check(&imports(&[("a/x", "a/y")]));
        assert!(gone.len() == 1 && gone[0].advice.contains("`old` is gone"), "{gone:?}");
    }

    #[test]
    fn circles_of_files_are_found_inside_a_module() {
        let pairs = [("a/x", "a/y"), ("a/y", "a/z"), ("a/z", "a/x"), ("b/x", "b/y")];
        let circle = found(&[], &pairs);
        assert!(circle.len() == 1 && circle[0].contains("a/x.rs, userspace/src/a/y.rs"), "{circle:?}");
        assert_eq!(found(&[], &[&pairs[..2], &pairs[3..]].concat()), [""; 0]);
    }
}
