//! One boot of a virtual machine, from the start of qemu to its end, with the console in a file.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::process;

use super::kernels::Cgroups;

const QEMU: &str = "qemu-system-x86_64";
/// A boot and the self-test take 20 to 30 s, and more than a minute beside other work.
const DEADLINE: Duration = Duration::from_secs(240);
/// How often to look whether qemu has ended.
const POLL: Duration = Duration::from_millis(100);

pub(super) struct Boot<'a> {
    pub(super) image: &'a Path,
    pub(super) initrd: &'a Path,
    pub(super) cgroups: Cgroups,
}

/// Fails, with what to do, where there is no qemu.
pub(super) fn find() -> Result<()> {
    ensure!(process::find_in_path(QEMU).is_some(), "{QEMU} is missing: run `cargo xtask setup --vm`");
    Ok(())
}

impl Boot<'_> {
    /// Until the guest powers off; the console goes to `log`.
    pub(super) fn run(&self, log: &Path) -> Result<()> {
        let console = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut qemu = Command::new(QEMU)
            // Not KVM: nested, it is not everywhere, and where it is broken it hangs.
            .args(["-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2"])
            .args(["-nographic", "-no-reboot", "-nic", "none", "-kernel"])
            .arg(self.image)
            .arg("-initrd")
            .arg(self.initrd)
            // `no_timer_check`: on a busy machine the emulated timer is late, and kernels of old then give up.
            // What the kernel does not know it hands to init as an environment variable.
            .args([
                "-append",
                &format!("console=ttyS0 quiet panic=1 no_timer_check CGROUPS={}", self.cgroups.as_str()),
            ])
            .stdin(Stdio::null())
            .stderr(console.try_clone().context("cannot share the console's file")?)
            .stdout(console)
            .spawn()
            .with_context(|| format!("cannot start {QEMU}"))?;
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = qemu.try_wait().context("cannot wait for qemu")? {
                break status;
            }
            if Instant::now() >= deadline {
                qemu.kill().context("cannot stop qemu")?;
                qemu.wait().context("cannot wait for qemu")?;
                bail!("the guest had not powered off after {} s", DEADLINE.as_secs());
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_seen() {
        assert!(has_panicked(b"\x1bc[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n"));
        assert!(!has_panicked(b"@@ begin 5.10\r\n"));
        assert!(!has_panicked(b""));
    }
}
