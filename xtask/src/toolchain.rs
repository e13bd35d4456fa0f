//! What builds the eBPF object: a rustc with core's source beside it, its cargo, and a bpf-linker with the
//! same LLVM. Debian's packages come first, because they are one fixed build; rustup's nightly second.

use std::ffi::OsString;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::process;

/// The linker's version: the object's bytes depend on it.
pub(crate) const LINKER_VERSION: &str = "0.13.0";
/// The major versions of LLVM that this bpf-linker can be built with.
pub(crate) const LINKER_LLVM: RangeInclusive<u32> = 21..=23;

/// A compiler and the linker that fits it.
pub(crate) struct Toolchain {
    pub(crate) compiler: Compiler,
    pub(crate) linker: Linker,
}

impl Toolchain {
    /// The first complete one on this machine.
    pub(crate) fn find() -> Result<Self> {
        let complete = |compiler: Compiler| {
            let linker = Linker::find(compiler.llvm_major)?;
            Some(Self { compiler, linker })
        };
        Compiler::debian().and_then(complete).or_else(|| Compiler::nightly().and_then(complete)).ok_or_else(
            || {
                anyhow!(
                    "nothing here builds the eBPF object: it takes a rustc with its source and a bpf-linker \
                     {LINKER_VERSION} with the same LLVM; run `cargo xtask setup`"
                )
            },
        )
    }
}

/// A rustc that has the source of core beside it.
pub(crate) struct Compiler {
    rustc: PathBuf,
    cargo: PathBuf,
    /// Where core's source is.
    pub(crate) rust_src: PathBuf,
    /// `rustc -vV`, all of it.
    pub(crate) version: String,
    pub(crate) llvm_major: u32,
}

impl Compiler {
    /// The packages rustc-web, cargo-web and rust-web-src.
    pub(crate) fn debian() -> Option<Self> {
        Self::at("/usr/bin/rustc".into(), "/usr/bin/cargo".into())
    }

    /// The toolchain `nightly` of rustup, with the component rust-src.
    pub(crate) fn nightly() -> Option<Self> {
        let program = |name| {
            let path =
                process::output(Command::new("rustup").args(["which", "--toolchain", "nightly", name]));
            Some(PathBuf::from(path.ok()?.trim()))
        };
        Self::at(program("rustc")?, program("cargo")?)
    }

    fn at(rustc: PathBuf, cargo: PathBuf) -> Option<Self> {
        if !process::is_program(&cargo) {
            return None;
        }
        let ask = |args: &[&str]| process::output(undisturbed(Command::new(&rustc).args(args))).ok();
        let version = ask(&["-vV"])?;
        let llvm_major = llvm_major(&version)?;
        let rust_src = Path::new(ask(&["--print", "sysroot"])?.trim()).join("lib/rustlib/src/rust");
        rust_src.join("library/core/Cargo.toml").exists().then_some(Self {
            rustc,
            cargo,
            rust_src,
            version,
            llvm_major,
        })
    }

    /// This compiler's cargo, with the features that build core from source unlocked.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        undisturbed(&mut command).env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        command
    }
}

/// A bpf-linker of the right version.
pub(crate) struct Linker {
    pub(crate) path: PathBuf,
    /// The LLVM library it loads; `built in` when it has its own.
    pub(crate) llvm: String,
}

impl Linker {
    /// Looks in the project's own place, then in PATH, then where `cargo install` puts programs.
    pub(crate) fn find(llvm_major: u32) -> Option<Self> {
        let program = "bpf-linker";
        let own = install_root(llvm_major).join("bin").join(program);
        let installed = cargo_home().map(|home| home.join("bin").join(program));
        [Some(own), process::find_in_path(program), installed]
            .into_iter()
            .flatten()
            .find_map(|path| Self::at(path, llvm_major))
    }

    fn at(path: PathBuf, llvm_major: u32) -> Option<Self> {
        let version = process::output(Command::new(&path).arg("--version")).ok()?;
        if version.split_whitespace().nth(1) != Some(LINKER_VERSION) {
            return None;
        }
        let llvm = loaded_llvm(&fs::read(&path).ok()?);
        let fits = llvm.as_deref().is_none_or(|name| soname_major(name) == Some(llvm_major));
        fits.then(|| Self { path, llvm: llvm.unwrap_or_else(|| "built in".to_owned()) })
    }

    /// PATH with this linker in front: rustc starts it by name.
    pub(crate) fn search_path(&self) -> Result<OsString> {
        let dir = self.path.parent().context("the linker's path has no folder")?;
        let rest = std::env::var_os("PATH").unwrap_or_default();
        Ok(std::env::join_paths(std::iter::once(dir.to_owned()).chain(std::env::split_paths(&rest)))?)
    }
}

/// Where `cargo xtask setup` installs the linker: one place for each LLVM, gone with `cargo clean`.
pub(crate) fn install_root(llvm_major: u32) -> PathBuf {
    process::repository().join(format!("target/tools/llvm-{llvm_major}"))
}

/// Cargo's home: its registry's sources, and the programs it installed.
pub(crate) fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// Takes away what the cargo and rustup around this program, or the user's own builds, would change.
pub(crate) fn undisturbed(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let changes_builds = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"];
        let named = ["LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"];
        if named.contains(&&*text)
            || text.starts_with("RUSTC_")
            || changes_builds.iter().any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

fn llvm_major(verbose_version: &str) -> Option<u32> {
    let version = verbose_version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

/// The name of the LLVM library that a dynamically linked program asks for, by its string in the file.
fn loaded_llvm(program: &[u8]) -> Option<String> {
    let prefix = b"libLLVM";
    program.windows(prefix.len()).enumerate().filter(|(_, window)| window == prefix).find_map(|(at, _)| {
        let name = program[at..].iter().take_while(|byte| byte.is_ascii_graphic()).copied().collect();
        String::from_utf8(name).ok().filter(|name| soname_major(name).is_some())
    })
}

/// 22 of `libLLVM.so.22.1` and of `libLLVM-22.so`.
fn soname_major(name: &str) -> Option<u32> {
    let version = name.strip_prefix("libLLVM.so.").or_else(|| name.strip_prefix("libLLVM-"))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_of_a_compiler() {
        let debian = "rustc 1.96.0\nbinary: rustc\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major(debian), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
        assert_eq!(llvm_major("LLVM version: next\n"), None);
    }

    #[test]
    fn llvm_of_a_linker() {
        let check = |program: &[u8], expected: Option<&str>| {
            assert_eq!(loaded_llvm(program).as_deref(), expected, "{}", program.escape_ascii());
        };
        check(b"\0libc.so.6\0libLLVM.so.22.1\0", Some("libLLVM.so.22.1"));
        check(b"\0libLLVM-21.so\0", Some("libLLVM-21.so"));
        check(b"about libLLVM and libLLVM.so\0libLLVM.so.23.1", Some("libLLVM.so.23.1"));
        check(b"\0libc.so.6\0", None);
        assert_eq!(soname_major("libLLVM.so.22.1"), Some(22));
        assert_eq!(soname_major("libLLVM-21.so"), Some(21));
        assert_eq!(soname_major("libLLVM.so"), None);
    }
}
