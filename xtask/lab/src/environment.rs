//! Where and how something was measured: printed above every result, because no figure means anything without it.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Result;
use jiff::Timestamp;
use xtask::process;

/// In lines: command, time and commit; kernel and CPU; load.
pub(crate) fn environment(how: &str) -> Result<Vec<String>> {
    let read = |path: &str| fs::read_to_string(path).map(|it| it.trim().to_owned());
    let cpuinfo = read("/proc/cpuinfo")?;
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let commit = process::output(
        Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(process::repository()),
    )
    .unwrap_or_else(|_| "unknown".to_owned());
    let date = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let args: Vec<String> = std::env::args().skip(1).collect();
    Ok(vec![
        format!("`cargo xtask {}`, {how}, {date}, commit {}", args.join(" "), commit.trim()),
        format!(
            "Linux {}, {} cores of {}",
            read("/proc/sys/kernel/osrelease")?,
            available_parallelism()?,
            model.map_or("an unknown CPU", |(_, name)| name)
        ),
        format!("load average at the start: {}", load_average()?),
    ])
}

/// Of the last minute, five and fifteen.
pub(crate) fn load_average() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
