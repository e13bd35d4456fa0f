//! Rules that need to see all files.

use std::collections::BTreeSet;

use super::code::continues_word;
use super::{File, Violation, arrows, dependencies};

type TreeRule = fn(&[File]) -> Vec<Violation>;

pub(super) const ALL: [TreeRule; 4] =
    [top_level, code_map, arrows::arrows, dependencies::unused_dependencies];

/// What stands at the top of the repository, next to the entries that begin with a dot.
const TOP_LEVEL: [&str; 14] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deploy",
    "ebpf",
    "rustfmt.toml",
    "userspace",
    "xtask",
];

fn top_level(files: &[File]) -> Vec<Violation> {
    let entries: BTreeSet<&str> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
    entries
        .into_iter()
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry))
        .map(|entry| Violation {
            path: entry.to_owned(),
            line: 1,
            rule: "top level",
            advice: "put it beside what it belongs to; the top level is fixed".to_owned(),
        })
        .collect()
}

/// Whoever looks for a stage finds it in the README.
fn code_map(files: &[File]) -> Vec<Violation> {
    let text = |path: &str| files.iter().find(|file| file.path == path);
    let Some(library) = text("userspace/src/lib.rs") else { return vec![] };
    let readme = text("README.md").map_or("", |file| &file.text);
    modules(&library.code)
        .filter(|(_, module)| !names_module(readme, module))
        .map(|(line, module)| Violation {
            path: library.path.clone(),
            line,
            rule: "code map",
            advice: format!("say in the code map of README.md what `{module}` is for"),
        })
        .collect()
}

/// The modules that the library declares, with their lines.
fn modules(code: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(code.lines()).filter_map(|(line, code)| {
        let name = code.trim().strip_suffix(';')?.split_once("mod ")?.1;
        Some((line, name)).filter(|_| name.chars().all(continues_word))
    })
}

/// As a path or as code: `scan/`, `scan.rs`, or scan between backticks. A word of a sentence is no mention.
fn names_module(readme: &str, module: &str) -> bool {
    readme.match_indices(module).any(|(at, _)| {
        let (before, after) = (&readme[..at], &readme[at + module.len()..]);
        let starts = !before.ends_with(continues_word);
        let code = before.ends_with('`') && after.starts_with('`');
        starts && (code || after.starts_with('/') || after.starts_with(".rs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: TreeRule, files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
        let found: Vec<String> =
            rule(&files).into_iter().map(|found| format!("{}:{}", found.path, found.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_top_level_is_fixed() {
        check(top_level, &[("Cargo.toml", ""), (".ci/run", ""), ("userspace/src/lib.rs", "")], &[]);
        check(
            top_level,
            &[("docs/a.md", ""), ("docs/b.md", ""), ("notes.txt", "")],
            &["docs:1", "notes.txt:1"],
        );
    }

    #[test]
    fn every_stage_is_in_the_code_map() {
        let library =
            ("userspace/src/lib.rs", "//! Map.\npub mod alerts;\nmod scan;\npub mod text;\n// mod none;\n");
        let all = ("README.md", "| `alerts` | …\n  scan/   walks /proc\n  src/text.rs  cleans");
        check(code_map, &[library, all], &[]);
        let words = ("README.md", "It alerts, and can scan text/html and `rescan` and `texts`.");
        check(code_map, &[library, words], &["userspace/src/lib.rs:2", "userspace/src/lib.rs:3"]);
        check(
            code_map,
            &[library],
            &["userspace/src/lib.rs:2", "userspace/src/lib.rs:3", "userspace/src/lib.rs:4"],
        );
        check(code_map, &[all], &[]);
    }
}
