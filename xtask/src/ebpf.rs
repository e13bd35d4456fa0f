//! Builds the eBPF object so that the same sources and tools give the same bytes anywhere, and checks the
//! committed one against them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::manifest::{self, Manifest, OBJECT, TARGET, Tools};
use crate::toolchain::{self, Toolchain};
use crate::{bpf_object, digest, process};

const PROGRAMS: &str = "ai-debugger-probes";
const PROFILE: &str = "bpf";
/// Clippy and the usual builds never see the programs, so the check is where their warnings count. A setting
/// of cargo and no flag of rustc: it does not touch the bytes.
const DENY_WARNINGS: [&str; 4] = ["-Z", "warnings", "--config", "build.warnings='deny'"];

/// Builds the object and writes it and its manifest to ebpf/dist.
pub(crate) fn build_dist() -> Result<ExitCode> {
    let toolchain = Toolchain::find()?;
    let object = build(&toolchain, &[])?;
    let contents = bpf_object::inspect(&object)?;
    Manifest::new(Tools::of(&toolchain)?, &object)?.write(&manifest::dist(), &object)?;
    println!("wrote ebpf/dist/{OBJECT}: {} bytes, sha256 {}", object.len(), digest::of_bytes(&object));
    print!("{contents}");
    Ok(ExitCode::SUCCESS)
}

/// Compares what is committed with the sources, and with a fresh build of them.
pub(crate) fn check_dist() -> Result<ExitCode> {
    let (manifest, committed) = Manifest::read(&manifest::dist())?;
    print!("{}", bpf_object::inspect(&committed).context("the committed object")?);
    println!("the committed object is of these sources");

    let toolchain = Toolchain::find()?;
    let built = build(&toolchain, &DENY_WARNINGS)?;
    bpf_object::inspect(&built).context("the object as built here")?;
    let tools = Tools::of(&toolchain)?;
    if tools != manifest.toolchain {
        println!("it builds, but with other tools, so the bytes are not compared");
        println!("  committed with {:?}", manifest.toolchain);
        println!("  built here with {tools:?}");
        return Ok(ExitCode::SUCCESS);
    }
    if built != committed {
        bail!(
            "the same tools built other bytes: {} committed ({}), {} built here ({}, kept as {}); \
             run `cargo xtask ebpf` and commit ebpf/dist",
            committed.len(),
            digest::of_bytes(&committed),
            built.len(),
            digest::of_bytes(&built),
            built_object().display(),
        );
    }
    println!("rebuilt with the same tools: byte for byte the same");
    Ok(ExitCode::SUCCESS)
}

fn build(toolchain: &Toolchain, cargo_args: &[&str]) -> Result<Vec<u8>> {
    let repository = process::repository();
    let target_dir = repository.join("target/ebpf");
    let cargo_home = toolchain::cargo_home().context("neither CARGO_HOME nor HOME is set")?;
    let flags = rustflags(repository, &toolchain.compiler.rust_src, &cargo_home);
    process::run(
        toolchain
            .compiler
            .cargo()
            .current_dir(repository)
            .args(["build", "--locked", "--package", "ai-debugger-ebpf", "--bin", PROGRAMS])
            .args(["--features", "programs", "--profile", PROFILE])
            .args(["--target", TARGET, "-Z", "build-std=core", "--target-dir"])
            .arg(&target_dir)
            .args(cargo_args)
            .env("PATH", toolchain.linker.search_path()?)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")),
    )?;
    let linked = target_dir.join(TARGET).join(PROFILE).join(PROGRAMS);
    let object = fs::read(&linked).with_context(|| format!("cannot read {}", linked.display()))?;
    let object = bpf_object::strip(&object).with_context(|| format!("cannot strip {}", linked.display()))?;
    fs::write(built_object(), &object)?;
    Ok(object)
}

/// The stripped object of the last build, before anything is done with it.
fn built_object() -> PathBuf {
    process::repository().join("target/ebpf").join(OBJECT)
}

/// The paths that end up in the object's BTF are mapped to fixed names, so that its bytes depend neither on
/// where the checkout is nor on whose home cargo's is.
fn rustflags(repository: &Path, rust_src: &Path, cargo_home: &Path) -> Vec<String> {
    let mut flags = vec!["--cfg=bpf_target_arch=\"x86_64\"".to_owned(), "-Clink-arg=--btf".to_owned()];
    let mut map = |from: &Path, to: &str| {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        if let Ok(real) = from.canonicalize()
            && real != from
        {
            flags.push(format!("--remap-path-prefix={}={to}", real.display()));
        }
    };
    map(repository, "/ai-debugger");
    map(&cargo_home.join("registry/src"), "/cargo");
    map(rust_src, "/rustc");
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_of_this_machine_stays() {
        let flags = rustflags(Path::new("/no/checkout"), Path::new("/no/rust"), Path::new("/no/cargo"));
        assert_eq!(
            flags,
            [
                "--cfg=bpf_target_arch=\"x86_64\"",
                "-Clink-arg=--btf",
                "--remap-path-prefix=/no/checkout=/ai-debugger",
                "--remap-path-prefix=/no/cargo/registry/src=/cargo",
                "--remap-path-prefix=/no/rust=/rustc",
            ]
        );
    }
}
