//! Installs what building the eBPF object needs. The daemon itself needs none of it: only stable Rust and a
//! C compiler.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::process::{self, apt_install};
use crate::toolchain::{self, Compiler, LINKER_LLVM, LINKER_VERSION, Linker, Toolchain};
use crate::{fuzz, oracle_tools};

const BY_HAND: &str = "\
this machine is neither a Debian with rustc-web nor one with rustup, so do one of the two by hand:
  - install rustup (https://rustup.rs), then run `cargo xtask setup` again;
  - on Debian 12 or later, as root: apt-get install rustc-web cargo-web rust-web-src
Only the eBPF object needs this: the daemon builds with stable Rust, from the object in ebpf/dist.";

/// What `cargo xtask vm` needs, as Debian's packages; the last is for the keys of Debian's other releases.
const VM_PACKAGES: [&str; 4] = ["qemu-system-x86", "busybox-static", "cpio", "debian-archive-keyring"];

/// What `cargo xtask hosts` needs: it makes a root file system of Debian's packages and boots it.
const HOSTS_PACKAGES: [&str; 5] =
    ["mmdebstrap", "qemu-system-x86", "e2fsprogs", "debian-archive-keyring", "util-linux"];

/// The other monitors that `bench` measures, as Debian packages them.
const PEERS: [&str; 4] = ["libbpf-tools", "bpftrace", "forkstat", "extrace"];

/// What the corpus of `eval` is made with: languages, tools, and supervisors that are not ours.
const CORPUS: [&str; 15] = [
    "python3-minimal",
    "gcc",
    "libc6-dev",
    "make",
    "git",
    "e2fsprogs",
    "util-linux",
    "procps",
    "xz-utils",
    "stress-ng",
    "runit",
    "s6",
    "tini",
    "dumb-init",
    "supervisor",
];

/// What is installed beside what the eBPF object needs.
#[derive(Args)]
pub(crate) struct SetupOptions {
    /// Also what `vm` needs: qemu, a static busybox, cpio.
    #[arg(long)]
    vm: bool,
    /// Also installs, from Debian, the monitors that `bench` compares with.
    #[arg(long)]
    peers: bool,
    /// Only what the corpus of `eval` is made with, from Debian: stress-ng, supervisors, tools.
    #[arg(long)]
    eval: bool,
    /// Only what `hosts` needs, from Debian: mmdebstrap, qemu, e2fsprogs.
    #[arg(long)]
    hosts: bool,
    /// Only what `oracles` asks, as far as it can be had: from PyPI, npm and Debian, all under target/oracles.
    #[arg(long)]
    oracles: bool,
    /// Only what `fuzz` needs: cargo-fuzz, and a nightly compiler by rustup.
    #[arg(long)]
    fuzz: bool,
}

pub(crate) fn setup(options: &SetupOptions) -> Result<ExitCode> {
    if options.peers {
        from_debian("the monitors to compare with", &PEERS)?;
    }
    if options.eval {
        from_debian("the programs of the corpus", &CORPUS)?;
        println!("setup: `cargo xtask eval` has what it needs");
    }
    if options.hosts {
        from_debian("what `cargo xtask hosts` makes and boots hosts with", &HOSTS_PACKAGES)?;
        println!("setup: `cargo xtask hosts` has what it needs");
    }
    if options.oracles {
        oracle_tools::install();
    }
    if options.fuzz {
        fuzz::install()?;
    }
    let only = options.eval || options.hosts || options.oracles || options.fuzz;
    if only && !options.vm && !options.peers {
        return Ok(ExitCode::SUCCESS);
    }
    check_components();
    if process::find_in_path("cc").is_none() {
        println!(
            "setup: no C compiler (SQLite is built with one): install gcc and libc6-dev, or your system's like"
        );
    }
    if process::find_in_path("dbus-daemon").is_none() {
        let installed = process::find_in_path("apt-get").is_some() && apt_install(&["dbus-daemon"]).is_ok();
        if !installed {
            println!(
                "setup: no dbus-daemon (a test plays systemd on one): install dbus, or your system's like"
            );
        }
    }
    if Toolchain::find().is_err() {
        install()?;
    }
    let Toolchain { compiler, linker } = Toolchain::find()?;
    let version = compiler.version.lines().next().unwrap_or_default();
    println!("setup: the eBPF object builds with {version}");
    println!("setup: and bpf-linker {LINKER_VERSION} at {}", linker.path.display());
    if options.vm {
        ensure!(
            process::find_in_path("apt-get").is_some(),
            "`cargo xtask vm` boots Debian's kernels, and takes them from a Debian: there is no apt-get here"
        );
        apt_install(&VM_PACKAGES)?;
        println!("setup: `cargo xtask vm` has what it needs");
    }
    Ok(ExitCode::SUCCESS)
}

/// rustfmt and clippy belong to the toolchain that the developer chose, so this only says how to add them.
fn check_components() {
    for (subcommand, component, package) in
        [("fmt", "rustfmt", "rustfmt-web"), ("clippy", "clippy", "rust-web-clippy")]
    {
        if !process::succeeds(process::cargo().args([subcommand, "--version"])) {
            println!(
                "setup: `cargo {subcommand}` is missing: `rustup component add {component}`, \
                 or on Debian `apt-get install {package}`"
            );
        }
    }
}

fn install() -> Result<()> {
    if process::find_in_path("apt-get").is_some() && debian_has_rustc_web() {
        println!("setup: takes Debian's packages");
        apt_install(&["rustc-web", "cargo-web", "rust-web-src"])?;
        let compiler =
            Compiler::debian().context("/usr/bin/rustc has no source of core after the install")?;
        supported(&compiler)?;
        apt_install(&[&format!("llvm-{}-dev", compiler.llvm_major)])?;
        install_linker(&compiler)
    } else if process::find_in_path("rustup").is_some() {
        println!("setup: takes rustup's nightly");
        if Compiler::nightly().is_none() {
            let nightly =
                ["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"];
            process::run(Command::new("rustup").args(nightly))?;
        }
        let compiler = Compiler::nightly().context("rustup's nightly has no rust-src after the install")?;
        supported(&compiler)?;
        install_linker(&compiler)
    } else {
        bail!("{BY_HAND}")
    }
}

fn debian_has_rustc_web() -> bool {
    Compiler::debian().is_some()
        || process::output(Command::new("apt-cache").args(["policy", "rustc-web"]))
            .is_ok_and(|policy| policy.lines().any(|line| line.trim().starts_with("Candidate: 1")))
}

fn supported(compiler: &Compiler) -> Result<()> {
    ensure!(
        LINKER_LLVM.contains(&compiler.llvm_major),
        "rustc has LLVM {}, and bpf-linker {LINKER_VERSION} can be built with {} to {} only: upgrade rustc (on \
         Debian, the security updates bring a current rustc-web)\n{}",
        compiler.llvm_major,
        LINKER_LLVM.start(),
        LINKER_LLVM.end(),
        compiler.version
    );
    Ok(())
}

fn from_debian(what: &str, packages: &[&str]) -> Result<()> {
    ensure!(
        process::find_in_path("apt-get").is_some(),
        "{what} come from Debian, and there is no apt-get here: install {} your system's way, as far as it has them",
        packages.join(", ")
    );
    apt_install(packages)
}

/// Builds bpf-linker against the LLVM of the compiler. It must be the same LLVM: the linker reads the
/// compiler's bitcode.
fn install_linker(compiler: &Compiler) -> Result<()> {
    let llvm = compiler.llvm_major;
    if Linker::find(llvm).is_some() {
        return Ok(());
    }
    let prefix = format!("/usr/lib/llvm-{llvm}");
    if !Path::new(&prefix).join("lib/libLLVM.so").exists() {
        bail!(
            "bpf-linker {LINKER_VERSION} with LLVM {llvm} is missing, and so is {prefix} to build it with: \
             install your system's llvm-{llvm}-dev and run this again, or put a bpf-linker {LINKER_VERSION} \
             that was built with LLVM {llvm} into PATH (https://github.com/aya-rs/bpf-linker/releases)"
        );
    }
    process::run(
        process::cargo()
            .args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--no-default-features"])
            .args(["--features", &format!("llvm-{llvm}"), "--root"])
            .arg(toolchain::install_root(llvm))
            .env("LLVM_PREFIX", &prefix),
    )
}
