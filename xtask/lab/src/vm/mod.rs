//! Boots the kernels of Debian's releases in qemu, each with the daemon and a self-test in it, and compares what
//! the daemon captured there with what is true. No KVM: an emulated CPU is slow, the same everywhere, and enough.

mod apt;
mod boot;
mod cell;
mod console;
mod fields;
mod guest;
mod kernels;
#[cfg(test)]
mod sample;
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use xtask::process;

use self::boot::Boot;
use self::console::Report;
use self::kernels::Kernel;
use self::table::Column;

/// How much of the console is shown of a boot that went wrong.
const TAIL_LINES: usize = 40;

/// Boots the kernels of these names (all, with none) and prints kernel × field. Fails where something is wrong.
pub(crate) fn vm(names: &[String], markdown: bool) -> Result<ExitCode> {
    let wanted = kernels::select(names)?;
    boot::find()?;
    let mut ready: Vec<(&Kernel, PathBuf)> = vec![];
    let mut not_here = vec![];
    for kernel in wanted {
        match kernel.image() {
            Ok(image) => ready.push((kernel, image)),
            Err(reason) => not_here.push(format!("{}: not available here: {reason:#}", kernel.name)),
        }
    }
    not_here.iter().for_each(|line| eprintln!("vm: {line}"));
    anyhow::ensure!(!ready.is_empty(), "no kernel to boot, so nothing was tested");

    let initrd = guest::initrd()?;
    let mut columns = vec![];
    let mut failed = vec![];
    for (kernel, image) in &ready {
        for cgroups in kernel.cgroups {
            let name = format!("{} cgroup {}", kernel.name, cgroups.as_str());
            match test(&name, &Boot { image, initrd: &initrd, cgroups: *cgroups }) {
                Ok(column) => columns.push(column),
                Err(error) => failed.push(format!("{name}: {error:#}")),
            }
        }
    }
    let failures: Vec<String> = columns.iter().flat_map(Column::failures).chain(failed).collect();
    print!("{}", if markdown { table::markdown(&columns) } else { table::plain(&columns) });
    not_here.iter().for_each(|line| println!("{line}"));
    failures.iter().for_each(|line| println!("WRONG: {line}"));
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One boot and what is to be said of it. Where something is not as it must be, the console's end is shown, too.
fn test(name: &str, boot: &Boot<'_>) -> Result<Column> {
    let log = process::repository().join(format!("target/vm/{}.console", name.replace(' ', "-")));
    eprintln!("vm: boots {name}, console in {}", log.display());
    let began = Instant::now();
    let ended = boot.run(&log);
    let console = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let console = String::from_utf8_lossy(&console);
    let column = ended.and_then(|()| Report::parse(&console)).map(|report| {
        eprintln!("vm: {name}: {} in {:.0} s", report.kernel, began.elapsed().as_secs_f64());
        report.captured().for_each(|line| eprintln!("vm:   {line}"));
        Column::new(&report)
    });
    if column.as_ref().map_or(true, |column| !column.failures().is_empty()) {
        eprintln!("vm: {name}: the console's end:\n{}", tail(&console));
    }
    column
}

/// The last lines, without what would move the reader's cursor.
fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    let shown = lines[lines.len().saturating_sub(TAIL_LINES)..].iter();
    let clean = |line: &&str| {
        let kept: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
        format!("  {kept}")
    };
    shown.map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_the_end_and_moves_no_cursor() {
        let long: String = (0..50).map(|n| format!("line {n}\r\n")).collect();
        let shown = tail(&long);
        assert_eq!(shown.lines().count(), TAIL_LINES);
        assert!(shown.starts_with("  line 10\n") && shown.ends_with("  line 49"), "{shown}");
        assert_eq!(tail("\u{1b}c\u{1b}[2Jpanic\r\n"), "  c[2Jpanic");
        assert_eq!(tail(""), "");
    }
}
