//! Runs all tests and adds up what they say. Tests that this machine cannot run pass for libtest; they write
//! `SKIPPED name: reason` to the file that AI_DEBUGGER_SKIP_LOG names, and are counted here as what they are. What
//! failed is told again at the end, each with its reason: it is far above by then.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, Result};

use crate::process::{self, RootAccess};

pub(crate) fn test(filters: &[String]) -> Result<ExitCode> {
    // In the target folder, because root may not write to another user's file in a sticky /tmp.
    let target =
        process::repository().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let skip_log = target.join("skipped-tests.log");
    fs::write(&skip_log, "").with_context(|| format!("cannot write {}", skip_log.display()))?;

    let mut command = process::cargo();
    command.args(["test", "--no-fail-fast"]).args(runner()).arg("--").args(filters);
    command.env("AI_DEBUGGER_SKIP_LOG", &skip_log).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;

    let (mut totals, mut failures) = (Totals::default(), Failures::default());
    for line in BufReader::new(child.stdout.take().expect("it is piped")).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        totals.add(Totals::of_result_line(&line).unwrap_or_default());
        failures.read(&line);
    }
    let status = child.wait()?;

    let log = fs::read_to_string(&skip_log)?;
    let skipped = skipped(&log);
    totals.move_to_skipped(skipped.len());
    if !status.success() && totals.failed == 0 {
        let reason = "it failed without a failed test: a build error or a test program that crashed";
        failures.add("cargo test", reason.to_owned());
        totals.failed = 1;
    }
    if !failures.found.is_empty() {
        println!("{} failed:", failures.found.len());
        failures.found.iter().for_each(|(test, reason)| println!("  {test}: {}", told(reason)));
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
    match RootAccess::find() {
        RootAccess::Already => vec![],
        RootAccess::Sudo { path, asks: false } => {
            eprintln!("test programs run through sudo: the kernel tests take root");
            let runner =
                format!("target.'cfg(unix)'.runner = [{:?}, \"-n\", \"-E\"]", path.display().to_string());
            vec!["--config".to_owned(), runner]
        }
        RootAccess::Sudo { asks: true, .. } | RootAccess::No => {
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

/// A reason as it is printed.
fn told(reason: &str) -> &str {
    if reason.is_empty() { "it says no reason; its output is above" } else { reason }
}

/// No reason needs more to be recognised; the rest is above.
const MAX_REASON_CHARS: usize = 300;

/// The failed tests and why, read from what libtest prints when all are over:
///
/// ```text
/// ---- name stdout ----
///
/// thread 'name' (4711) panicked at src/file.rs:12:5:
/// the message's first line
/// ```
#[derive(Debug, Default)]
struct Failures {
    found: Vec<(String, String)>,
    /// Whether what is read belongs to the last of them.
    in_output: bool,
    /// Where it panicked; the next line says why.
    place: Option<String>,
}

impl Failures {
    fn read(&mut self, line: &str) {
        if let Some(test) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.add(test, String::new());
            self.in_output = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.in_output = false;
            self.place = None;
        } else if self.in_output {
            self.read_output(line);
        }
    }

    fn read_output(&mut self, line: &str) {
        let Some((_, reason)) = self.found.last_mut().filter(|(_, reason)| reason.is_empty()) else { return };
        let panic = line.strip_prefix("thread '").and_then(|rest| rest.split_once(" panicked at "));
        if let Some((_, place)) = panic {
            self.place = Some(place.trim_end_matches(':').to_owned());
        } else if let Some(place) = self.place.take() {
            let message: String = line.chars().take(MAX_REASON_CHARS).collect();
            *reason = format!("{message} ({place})");
        } else if line.starts_with("Error: ") {
            // Of a test that returns its error instead.
            *reason = line.chars().take(MAX_REASON_CHARS).collect();
        }
    }

    fn add(&mut self, test: &str, reason: String) {
        self.found.push((test.to_owned(), reason));
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
    fn a_failure_has_its_reason() {
        let output = "\
running 4 tests
test a::b ... FAILED
---- this is no section of libtest
thread 'x' (7) panicked at elsewhere.rs:1:1:
of a test that passes

failures:

---- a::b stdout ----
said before
thread 'a::b' (4711) panicked at src/a.rs:12:5:
assertion `left == right` failed: two of them
  left: 2
 right: 1
thread 'late' (4712) panicked at src/c.rs:1:1:
a second one
---- src/lib.rs - f (line 3) stdout ----
Error: no such file
---- c stdout ----
it said nothing of a panic

failures:
    a::b

test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.read(line));
        let found: Vec<_> =
            failures.found.iter().map(|(test, reason)| (test.as_str(), reason.as_str())).collect();
        assert_eq!(
            found,
            [
                ("a::b", "assertion `left == right` failed: two of them (src/a.rs:12:5)"),
                ("src/lib.rs - f (line 3)", "Error: no such file"),
                ("c", ""),
            ]
        );
    }

    #[test]
    fn a_long_reason_is_cut() {
        let mut failures = Failures::default();
        for line in ["---- a stdout ----", "thread 'a' panicked at a.rs:1:1:", &"x".repeat(9_000)] {
            failures.read(line);
        }
        assert_eq!(failures.found[0].1.len(), MAX_REASON_CHARS + " (a.rs:1:1)".len());
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
