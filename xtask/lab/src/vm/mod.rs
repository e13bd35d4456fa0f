//! Boots the kernels of Debian's releases in qemu, each with the daemon and a self-test in it, and compares what
//! the daemon captured there with what is true. No KVM: an emulated CPU is slow, the same everywhere, and enough.

mod cell;
mod console;
mod fields;
mod guest;
mod kernels;
#[cfg(test)]
mod sample;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use xtask::process;

use self::console::Report;
use self::kernels::{Cgroups, Kernel};
use self::table::Column;
use crate::emulator::{self, Machine, tail};

/// A boot and the self-test take 20 to 30 s, and more than a minute beside other work.
const DEADLINE: Duration = Duration::from_secs(240);

/// Boots the kernels of these names (all, with none) and prints kernel × field. Fails where something is wrong.
pub(crate) fn vm(names: &[String], markdown: bool) -> Result<ExitCode> {
    let wanted = kernels::select(names)?;
    emulator::find("--vm")?;
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
            match test(&name, image, &initrd, *cgroups) {
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
fn test(name: &str, kernel: &Path, initrd: &Path, cgroups: Cgroups) -> Result<Column> {
    let log = process::repository().join(format!("target/vm/{}.console", name.replace(' ', "-")));
    eprintln!("vm: boots {name}, console in {}", log.display());
    let began = Instant::now();
    // What the kernel does not know it hands to init as an environment variable.
    let append = format!("panic=1 CGROUPS={}", cgroups.as_str());
    let devices = ["-no-reboot".to_owned()];
    let machine =
        Machine { kernel, initrd, memory_mib: 1024, append: &append, devices: &devices, deadline: DEADLINE };
    let ended = machine.run(&log);
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
