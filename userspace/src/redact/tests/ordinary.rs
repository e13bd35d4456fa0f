//! How many ordinary command lines are changed by masking: those of this machine's packages, scripts and manuals.
//! `cargo test --workspace --lib ordinary_lines_of_this_machine -- --ignored --nocapture` prints which.

use std::collections::{BTreeMap, BTreeSet};
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
/// Of each program: one manual is not to speak for all.
const OF_ONE_PROGRAM: usize = 800;

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

/// Whether it is there to show how a secret is given: what is to be masked in it is not ordinary.
fn shows_a_secret(argv: &[String]) -> bool {
    const TELLING: [&str; 4] = ["pass", "secret", "token", "bearer"];
    let tells = |word: &String| TELLING.iter().any(|it| word.to_lowercase().contains(it));
    let user =
        |two: &[String]| ["-u", "--user", "--proxy-user"].contains(&two[0].as_str()) && two[1].contains(':');
    let cipher = argv[0] == "openssl" && argv.iter().any(|it| it == "-K");
    cipher || argv.iter().any(tells) || argv.windows(2).any(user)
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
    let mut of_program: BTreeMap<String, usize> = BTreeMap::new();
    for path in paths {
        let Some(text) = text_of(&path).filter(|text| may_have(&path, text)) else { continue };
        let manual = path.to_str().is_some_and(|it| it.contains("/man/man"));
        let mut example = !manual;
        for line in text.lines() {
            // In manuals only what is set as it is typed; the rest is prose.
            match line.trim_end() {
                ".nf" | ".EX" => example = true,
                ".fi" | ".EE" => example = !manual,
                _ => {}
            }
            if !example {
                continue;
            }
            // Manuals escape their dashes.
            let line = line
                .replace("\\-", "-")
                .replace("\\fB", "")
                .replace("\\fI", "")
                .replace("\\fR", "")
                .replace("\\fP", "");
            let line = line.trim().trim_start_matches(['@', '$', '#']).trim();
            let argv = split(line);
            if argv.len() < 2 || !programs.contains(&argv[0]) || shows_a_secret(&argv) {
                continue;
            }
            let count = of_program.entry(argv[0].clone()).or_default();
            if *count < OF_ONE_PROGRAM && lines.insert(argv) {
                *count += 1;
            }
        }
    }
    lines
}

#[test]
#[ignore = "reads this machine's files, and what is right for them is for a person to see"]
fn ordinary_lines_of_this_machine() {
    let lines = command_lines();
    let changed: Vec<_> =
        lines.iter().map(|line| (line, argv(line))).filter(|(line, masked)| *line != masked).collect();
    for (line, masked) in &changed {
        println!("{line:?}\n  {masked:?}");
    }
    println!("{} of {} lines are changed", changed.len(), lines.len());
    assert!(lines.len() >= LINES_WANTED, "this machine has too few command lines to judge by");
    assert!(changed.len() * 1000 <= lines.len(), "more than one of a thousand");
}
