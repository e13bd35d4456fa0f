//! Debian's packages of other suites, through apt, from the mirror that apt is set up with. apt checks the suite's
//! signature and every digest; it gets folders of its own, so that the system's lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use xtask::process;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One suite of the mirror, with its index fetched.
pub(super) struct Suite {
    directory: PathBuf,
}

/// What the index says of a package.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) sha256: String,
    /// The package that the kernel's image is in, where this one only asks for it.
    pub(super) needs: Option<String>,
}

impl Suite {
    /// Fetches the index of the suite.
    pub(super) fn open(name: &str) -> Result<Self> {
        ensure!(process::find_in_path("apt-get").is_some(), "there is no apt-get on this machine");
        ensure!(Path::new(KEYRING).exists(), "{KEYRING} is missing: install debian-archive-keyring");
        let mirror = mirror()?;
        let directory = process::repository().join("target/vm/apt").join(name);
        for folder in ["lists/partial", "archives/partial"] {
            let folder = directory.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(directory.join("status"), "")?;
        let source = format!("deb [arch=amd64 target=Packages signed-by={KEYRING}] {mirror} {name} main\n");
        fs::write(directory.join("sources.list"), source)?;
        let suite = Self { directory };
        Self::ask(suite.command("apt-get").args(["--quiet", "update"]))?;
        Ok(suite)
    }

    /// What the index says of this package.
    pub(super) fn show(&self, package: &str) -> Result<Package> {
        let shown = Self::ask(self.command("apt-cache").args(["show", "--no-all-versions", package]))?;
        Package::parse(&shown).with_context(|| format!("the index has no whole entry for {package}"))
    }

    pub(super) fn download(&self, package: &str) -> Result<PathBuf> {
        let folder = self.directory.join("archives");
        Self::ask(self.command("apt-get").current_dir(&folder).args(["--quiet", "download", package]))?;
        let files = fs::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut packages = files.filter(|path| path.extension().is_some_and(|it| it == "deb"));
        packages.next().with_context(|| format!("apt-get left no package in {}", folder.display()))
    }

    /// Takes away the index and the packages.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.directory)
            .with_context(|| format!("cannot remove {}", self.directory.display()))
    }

    /// What apt prints; or else its errors alone, for its command line is long and says nothing.
    fn ask(command: &mut Command) -> Result<String> {
        let output = command.stdin(Stdio::null()).output().context("cannot start apt")?;
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{}", errors(&String::from_utf8_lossy(&output.stderr)));
        Ok(shown)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let own = |setting: &str, file: &str| format!("{setting}={}", self.directory.join(file).display());
        for setting in [
            own("Dir::Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            own("Dir::State", "."),
            own("Dir::State::Lists", "lists"),
            own("Dir::State::Status", "status"),
            own("Dir::Cache", "."),
            own("Dir::Cache::Archives", "archives"),
            "APT::Architecture=amd64".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            // Root's apt would hand the download to a user who may not write here.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=2".to_owned(),
        ] {
            command.args(["-o", &setting]);
        }
        command.env("LC_ALL", "C");
        command
    }
}

impl Package {
    fn parse(shown: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = shown.lines().take_while(|line| !line.is_empty());
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let is_kernel = |name: &&str| {
            let prefixed = ["linux-image-", "linux-binary-"].iter().any(|prefix| name.starts_with(prefix));
            prefixed && name.ends_with("-cloud-amd64")
        };
        let name = field("Package")?;
        let depends = field("Depends").unwrap_or_default().split([',', '|']);
        let mut needed = depends.filter_map(|dependency| dependency.split_whitespace().next());
        Some(Self {
            name: name.to_owned(),
            sha256: field("SHA256")?.to_owned(),
            needs: needed.find(|needed| is_kernel(needed) && *needed != name).map(str::to_owned),
        })
    }
}

/// The errors among what apt says on stderr.
fn errors(stderr: &str) -> String {
    let errors: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
    if errors.is_empty() { format!("apt failed: {}", stderr.trim()) } else { errors.join("; ") }
}

/// The mirror of Debian itself, as apt knows it.
pub(super) fn mirror() -> Result<String> {
    let format = "$(LABEL)|$(REPO_URI)";
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let targets = process::output(&mut command)?;
    main_archive(&targets).map(str::to_owned).context(
        "apt lists no mirror of Debian: it takes a line for one in /etc/apt/sources.list, and `apt-get update`",
    )
}

fn main_archive(targets: &str) -> Option<&str> {
    targets.lines().find_map(|target| target.strip_prefix("Debian|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_debians_main_archive() {
        let check = |targets: &str, want: Option<&str>| assert_eq!(main_archive(targets), want, "{targets}");
        check("", None);
        check("Debian-Security|http://m/security/\n", None);
        check(
            "Node Source|https://n/\nDebian-Security|http://m/s/\nDebian|http://m/debian/\n",
            Some("http://m/debian/"),
        );
    }

    #[test]
    fn what_apt_has_to_say() {
        assert_eq!(errors("W: old\nE: no Release file.\nN: hint\nE: b\n"), "no Release file.; b");
        assert_eq!(errors("Killed\n"), "apt failed: Killed");
    }

    #[test]
    fn a_package_and_what_it_needs() {
        let check = |shown: &str, want: Option<(&str, &str, Option<&str>)>| {
            let found = Package::parse(shown);
            let found = found.as_ref().map(|it| (&*it.name, &*it.sha256, it.needs.as_deref()));
            assert_eq!(found, want, "{shown}");
        };
        check(
            "Package: linux-image-cloud-amd64\nDepends: linux-base-cloud-amd64 (= 7), linux-image-7.2-cloud-amd64 (= 7)\nSHA256: ab\n",
            Some(("linux-image-cloud-amd64", "ab", Some("linux-image-7.2-cloud-amd64"))),
        );
        check(
            "Package: linux-image-7.2-cloud-amd64\nDepends: dracut | initramfs-tools, linux-binary-7.2-cloud-amd64 (= 7)\nSHA256: cd\n",
            Some(("linux-image-7.2-cloud-amd64", "cd", Some("linux-binary-7.2-cloud-amd64"))),
        );
        check(
            "Package: linux-image-5.10-cloud-amd64\nDepends: kmod, linux-base (>= 4.3~), initramfs-tools\nSHA256: ef\n\nPackage: other\n",
            Some(("linux-image-5.10-cloud-amd64", "ef", None)),
        );
        // What stands in the next entry is not of this one.
        check("Package: a\n\nPackage: b\nSHA256: ab\n", None);
        check("", None);
    }
}
