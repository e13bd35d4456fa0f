//! What runs in the guest: the daemon as one static binary, the program that makes faults, busybox, and the script
//! that puts them to work, in an archive that the kernel unpacks into memory.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use xtask::process;

use crate::workspace::build_static;

const BUSYBOX: &str = "/bin/busybox";
/// What a program that needs shared libraries names.
const DYNAMIC: &[u8] = b"/lib64/ld-linux-x86-64.so.2";
/// The guest's PID 1.
const INIT: &str = include_str!("guest-init");

/// The archive, made anew: only the daemon's build takes time, and cargo knows whether there is something to do.
pub(super) fn initrd() -> Result<PathBuf> {
    let directory = process::repository().join("target/vm");
    let root = directory.join("root");
    fs::create_dir_all(root.join("bin")).with_context(|| format!("cannot make {}", root.display()))?;
    copy(&build_static()?, &root.join("bin/ai-debugger"))?;
    copy(&busybox()?, &root.join("bin/busybox"))?;
    compile_faults(&root.join("bin/fault"))?;
    let init = root.join("init");
    fs::write(&init, INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;

    let archive = directory.join("initrd");
    pack(&root, &archive)?;
    Ok(archive)
}

fn busybox() -> Result<PathBuf> {
    let program = fs::read(BUSYBOX).with_context(|| format!("no {BUSYBOX}: run `cargo xtask setup --vm`"))?;
    ensure!(is_static(&program), "{BUSYBOX} needs shared libraries: install busybox-static");
    Ok(BUSYBOX.into())
}

fn is_static(program: &[u8]) -> bool {
    !program.windows(DYNAMIC.len()).any(|window| window == DYNAMIC)
}

/// The program that the integration tests use, too.
fn compile_faults(to: &Path) -> Result<()> {
    let source = process::repository().join("userspace/tests/it/fault.c");
    process::run(Command::new("cc").args(["-O1", "-static", "-pthread", "-o"]).arg(to).arg(source))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Not compressed: the emulated CPU would have to unpack it.
fn pack(root: &Path, archive: &Path) -> Result<()> {
    let output = File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
    let mut cpio = Command::new("cpio")
        .args(["--create", "--format=newc", "--owner=0:0", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .context("cannot start cpio: run `cargo xtask setup --vm`")?;
    let names = ".\nbin\nbin/ai-debugger\nbin/busybox\nbin/fault\ninit\n";
    cpio.stdin.take().context("cpio's input is a pipe")?.write_all(names.as_bytes())?;
    let status = cpio.wait().context("cannot wait for cpio")?;
    ensure!(status.success(), "cpio failed: {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_programs_name_no_loader() {
        assert!(is_static(b"\x7fELF static"));
        assert!(!is_static(b"\x7fELF\0/lib64/ld-linux-x86-64.so.2\0"));
    }
}
