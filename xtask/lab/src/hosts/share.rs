//! The folder that the guest shares: in it the daemon, what it is installed from, the faults' programs and the cases to
//! run; out of it what became of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::process;

use super::case::{Case, Way};
use crate::workspace::{compile, empty_dir};

/// What is installed, by its path in the repository.
const DEPLOYED: [&str; 3] =
    ["deploy/ai-debugger.service", "deploy/ai-debugger.env.example", "deploy/Containerfile"];
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The folder of one guest.
pub(super) struct Share {
    pub(super) dir: PathBuf,
    /// Each case with what it is called in there.
    pub(super) cases: Vec<(Case, String)>,
}

impl Share {
    /// As the last run left it, or not there yet.
    pub(super) fn of(run: &Path, way: Way, cases: &[Case]) -> Self {
        let named = cases.iter().enumerate();
        let named = named.map(|(at, case)| (case.clone(), format!("{at:02}-{}", case.slug())));
        Self { dir: run.join(way.as_str()), cases: named.collect() }
    }

    pub(super) fn out(&self) -> PathBuf {
        self.dir.join("out")
    }

    /// Puts everything in; `programs` is what [`build_programs`] made.
    pub(super) fn fill(&self, way: Way, daemon: &Path, programs: &Path) -> Result<()> {
        let into = self.dir.join("in");
        empty_dir(&self.dir)?;
        for folder in ["in/repository/target/release", "in/repository/deploy", "in/cases", "out"] {
            fs::create_dir_all(self.dir.join(folder))?;
        }
        fs::write(into.join("way"), format!("{way}\n"))?;
        fs::write(into.join("driver"), include_str!("guest/driver"))?;
        fs::write(into.join("prelude"), include_str!("guest/prelude"))?;
        copy(daemon, &into.join("repository/target/release/ai-debugger"))?;
        for path in DEPLOYED {
            copy(&process::repository().join(path), &into.join("repository").join(path))?;
        }
        process::output(Command::new("cp").arg("-r").arg(programs).arg(into.join("programs")))?;
        if way == Way::Container {
            pack_image(daemon, &into)?;
        }
        for (case, folder) in &self.cases {
            let folder = into.join("cases").join(folder);
            fs::create_dir_all(&folder)?;
            let kinds: Vec<&str> = case.expect.kinds.iter().map(|kind| kind.as_str()).collect();
            fs::write(folder.join("want"), format!("{} {}\n", case.patience_s, kinds.join(" ")))?;
            fs::write(folder.join("run"), format!("{}\n", case.run))?;
        }
        Ok(())
    }
}

/// The tree that the Containerfile's last stage is made from.
fn pack_image(daemon: &Path, into: &Path) -> Result<()> {
    let tree = into.join("tree");
    for (folder, mode) in [("etc/ssl/certs", 0o755), ("var/lib/ai-debugger", 0o700), ("tmp", 0o1777)] {
        let folder = tree.join(folder);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
    }
    copy(daemon, &tree.join("ai-debugger"))?;
    copy(&Path::new("/").join(CERTIFICATES), &tree.join(CERTIFICATES))?;
    process::output(
        Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(into.join("image.tar")).arg("."),
    )?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}

/// Compiles the receiver, and what the cases run: linked against the C library, which is the guest's too, and static for containers.
pub(super) fn build_programs(run: &Path) -> Result<PathBuf> {
    let dir = empty_dir(&run.join("programs"))?;
    // Faults are on purpose.
    let flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-w", "-pthread"];
    compile(include_str!("guest/receiver.c"), &dir.join("receiver"), &flags)?;
    for (name, source) in
        [("fault", include_str!("../eval/programs/fault.c")), ("service", include_str!("guest/service.c"))]
    {
        compile(source, &dir.join(name), &flags)?;
        compile(source, &dir.join(format!("{name}.static")), &[&flags[..], &["-static"]].concat())?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_what_the_driver_takes() {
        let dir = tempfile::tempdir().unwrap();
        let programs = dir.path().join("programs");
        fs::create_dir_all(&programs).unwrap();
        fs::write(programs.join("fault"), "x").unwrap();
        let case = Case::sample("kinds = ['crash', 'oom_kill']\nunit = 'lab-sample.service'");
        let share = Share::of(dir.path(), Way::Root, &[case]);
        share.fill(Way::Root, Path::new("/bin/true"), &programs).unwrap();
        let read = |path: &str| fs::read_to_string(share.dir.join("in").join(path)).unwrap();
        assert_eq!(read("way"), "root\n");
        assert_eq!(read("cases/00-sample/want"), "40 crash oom_kill\n");
        assert!(read("driver").contains("install_root") && read("programs/fault") == "x");
        assert!(read("repository/deploy/ai-debugger.service").contains("# Install:"));
        assert!(share.out().is_dir());
    }
}
