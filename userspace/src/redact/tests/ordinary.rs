//! How many ordinary command lines are changed by masking: those of this machine's packages, scripts and manuals.
//! `cargo test --workspace --lib ordinary_lines_of_this_machine -- --ignored --nocapture` prints which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command_lines::split;
use super::*;

/// Where scripts and manuals are.
const PLACES: [&str; 7] = [
    "/var/lib/dpkg/info",
    "/etc",
    "/usr/bin",
    "/usr/sbin",
    "/usr/share/doc",
    "/usr/share/man/man1",
    "/usr/share/man/man8",
];
/// Beside them, below the home directory: Makefiles and scripts of what is built there.
const SOURCES: &str = ".cargo/registry/src";
const FILES_MAX: usize = 60_000;
const FILE_MAX_BYTES: u64 = 512 << 10;
const LINES_WANTED: usize = 5000;

fn files(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            files(&entry.path(), depth - 1, found);
        } else if kind.is_file() && found.len() < FILES_MAX {
            found.push(entry.path());
        }
    }
}

fn text_of(path: &Path) -> Option<String> {
    if path.metadata().ok()?.len() > FILE_MAX_BYTES {
        return None;
    }
    if path.extension().is_some_and(|it| it == "gz") {
        let output = Command::new("gzip").arg("-dc").arg(path).output().ok()?;
        return String::from_utf8(output.stdout).ok();
    }
    String::from_utf8(fs::read(path).ok()?).ok()
}

/// Whether it is a script, a Makefile or a manual, and so may have command lines.
fn may_have(path: &Path, text: &str) -> bool {
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let script = text.starts_with("#!") && text.lines().next().is_some_and(|it| it.contains("sh"));
    script
        || name.starts_with("Makefile")
        || name.ends_with(".mk")
        || name.ends_with(".sh")
        || path.to_str().is_some_and(|it| it.contains("/man/man"))
}

/// The programs of this machine: a line that begins with one is a command's.
fn programs() -> BTreeSet<String> {
    let mut found = Vec::new();
    for dir in ["/bin", "/sbin", "/usr/bin", "/usr/sbin"] {
        files(Path::new(dir), 0, &mut found);
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            found.push(entry.path());
        }
    }
    found.iter().filter_map(|it| it.file_name()?.to_str().map(str::to_owned)).collect()
}

fn command_lines() -> BTreeSet<Vec<String>> {
    let programs = programs();
    let mut paths = Vec::new();
    for place in PLACES {
        files(Path::new(place), 3, &mut paths);
    }
    if let Some(home) = std::env::var_os("HOME") {
        files(&Path::new(&home).join(SOURCES), 4, &mut paths);
    }
    let mut lines = BTreeSet::new();
    for path in paths {
        let Some(text) = text_of(&path).filter(|text| may_have(&path, text)) else { continue };
        for line in text.lines() {
            // Manuals escape their dashes.
            let line = line
                .replace("\\-", "-")
                .replace("\\fB", "")
                .replace("\\fI", "")
                .replace("\\fR", "")
                .replace("\\fP", "");
            let line = line.trim().trim_start_matches(['@', '$', '#']).trim();
            let argv = split(line);
            if argv.len() >= 2 && programs.contains(&argv[0]) {
                lines.insert(argv);
            }
        }
    }
    lines
}

#[test]
#[ignore = "reads this machine's files, and what is right for them is for a person to see"]
fn ordinary_lines_of_this_machine() {
    let lines = command_lines();
    assert!(lines.len() >= LINES_WANTED, "this machine has only {} command lines", lines.len());
    let changed: Vec<_> =
        lines.iter().map(|line| (line, argv(line))).filter(|(line, masked)| *line != masked).collect();
    for (line, masked) in &changed {
        println!("{line:?}\n  {masked:?}");
    }
    println!("{} of {} lines are changed", changed.len(), lines.len());
    assert!(changed.len() * 1000 <= lines.len(), "more than one of a thousand");
}
