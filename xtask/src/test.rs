//! Runs all tests and adds up what they say. Tests that this machine cannot run pass for libtest; they write
//! `SKIPPED name: reason` to the file that AI_DEBUGGER_SKIP_LOG names, and are counted here as what they are.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::process::{self, Root};

pub(crate) fn test(filters: &[String]) -> Result<ExitCode> {
    // Under target/, because root may not write to another user's file in a sticky /tmp.
    let skip_log = process::repository().join("target/skipped-tests.log");
    fs::create_dir_all(skip_log.parent().expect("it is in target/"))?;
    fs::write(&skip_log, "").with_context(|| format!("cannot write {}", skip_log.display()))?;

    let mut command = process::cargo();
    command.args(["test", "--no-fail-fast"]).args(runner()).arg("--").args(filters);
    command.env("AI_DEBUGGER_SKIP_LOG", &skip_log).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;

    let mut totals = Totals::default();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        totals.add(Totals::of_result_line(&line).unwrap_or_default());
    }
    let status = child.wait()?;

    let log = fs::read_to_string(&skip_log)?;
    let skipped = skipped(&log);
    totals.move_to_skipped(skipped.len());
    if !status.success() && totals.failed == 0 {
        println!("cargo test failed without a failed test: a build error or a test program that crashed");
        totals.failed = 1;
    }
    if !skipped.is_empty() {
        println!("{} skipped on this machine:", skipped.len());
        skipped.iter().for_each(|line| println!("  {line}"));
    }
    println!("{} passed, {} failed, {} skipped", totals.passed, totals.failed, totals.skipped);
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What makes cargo start the test programs as root, after building them as this user.
fn runner() -> Vec<String> {
    match Root::find() {
        Root::Already => vec![],
        Root::Sudo { path, asks: false } => {
            eprintln!("test programs run through sudo: the kernel tests take root");
            let runner =
                format!("target.'cfg(unix)'.runner = [{:?}, \"-n\", \"-E\"]", path.display().to_string());
            vec!["--config".to_owned(), runner]
        }
        Root::Sudo { asks: true, .. } | Root::No => {
            eprintln!("test programs run without root (no sudo that does not ask): kernel tests skip");
            vec![]
        }
    }
}

#[derive(Debug, Default, PartialEq, Clone, Copy)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Totals {
    /// Of the line with which each test program ends:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`.
    fn of_result_line(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |label: &str| {
            counts.split("; ").find_map(|part| part.strip_suffix(label)?.trim_end().parse().ok())
        };
        Some(Self { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Tests that skipped themselves were counted as passed.
    fn move_to_skipped(&mut self, count: usize) {
        self.passed = self.passed.saturating_sub(count);
        self.skipped += count;
    }
}

/// `name: reason` of each test that skipped itself, once.
fn skipped(log: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("SKIPPED ")).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines() {
        let check = |line: &str, expected: Option<(usize, usize, usize)>| {
            let totals = Totals::of_result_line(line).map(|t| (t.passed, t.failed, t.skipped));
            assert_eq!(totals, expected, "{line}");
        };
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            Some((12, 0, 1)),
        );
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
            Some((3, 2, 0)),
        );
        check("test result: ok", None);
        check("a line that says test result: ok. 1 passed; 0 failed; 0 ignored", None);
        check("running 3 tests", None);
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        let log = "SKIPPED it::oom: not root\nnoise\nSKIPPED it::exec: no BTF\nSKIPPED it::oom: not root\n";
        let lines = skipped(log);
        assert_eq!(lines, ["it::exec: no BTF", "it::oom: not root"]);
        let mut totals = Totals { passed: 5, failed: 1, skipped: 1 };
        totals.move_to_skipped(lines.len());
        assert_eq!(totals, Totals { passed: 3, failed: 1, skipped: 3 });
    }
}
