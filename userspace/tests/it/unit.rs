//! The systemd unit, judged by systemd itself, which is not started for that.

use std::process::Command;

use crate::requires::skip_if;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/ai-debugger.service");
const ANALYZE: &str = "/usr/bin/systemd-analyze";
/// From 0, shut in, to 10. What is left is what the daemon is for; the unit says it.
const EXPOSURE_MAX: f64 = 1.9;
/// The first that judges a file (`--offline`).
const VERSION_MIN: u32 = 250;

fn analyze(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(ANALYZE).args(arguments).env("SYSTEMD_PAGER", "").env("LC_ALL", "C").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn version() -> Option<u32> {
    analyze(&["--version"])?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn the_unit_leaves_little_open() {
    skip_if!(
        version()
            .is_none_or(|it| it < VERSION_MIN)
            .then_some("there is no systemd-analyze that judges a file")
    );
    let text = analyze(&["security", "--offline=true", UNIT]).expect("it has run before");
    let overall = text
        .lines()
        .find(|line| line.contains("Overall exposure level for"))
        .unwrap_or_else(|| panic!("{text}"));
    let exposure: f64 =
        overall.split(": ").nth(1).and_then(|it| it.split(' ').next()?.parse().ok()).expect(overall);
    assert!(exposure <= EXPOSURE_MAX, "{text}");
    // Whatever it does not know, it says, and leaves out of the judgement.
    for complaint in ["Unknown key", "Unknown section", "Failed to parse", "Invalid"] {
        assert!(!text.contains(complaint), "{text}");
    }
}

#[test]
fn what_the_daemon_promises_under_systemd_stands_in_the_unit() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    for line in
        ["Type=notify", "WatchdogSec=2min", "Nice=-10", "OOMScoreAdjust=-900", "StandardInput=file:/dev/kmsg"]
    {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
}
