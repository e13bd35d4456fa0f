//! The rules of the repository that neither rustfmt nor clippy nor Cargo's lints know, as code. Each violation is one
//! line: `path:line: rule: what to do`.

mod arrows;
mod circles;
mod code;
mod dependencies;
mod file_rules;
mod imports;
mod tree_rules;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::process;

/// Checks every rule on every file.
pub(crate) fn tidy() -> Result<ExitCode> {
    let files = read_all(process::repository())?;
    let violations = check(&files);
    violations.iter().for_each(|violation| println!("{violation}"));
    println!("tidy: {} files, {} violations", files.len(), violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(files: &[File]) -> Vec<Violation> {
    let mut violations: Vec<_> = files
        .iter()
        .flat_map(|file| file_rules::ALL.iter().flat_map(move |rule| rule(file)))
        .chain(tree_rules::ALL.iter().flat_map(|rule| rule(files)))
        .collect();
    violations.sort();
    violations
}

/// A file of the repository.
struct File {
    /// Its path from the root, with slashes.
    path: String,
    text: String,
    /// For Rust: the text with comments and the insides of literals blanked, line for line.
    code: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { code::only(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// Everything git tracks or would track. What is not UTF-8 (the object) has no rules.
fn read_all(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let mut paths = match process::output(&mut git) {
        Ok(list) => list.split_terminator('\0').map(str::to_owned).collect(),
        Err(_) => {
            let mut paths = vec![];
            walk(root, "", &mut paths)?;
            paths
        }
    };
    paths.sort();
    paths.dedup();
    let read = |path: String| {
        let text = String::from_utf8(fs::read(root.join(&path)).ok()?).ok()?;
        Some(File::new(&path, &text))
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

/// For a tree that is no git checkout: everything but what a build makes and what is hidden.
fn walk(dir: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || (prefix.is_empty() && name == "target") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), paths)?;
        } else {
            paths.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
