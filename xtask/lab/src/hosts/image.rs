//! The host's disk: a root file system of Debian's packages, made once by mmdebstrap and kept until its recipe changes,
//! and the kernel that it is booted with.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use xtask::process;

use crate::apt;
use crate::workspace::empty_dir;

const SUITE: &str = "bookworm";
/// Sparse: what is not used takes no room.
const SIZE: &str = "4G";
const KERNEL: &str = "linux-image-amd64";
const PACKAGES: [&str; 30] = [
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "dbus-user-session",
    "libpam-systemd",
    KERNEL,
    "initramfs-tools",
    "kmod",
    "iproute2",
    "procps",
    "passwd",
    "podman",
    "crun",
    "catatonit",
    "netavark",
    "iptables",
    "ca-certificates",
    "logrotate",
    "cron",
    "earlyoom",
    "systemd-oomd",
    "openssh-server",
    "openssh-client",
    "uidmap",
    "slirp4netns",
    "busybox-static",
    "jq",
    "zstd",
    "lz4",
];
/// What is not unpacked: documentation, and drivers of hardware that no emulated host has.
const LEFT_OUT: [&str; 9] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/lib/modules/*/kernel/drivers/gpu/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/infiniband/*",
    "/lib/modules/*/kernel/drivers/net/wireless/*",
    "/lib/modules/*/kernel/drivers/net/ethernet/*",
    "/lib/modules/*/kernel/sound/*",
];
/// Files that are there before the packages are set up: by them the initial file system is small, the shared folder is
/// known to it, podman needs no overlays, and the driver is started.
const FILES: [(&str, &str); 6] = [
    ("usr/share/initramfs-tools/modules.d/lab", "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n"),
    ("etc/initramfs-tools/conf.d/lab", "MODULES=list\nCOMPRESS=lz4\nFSTYPE=ext4\n"),
    ("etc/containers/storage.conf", include_str!("guest/storage.conf")),
    ("etc/systemd/system/lab.service", include_str!("guest/lab.service")),
    ("etc/fstab", "/dev/vda / ext4 defaults 0 1\n"),
    ("etc/hostname", "lab\n"),
];
const WANTED_BY: &str = "etc/systemd/system/multi-user.target.wants/lab.service";
/// What starts by itself where it is installed, and is a case's to start.
const NOT_STARTED: &str = "cd \"$1/etc/systemd/system\" && rm -f multi-user.target.wants/earlyoom.service \
    multi-user.target.wants/ssh.service multi-user.target.wants/systemd-oomd.service sshd.service \
    dbus-org.freedesktop.oom1.service sockets.target.wants/systemd-oomd.socket";

/// Which kernel of Debian's the host runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum HostKernel {
    /// The release's own, 6.1.
    #[default]
    Stable,
    /// The newest that there is for the release.
    Newest,
}

impl HostKernel {
    /// Another suite that it comes from.
    const fn suite(self) -> Option<&'static str> {
        match self {
            Self::Stable => None,
            Self::Newest => Some("bookworm-backports"),
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::Stable => "image",
            Self::Newest => "image-newest",
        }
    }

    /// All packages, this kernel's among them.
    fn packages(self) -> String {
        let packages = PACKAGES.join(",");
        match self.suite() {
            Some(suite) => packages.replace(KERNEL, &format!("{KERNEL}/{suite}")),
            None => packages,
        }
    }
}

/// What a boot needs.
pub(super) struct HostImage {
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
}

impl HostImage {
    /// As it was made before, or else made now, which takes minutes.
    pub(super) fn prepare(kernel: HostKernel) -> Result<Self> {
        let dir = process::repository().join("target/hosts").join(kernel.folder());
        let image = Self { disk: dir.join("disk"), kernel: dir.join("vmlinuz"), initrd: dir.join("initrd") };
        let stamp = dir.join("recipe");
        let recipe = recipe(kernel);
        if fs::read_to_string(&stamp).is_ok_and(|made_by| made_by == recipe) {
            return Ok(image);
        }
        for tool in ["mmdebstrap", "mkfs.ext4"] {
            ensure!(
                process::find_in_path(tool).is_some(),
                "{tool} is missing: run `cargo xtask setup --hosts`"
            );
        }
        empty_dir(&dir)?;
        let root = dir.join("root");
        make_root(kernel, &dir, &root)?;
        take_boot_files(&root, &image)?;
        process::run(
            Command::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(&root).arg(&image.disk).arg(SIZE),
        )?;
        remove(&root)?;
        // Last, so that what was broken off is made again.
        fs::write(&stamp, recipe).with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(image)
    }
}

/// All that decides what is on the disk.
fn recipe(kernel: HostKernel) -> String {
    let files: String = FILES.iter().map(|(path, text)| format!("{path}:\n{text}\n")).collect();
    let (packages, left_out) = (kernel.packages(), LEFT_OUT.join(" "));
    format!("{SUITE} {SIZE}\n{packages}\n{left_out}\n{NOT_STARTED}\n{files}")
}

fn make_root(kernel: HostKernel, dir: &Path, root: &Path) -> Result<()> {
    let files = dir.join("files");
    for (path, text) in FILES {
        let path = files.join(path);
        fs::create_dir_all(path.parent().expect("every file is in a folder"))?;
        fs::write(path, text)?;
    }
    let wanted = files.join(WANTED_BY);
    fs::create_dir_all(wanted.parent().expect("it is in a folder"))?;
    symlink("/etc/systemd/system/lab.service", &wanted)?;
    let mirror = apt::mirror()?;
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--include={}", kernel.packages()))
        .args(LEFT_OUT.map(|path| format!("--dpkgopt=path-exclude={path}")))
        .arg(format!("--essential-hook=copy-in '{0}/etc' '{0}/usr' /", files.display()))
        .arg(format!("--customize-hook={NOT_STARTED}"))
        .arg(SUITE)
        .arg(root)
        .arg(format!("deb {mirror} {SUITE} main"))
        .arg(format!("deb {mirror} {SUITE}-updates main"))
        .args(kernel.suite().map(|suite| format!("deb {mirror} {suite} main")))
        .env("LC_ALL", "C");
    process::run(&mut command)
}

fn take_boot_files(root: &Path, image: &HostImage) -> Result<()> {
    for (link, to) in [("vmlinuz", &image.kernel), ("initrd.img", &image.initrd)] {
        let target = fs::read_link(root.join(link)).with_context(|| format!("the host has no /{link}"))?;
        let file = root.join(target.strip_prefix("/").unwrap_or(&target));
        fs::copy(&file, to).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Never with something mounted below it: that would be emptied, too.
fn remove(root: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    let root = root.canonicalize()?;
    ensure!(!is_mounted_below(&mounts, &root), "something is still mounted below {}", root.display());
    fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
}

fn is_mounted_below(mounts: &str, root: &Path) -> bool {
    mounts.lines().filter_map(|line| line.split(' ').nth(1)).any(|point| Path::new(point).starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_is_seen() {
        let check = |mounts: &str, want: bool| {
            assert_eq!(is_mounted_below(mounts, Path::new("/t/root")), want, "{mounts}");
        };
        check("", false);
        check("proc /proc proc rw 0 0\n/dev/vda / ext4 rw 0 0\n", false);
        check("proc /t/root/proc proc rw 0 0\n", true);
        check("tmpfs /t/root tmpfs rw 0 0\n", true);
        check("tmpfs /t/root2 tmpfs rw 0 0\n", false);
    }

    #[test]
    fn the_recipe_has_every_package_and_file() {
        let recipe = recipe(HostKernel::Stable);
        for (path, text) in FILES {
            assert!(recipe.contains(path) && recipe.contains(text), "{path}");
        }
        assert!(PACKAGES.iter().all(|name| recipe.contains(name)));
        assert!(super::recipe(HostKernel::Newest).contains("linux-image-amd64/bookworm-backports,"));
    }
}
