//! One run of an emulated machine, from the start of qemu to its end, with the console in a file. No KVM: nested, it is
//! not everywhere, and where it is broken it hangs; an emulated CPU is slow, the same everywhere, and enough.

use std::fs::{self, File};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use xtask::process;

use crate::running::{Running, bound};

const QEMU: &str = "qemu-system-x86_64";
/// How often to look whether qemu has ended.
const POLL: Duration = Duration::from_millis(100);
/// How much of the console is shown of a run that went wrong.
const TAIL_LINES: usize = 40;

/// A machine with two cores and no network.
pub(crate) struct Machine<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) initrd: &'a Path,
    pub(crate) memory_mib: u32,
    /// What the kernel's command line has besides the console.
    pub(crate) append: &'a str,
    /// Further arguments of qemu's: disks, folders that are shared.
    pub(crate) devices: &'a [String],
    pub(crate) deadline: Duration,
}

/// Fails, with what to do, where there is no qemu.
pub(crate) fn find(setup: &str) -> Result<()> {
    ensure!(process::find_in_path(QEMU).is_some(), "{QEMU} is missing: run `cargo xtask setup {setup}`");
    Ok(())
}

impl Machine<'_> {
    /// Until the guest powers off; the console goes to `log`.
    pub(crate) fn run(&self, log: &Path) -> Result<()> {
        let console = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut qemu = bound(Path::new(QEMU));
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"])
            .args(["-m", &self.memory_mib.to_string(), "-nographic", "-nic", "none", "-kernel"])
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initrd)
            // `no_timer_check`: on a busy machine the emulated timer is late, and kernels of old then give up.
            .args(["-append", &format!("console=ttyS0 quiet no_timer_check {}", self.append)])
            .args(self.devices)
            .stderr(console.try_clone().context("cannot share the console's file")?)
            .stdout(console);
        let mut qemu = Running(qemu.spawn().with_context(|| format!("cannot start {QEMU}"))?);
        let began = Instant::now();
        let status = loop {
            if let Some(status) = qemu.0.try_wait().context("cannot wait for qemu")? {
                break status;
            }
            ensure!(
                began.elapsed() < self.deadline,
                "the guest had not powered off after {} s",
                self.deadline.as_secs()
            );
            sleep(POLL);
        };
        ensure!(status.success(), "{QEMU} failed: {status}");
        ensure!(!has_panicked(&fs::read(log)?), "the kernel panicked");
        Ok(())
    }
}

fn has_panicked(console: &[u8]) -> bool {
    let sign = b"Kernel panic - not syncing";
    console.windows(sign.len()).any(|window| window == sign)
}

/// The last lines of a console, without what would move the reader's cursor.
pub(crate) fn tail(console: &str) -> String {
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
    fn a_panic_is_seen() {
        assert!(has_panicked(b"\x1bc[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n"));
        assert!(!has_panicked(b"@@ begin 5.10\r\n"));
        assert!(!has_panicked(b""));
    }

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
