//! The programs and libraries that others wrote: pinned, under target/oracles, and installed as far as they can be
//! had here. What cannot be had is said in a line and fails nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, RootAccess, apt_install};

const REQUIREMENTS: &str = include_str!("oracle_tools/requirements.txt");
const PACKAGE_JSON: &str = include_str!("oracle_tools/package.json");
/// The file that names what a folder holds; written last, so that a broken install is none.
const STAMP: &str = "installed";
/// Debian's packages, which are unpacked and not installed: an installed one starts its service on all addresses.
const DEBIAN: [&str; 2] = ["prometheus", "prometheus-alertmanager"];
/// What one download may take, beside what its own program allows for a connection.
const PATIENCE: &str = "60s";

/// Where each is; or why it is not there.
pub struct Tools {
    /// Python with the libraries of Groq, Slack and Prometheus.
    pub python: Result<PathBuf, String>,
    /// The TypeScript compiler, with Slack's types beside it.
    pub tsc: Result<PathBuf, String>,
    /// Prometheus' linter, or why it is missing.
    pub promtool: Result<PathBuf, String>,
    /// Alertmanager's program, or why it is missing.
    pub alertmanager: Result<PathBuf, String>,
}

/// The folder of all of this.
pub fn root() -> PathBuf {
    process::repository().join("target/oracles")
}

/// The folder that npm fills: TypeScript looks for types beside what it compiles.
pub fn node() -> PathBuf {
    root().join("node")
}

impl Tools {
    /// Looks where [`install`] puts them; for Debian's, in PATH too.
    pub fn find() -> Self {
        let pinned = |folder: PathBuf, pins: &str, program: &str| {
            let path = folder.join(program);
            if is_stamped(&folder, pins) && process::is_program(&path) {
                Ok(path)
            } else {
                Err(missing(program))
            }
        };
        let debian = |name: &str| {
            let unpacked = debian().join("usr/bin").join(name);
            let found =
                Some(unpacked).filter(|it| process::is_program(it)).or_else(|| process::find_in_path(name));
            found.ok_or_else(|| missing(name))
        };
        Self {
            python: pinned(python(), REQUIREMENTS, "bin/python"),
            tsc: pinned(node(), PACKAGE_JSON, "node_modules/.bin/tsc"),
            promtool: debian("promtool"),
            alertmanager: debian("prometheus-alertmanager").or_else(|why| {
                // As its authors name it.
                process::find_in_path("alertmanager").ok_or(why)
            }),
        }
    }
}

/// Installs what is missing, and says what could not be had.
pub fn install() {
    for (what, installed) in [
        ("PyPI's groq, slack_sdk and prometheus_client", install_python()),
        ("npm's @slack/types and typescript", install_node()),
        ("Debian's promtool and alertmanager", install_debian()),
    ] {
        match installed {
            Ok(()) => println!("setup: `cargo xtask oracles` has {what}"),
            Err(error) => {
                println!(
                    "setup: `cargo xtask oracles` goes without {what}: {}",
                    one_line(&format!("{error:#}"))
                );
            }
        }
    }
}

fn install_python() -> Result<()> {
    let folder = python();
    if is_stamped(&folder, REQUIREMENTS) {
        return Ok(());
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    if process::output(&mut venv).is_err() && process::find_in_path("apt-get").is_some() {
        // Debian's python3 comes without what fills a virtual environment.
        apt_install(&["python3", "python3-venv"])?;
    }
    process::output(&mut venv)?;
    let requirements = process::repository().join("xtask/src/oracle_tools/requirements.txt");
    let mut pip = impatient(&folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "15"]);
    process::output(pip.args(["--retries", "1", "--requirement"]).arg(requirements))?;
    stamp(&folder, REQUIREMENTS)
}

fn install_node() -> Result<()> {
    let folder = node();
    if is_stamped(&folder, PACKAGE_JSON) {
        return Ok(());
    }
    if process::find_in_path("npm").is_none() {
        if process::find_in_path("apt-get").is_none() {
            bail!("there is no npm: install Node.js with npm your system's way");
        }
        apt_install(&["nodejs", "npm"])?;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), PACKAGE_JSON)?;
    let mut npm = impatient(Path::new("npm"));
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]);
    process::output(npm.args(["--fetch-timeout=15000", "--prefix"]).arg(&folder))?;
    stamp(&folder, PACKAGE_JSON)
}

fn install_debian() -> Result<()> {
    let tools = Tools::find();
    if tools.promtool.is_ok() && tools.alertmanager.is_ok() {
        return Ok(());
    }
    if process::find_in_path("apt-get").is_none() {
        bail!("there is no apt-get: put promtool and alertmanager into PATH your system's way");
    }
    let folder = debian();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let download = || {
        let mut apt = impatient(Path::new("apt-get"));
        // Root's apt would hand the download to a user who may not write here.
        apt.args(["--quiet", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=1", "download"]);
        process::output(apt.args(DEBIAN).current_dir(&folder))
    };
    if download().is_err() {
        // A fresh system has no lists of packages.
        let update =
            RootAccess::find().command("apt-get").context("there is no list of packages: apt-get update")?;
        let mut timed = impatient(Path::new(update.get_program()));
        process::output(timed.args(update.get_args()).args(["--quiet", "update"]))?;
        download()?;
    }
    let files: Vec<PathBuf> = fs::read_dir(&folder)?.filter_map(|it| Some(it.ok()?.path())).collect();
    for file in files.iter().filter(|path| path.extension().is_some_and(|it| it == "deb")) {
        process::output(Command::new("dpkg-deb").arg("--extract").arg(file).arg(&folder))?;
        fs::remove_file(file)?;
    }
    Ok(())
}

fn python() -> PathBuf {
    root().join("python")
}

/// Where Debian's packages are unpacked.
pub fn debian() -> PathBuf {
    root().join("debian")
}

fn missing(program: &str) -> String {
    format!("{program} is not there: `cargo xtask setup --oracles`")
}

fn is_stamped(folder: &Path, pins: &str) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|it| it == pins)
}

fn stamp(folder: &Path, pins: &str) -> Result<()> {
    fs::write(folder.join(STAMP), pins).with_context(|| format!("cannot write to {}", folder.display()))
}

/// A command that ends in time: a network that swallows packets is as good as none.
fn impatient(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5s", PATIENCE]).arg(program);
    command
}

/// Of an error with what the program said: what it calls an error itself, or else what it said last.
fn one_line(error: &str) -> &str {
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let said: Vec<&str> = lines.collect();
    let reason = said.iter().find(|line| line.to_ascii_lowercase().contains("error"));
    reason.or(said.last()).copied().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned() {
        assert!(REQUIREMENTS.lines().all(|line| line.split_once("==").is_some_and(|(_, it)| !it.is_empty())));
        let package: serde_json::Value = serde_json::from_str(PACKAGE_JSON).unwrap();
        let versions = package["dependencies"].as_object().unwrap();
        assert!(!versions.is_empty());
        assert!(versions.values().all(|it| it.as_str().unwrap().starts_with(|c: char| c.is_ascii_digit())));
    }

    #[test]
    fn why_in_one_line() {
        let check = |error: &str, want: &str| assert_eq!(one_line(error), want);
        check("cannot start `npm`: No such file", "cannot start `npm`: No such file");
        check(
            "`pip` failed: 1\nWARNING: x\n  ERROR: No matching distribution\n\n",
            "ERROR: No matching distribution",
        );
        check("`npm` failed: 1\nnpm warn x\nnpm error code E1\nnpm error log: y", "npm error code E1");
        check("`apt` failed: 1\n  out of space\n", "out of space");
        check("", "");
    }
}
