//! SHA-256 of files and of the eBPF sources: what ties the committed object to what it was made from.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The digest of everything the eBPF object is made from: `ebpf/Cargo.toml` and all of `ebpf/src`.
pub fn of_sources(repository: &Path) -> Result<String> {
    let ebpf = repository.join("ebpf");
    let mut files = vec![("Cargo.toml".to_owned(), read(&ebpf.join("Cargo.toml"))?)];
    collect(&ebpf.join("src"), "src", &mut files)?;
    Ok(of_files(files))
}

/// The digest of one file's content.
pub fn of_bytes(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Lengths go in too, so that no byte can move between a path, a content and the next path unseen.
fn of_files(mut files: Vec<(String, Vec<u8>)>) -> String {
    files.sort();
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|(path, content)| [path.as_bytes(), content]) {
        hash.update(u64::try_from(part.len()).expect("a length fits 64 bits").to_le_bytes());
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

fn collect(dir: &Path, name: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, files)?;
        } else {
            files.push((name, read(&entry.path())?));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(files: &[(&str, &str)]) -> String {
        of_files(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let reference = digest(&[("src/a.rs", "one"), ("src/b.rs", "two")]);
        assert_eq!(reference, digest(&[("src/b.rs", "two"), ("src/a.rs", "one")]));
        for (what, files) in [
            ("content", &[("src/a.rs", "one"), ("src/b.rs", "2")][..]),
            ("name", &[("src/a.rs", "one"), ("src/c.rs", "two")]),
            ("swapped contents", &[("src/a.rs", "two"), ("src/b.rs", "one")]),
            ("a byte moved over a border", &[("src/a.rs", "on"), ("esrc/b.rs", "two")]),
            ("one less", &[("src/a.rs", "one")]),
            ("an empty one more", &[("src/a.rs", "one"), ("src/b.rs", "two"), ("src/c.rs", "")]),
        ] {
            assert_ne!(reference, digest(files), "{what}");
        }
    }

    #[test]
    fn bytes_as_sha256sum_prints_them() {
        assert_eq!(of_bytes(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
