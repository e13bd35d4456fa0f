//! Which kernels, from which of Debian's suites, and their images on this disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::{digest, process};

use crate::apt::Suite;

/// Which version the memory controller is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cgroups {
    V1,
    V2,
}

impl Cgroups {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// A kernel to boot.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What the command line calls it.
    pub(super) name: &'static str,
    /// Where to look for it; the first that has one is taken.
    suites: &'static [&'static str],
    /// One boot for each.
    pub(super) cgroups: &'static [Cgroups],
}

/// Debian builds its kernels without `CONFIG_MEMCG_V1` since that option exists, 6.12.
const ALL: [Kernel; 4] = [
    Kernel { name: "5.10", suites: &["bullseye"], cgroups: &[Cgroups::V2, Cgroups::V1] },
    Kernel { name: "6.1", suites: &["bookworm"], cgroups: &[Cgroups::V2, Cgroups::V1] },
    Kernel { name: "6.12", suites: &["trixie"], cgroups: &[Cgroups::V2] },
    Kernel {
        name: "newest",
        suites: &["sid", "trixie-backports", "bookworm-backports"],
        cgroups: &[Cgroups::V2],
    },
];

/// The kernels of these names; all of them for none and for `all`.
pub(super) fn select(names: &[String]) -> Result<Vec<&'static Kernel>> {
    let known = |name: &str| name == "all" || ALL.iter().any(|kernel| kernel.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = ALL.iter().map(|kernel| kernel.name).collect();
        bail!("`{unknown}` is no kernel; one of {}, all", all.join(", "));
    }
    let wanted =
        |kernel: &&Kernel| names.is_empty() || names.iter().any(|name| name == "all" || name == kernel.name);
    Ok(ALL.iter().filter(wanted).collect())
}

impl Kernel {
    /// Its image: as it was downloaded before, or else now.
    pub(super) fn image(&self) -> Result<PathBuf> {
        let directory = process::repository().join("target/vm/kernels").join(self.name);
        let (image, origin) = (directory.join("vmlinuz"), directory.join("origin"));
        if is_whole(&image, &origin) {
            return Ok(image);
        }
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut reasons = vec![];
        for name in self.suites {
            match download(name, &image) {
                Ok(package) => {
                    let line = format!("{}\n{package}\n", digest_of(&image)?);
                    fs::write(&origin, line).with_context(|| format!("cannot write {}", origin.display()))?;
                    return Ok(image);
                }
                Err(error) => reasons.push(format!("{name}: {error:#}")),
            }
        }
        bail!(reasons.join("; "))
    }
}

/// Whether the image is the one that was unpacked from a package whose digest was right.
fn is_whole(image: &Path, origin: &Path) -> bool {
    let (Ok(digest), Ok(origin)) = (digest_of(image), fs::read_to_string(origin)) else { return false };
    origin.lines().next() == Some(&digest)
}

fn digest_of(path: &Path) -> Result<String> {
    Ok(digest::of_bytes(&fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Takes the suite's kernel for clouds, which has all that a virtual machine needs built in, and unpacks its image.
fn download(suite: &str, image: &Path) -> Result<String> {
    let suite = Suite::open(suite)?;
    let mut package = suite.show("linux-image-cloud-amd64")?;
    // From the name that stays the same to the kernel's own; lately the image is in a package of its own, again.
    while let Some(next) = package.needs.take() {
        package = suite.show(&next)?;
    }
    let file = suite.download(&package.name)?;
    ensure!(
        digest_of(&file)? == package.sha256,
        "{} is not what the suite's index lists: its SHA-256 differs",
        file.display()
    );
    unpack(&file, image)?;
    suite.remove()?;
    Ok(format!("{} {}", package.name, package.sha256))
}

fn unpack(package: &Path, image: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb")?;
    let output = fs::File::create(image).with_context(|| format!("cannot write {}", image.display()))?;
    let unpacked = Command::new("tar")
        .args(["--extract", "--to-stdout", "--wildcards", "*/vmlinuz*"])
        .stdin(archive.stdout.take().context("dpkg-deb's output is a pipe")?)
        .stdout(output)
        .status()
        .context("cannot start tar")?;
    let archived = archive.wait().context("cannot wait for dpkg-deb")?;
    ensure!(unpacked.success() && archived.success(), "{} has no kernel image", package.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_by_name() {
        let check = |names: &[&str], want: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let found: Vec<&str> = select(&names).unwrap().iter().map(|kernel| kernel.name).collect();
            assert_eq!(found, want);
        };
        check(&[], &["5.10", "6.1", "6.12", "newest"]);
        check(&["all"], &["5.10", "6.1", "6.12", "newest"]);
        check(&["6.12", "5.10", "6.12"], &["5.10", "6.12"]);
        let error = select(&["5.10".to_owned(), "4.19".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "`4.19` is no kernel; one of 5.10, 6.1, 6.12, newest, all");
    }

    #[test]
    fn an_image_that_is_not_the_unpacked_one_is_fetched_again() {
        let directory = std::env::temp_dir().join(format!("xtask-vm-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (image, origin) = (directory.join("vmlinuz"), directory.join("origin"));
        assert!(!is_whole(&image, &origin), "nothing there");
        fs::write(&image, "kernel").unwrap();
        assert!(!is_whole(&image, &origin), "no origin");
        fs::write(&origin, format!("{}\npackage\n", digest::of_bytes(b"kernel"))).unwrap();
        assert!(is_whole(&image, &origin));
        fs::write(&image, "kern").unwrap();
        assert!(!is_whole(&image, &origin), "cut");
        fs::remove_dir_all(&directory).unwrap();
    }
}
