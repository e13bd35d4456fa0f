//! Starting other programs: found in PATH, shown before they run, as root where that is asked for.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ is a folder of the repository")
}

/// The cargo that runs this program, so that a build uses one toolchain throughout.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository());
    // `cargo run` has set variables about this package. Build scripts that ask for them would run again, and
    // everything behind them be compiled again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The folder that cargo builds into.
pub fn target_dir() -> PathBuf {
    repository().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Shows the command, runs it, and fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    ensure!(status.success(), "`{}` failed: {status}", shown(command));
    Ok(())
}

/// What the command prints; fails if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}` failed: {}\n{}", shown(command), output.status, stderr.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command ends well; what it prints is not shown.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The program of that name that a shell would start.
pub fn find_in_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|path| is_program(path))
}

/// Whether there is a file that may be executed.
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// How this user becomes root.
pub enum RootAccess {
    /// This process is root already.
    Already,
    /// Through a sudo that does not ask for a password.
    Sudo {
        /// The path of the program.
        path: PathBuf,
        /// Whether it will ask for a password.
        asks: bool,
    },
    /// There is no way to become root.
    No,
}

impl RootAccess {
    /// How, on this machine.
    pub fn find() -> Self {
        // The files of /proc/self belong to the effective user.
        if Path::new("/proc/self").metadata().is_ok_and(|meta| meta.uid() == 0) {
            return Self::Already;
        }
        let Some(path) = find_in_path("sudo") else { return Self::No };
        if succeeds(Command::new(&path).args(["-n", "true"])) {
            Self::Sudo { path, asks: false }
        } else if std::io::stdin().is_terminal() {
            Self::Sudo { path, asks: true }
        } else {
            Self::No
        }
    }

    /// A command as root; none where there is no way.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Option<Command> {
        match self {
            Self::Already => Some(Command::new(program)),
            Self::Sudo { path, .. } => {
                let mut command = Command::new(path);
                command.arg(program);
                Some(command)
            }
            Self::No => None,
        }
    }
}

/// Installs those of the packages that are missing.
pub fn apt_install(packages: &[&str]) -> Result<()> {
    let installed = |package: &&str| {
        output(Command::new("dpkg-query").args(["--show", "--showformat=${Status}", package]))
            .is_ok_and(|status| status.ends_with("ok installed"))
    };
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = RootAccess::find();
    let apt = || {
        let mut command = root.command("env").with_context(|| {
            format!("root is needed and there is no sudo; as root: apt-get install {}", missing.join(" "))
        })?;
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"]);
        anyhow::Ok(command)
    };
    run(apt()?.arg("update"))?;
    run(apt()?.args(["install", "--no-install-recommends"]).args(missing))
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
