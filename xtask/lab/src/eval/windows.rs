//! How long things have to last before they are a finding: far shorter than the defaults, so that the slow kinds
//! do not take hours, and printed with the results, because they are part of what was measured.

use std::time::Duration;

use super::case::Held;

/// Between two scans of /proc.
pub(super) const SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// What the daemon is started with. A flag that it does not have is left out, and said to be missing.
const WINDOWS: &[(&str, &str)] = &[
    ("scan-interval", "1s"),
    ("detect-zombie-age", "3s"),
    ("detect-hung-after", "3s"),
    ("detect-spin-window", "6s"),
    ("detect-growth-window", "10s"),
    ("detect-growth-startup", "5s"),
    ("detect-abnormal-exit-age", "6s"),
    // As by default, written down because cases are made for them.
    ("detect-crash-loop-count", "3"),
    ("detect-memory-percent", "95"),
    ("detect-fd-percent", "90"),
];

/// The windows of one run.
pub(super) struct Windows {
    /// Flag and value, as given.
    pub(super) given: Vec<(&'static str, &'static str)>,
    /// Those that this daemon has not.
    pub(super) unknown: Vec<&'static str>,
}

impl Windows {
    /// Those of [`WINDOWS`] that the text of `ai-debugger run --help` names.
    pub(super) fn of_help(help: &str) -> Self {
        let known: Vec<&str> = help
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .filter_map(|word| word.strip_prefix("--"))
            .collect();
        let (given, unknown): (Vec<_>, Vec<_>) =
            WINDOWS.iter().copied().partition(|(flag, _)| known.contains(flag));
        Self { given, unknown: unknown.into_iter().map(|(flag, _)| flag).collect() }
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        self.given.iter().map(|(flag, value)| format!("--{flag}={value}")).collect()
    }

    /// For how long a state must have lasted.
    pub(super) fn held(held: Held) -> Duration {
        match held {
            Held::No => Duration::ZERO,
            Held::Times(count, flag) => count * duration(value(flag)),
            Held::Both(first, second) => duration(value(first)) + duration(value(second)),
            Held::Part(part, flag) => duration(value(flag)) / part,
            Held::Walks(walks) => SCAN_INTERVAL * walks.saturating_sub(1),
        }
    }
}

fn value(flag: &str) -> &'static str {
    let found = WINDOWS.iter().find(|(name, _)| *name == flag);
    found.expect("cases name flags of this table only").1
}

/// `3s`, `500ms` or `2m`: what this file writes.
fn duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits.parse().expect("a duration begins with a number");
    match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "m" => Duration::from_secs(60 * number),
        _ => Duration::from_secs(number),
    }
}

#[cfg(test)]
mod tests {
    use super::super::corpus;
    use super::*;

    #[test]
    fn only_flags_that_the_daemon_knows_are_given() {
        let windows = Windows::of_help("  --scan-interval <TIME>  [env: X]\n  --detect-fd-percent <PERCENT>");
        assert_eq!(windows.arguments(), ["--scan-interval=1s", "--detect-fd-percent=90"]);
        assert!(windows.unknown.contains(&"detect-zombie-age"), "{:?}", windows.unknown);
    }

    #[test]
    fn durations() {
        for (text, ms) in [("3s", 3000), ("500ms", 500), ("2m", 120_000), ("7", 7000)] {
            assert_eq!(duration(text), Duration::from_millis(ms), "{text}");
        }
        assert_eq!(duration(value("scan-interval")), SCAN_INTERVAL);
    }

    #[test]
    fn every_case_names_a_flag_of_the_table() {
        for case in corpus::all() {
            assert!(Windows::held(case.held) < Duration::from_secs(60), "{}", case.name);
        }
    }
}
