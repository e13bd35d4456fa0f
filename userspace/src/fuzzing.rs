//! Entries for the fuzzer (`cargo xtask fuzz`), each to what others wrote. Nothing here is for users of the library. Each
//! takes any bytes, and fails by a panic alone. The corpora are replayed by the tests.

/// A name of `xtask/fuzz`, and what its bytes go to.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("config", crate::config::fuzz),
    ("http", crate::http::fuzz),
    ("kmsg", crate::kmsg::fuzz),
    ("mask", crate::redact::fuzz),
    ("model", crate::llm::fuzz),
    ("proc", crate::scan::fuzz),
    ("receiver", crate::alerts::fuzz),
    ("ring", crate::probes::fuzz),
    ("unwind", crate::stack::fuzz),
];

/// Gives the bytes to the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(it, _)| *it == name);
    target.expect("the fuzzer's programs are named as the targets").1(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder(of: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/fuzz").join(of)
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|it| it.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_input_of_the_corpus_is_taken() {
        for (name, target) in TARGETS {
            let inputs = fs::read_dir(folder("corpus").join(name)).unwrap();
            let mut count = 0;
            for input in inputs {
                target(&fs::read(input.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "{name} has no corpus");
            target(b"");
        }
    }

    #[test]
    fn every_target_has_a_program() {
        let all: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names(&folder("fuzz_targets")), all);
        assert_eq!(names(&folder("corpus")), all);
    }
}
