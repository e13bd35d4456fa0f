//! `ebpf/dist/manifest.json`: from which sources and with which tools the committed object was built.
//! The tests here keep an object from going stale: they fail when it is not the one its sources make.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::toolchain::Toolchain;
use crate::{digest, process};

/// The object's file name, here and in `include_bytes` of userspace.
pub(crate) const OBJECT: &str = "ai-debugger.bpf.o";
/// What the object is built for.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// SHA-256 over the paths and contents of ebpf/Cargo.toml and ebpf/src.
    pub(crate) sources_sha256: String,
    pub(crate) object: Object,
    pub(crate) toolchain: Tools,
}

/// The object as committed.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Object {
    file: String,
    sha256: String,
    size_bytes: usize,
}

/// Everything outside the sources that the object's bytes depend on. Two machines with the same tools
/// build the same bytes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tools {
    target: String,
    /// `rustc -vV`, a line each.
    rustc: Vec<String>,
    /// Its path is part of the names of core's symbols.
    rust_src: PathBuf,
    bpf_linker: String,
    bpf_linker_llvm: String,
    aya_ebpf: String,
}

impl Tools {
    pub(crate) fn of(toolchain: &Toolchain) -> Result<Self> {
        let lock =
            fs::read_to_string(process::repository().join("Cargo.lock")).context("cannot read Cargo.lock")?;
        Ok(Self {
            target: TARGET.to_owned(),
            rustc: toolchain.compiler.version.lines().map(str::to_owned).collect(),
            rust_src: toolchain.compiler.rust_src.clone(),
            bpf_linker: crate::toolchain::LINKER_VERSION.to_owned(),
            bpf_linker_llvm: toolchain.linker.llvm.clone(),
            aya_ebpf: locked_version(&lock, "aya-ebpf").context("aya-ebpf is not in Cargo.lock")?,
        })
    }
}

/// Where the object and its manifest are committed.
pub(crate) fn dist() -> PathBuf {
    process::repository().join("ebpf/dist")
}

impl Manifest {
    pub(crate) fn new(toolchain: Tools, object: &[u8]) -> Result<Self> {
        Ok(Self {
            sources_sha256: digest::of_sources(process::repository())?,
            object: Object {
                file: OBJECT.to_owned(),
                sha256: digest::of_bytes(object),
                size_bytes: object.len(),
            },
            toolchain,
        })
    }

    pub(crate) fn write(&self, dir: &Path, object: &[u8]) -> Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join(OBJECT), object)?;
        fs::write(dir.join("manifest.json"), serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }

    /// Reads a folder's manifest and object, and makes sure that the two and the sources belong together.
    pub(crate) fn read(dir: &Path) -> Result<(Self, Vec<u8>)> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}: run `cargo xtask ebpf`", path.display()))
        };
        let manifest: Self = serde_json::from_slice(&read("manifest.json")?).context("manifest.json")?;
        let object = read(OBJECT)?;
        manifest.verify(&object, &digest::of_sources(process::repository())?)?;
        Ok((manifest, object))
    }

    fn verify(&self, object: &[u8], sources_sha256: &str) -> Result<()> {
        ensure!(
            self.sources_sha256 == sources_sha256,
            "the committed eBPF object is stale: ebpf/src or ebpf/Cargo.toml changed since it was built; \
             run `cargo xtask ebpf` and commit ebpf/dist"
        );
        ensure!(
            self.object.file == OBJECT
                && self.object.size_bytes == object.len()
                && self.object.sha256 == digest::of_bytes(object),
            "{OBJECT} is not the file its manifest describes; run `cargo xtask ebpf` and commit both"
        );
        Ok(())
    }
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(entry.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_object_is_the_one_its_sources_make() {
        let (_, object) = Manifest::read(&dist()).unwrap();
        crate::bpf_object::inspect(&object).unwrap();
    }

    #[test]
    fn what_does_not_belong_together_is_told_apart() {
        let object = b"object";
        let manifest = || Manifest {
            sources_sha256: "sources".to_owned(),
            object: Object { file: OBJECT.to_owned(), sha256: digest::of_bytes(object), size_bytes: 6 },
            toolchain: Tools {
                target: TARGET.to_owned(),
                rustc: vec![],
                rust_src: PathBuf::new(),
                bpf_linker: String::new(),
                bpf_linker_llvm: String::new(),
                aya_ebpf: String::new(),
            },
        };
        manifest().verify(object, "sources").unwrap();
        let error = |manifest: Manifest, object: &[u8], sources| {
            manifest.verify(object, sources).unwrap_err().to_string()
        };
        assert!(error(manifest(), object, "newer sources").contains("stale"));
        assert!(error(manifest(), b"objecT", "sources").contains("not the file"));
        assert!(error(manifest(), b"objec", "sources").contains("not the file"));
    }

    #[test]
    fn a_version_from_the_lock_file() {
        let lock = "[[package]]\nname = \"aya-ebpf-cty\"\nversion = \"0.3.0\"\n\n\
                    [[package]]\nname = \"aya-ebpf\"\nversion = \"0.2.1\"\nsource = \"x\"\n";
        assert_eq!(locked_version(lock, "aya-ebpf").as_deref(), Some("0.2.1"));
        assert_eq!(locked_version(lock, "aya"), None);
    }
}
