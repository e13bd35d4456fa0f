//! For the fuzzer: a configuration file, and the same lines as variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStringExt as _;

use rustix::fs::{MemfdFlags, memfd_create};

use super::Sources;

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    let file = memfd_create("config", MemfdFlags::CLOEXEC).expect("there is memory for a file");
    let mut file = File::from(file);
    file.write_all(bytes).expect("there is memory for a file");
    let pairs = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let name = String::from_utf8_lossy(&line[..at]).trim().to_uppercase();
        Some((format!("AI_DEBUGGER_{name}"), OsString::from_vec(line[at + 1..].to_vec())))
    });
    // Of files that are named, only this one is read.
    let env: BTreeMap<String, OsString> =
        pairs.filter(|(name, _)| !name.ends_with("FILE") && !name.ends_with("_CONFIG")).collect();
    let default_file = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
    let sources = Sources { flags: BTreeMap::new(), env, default_file };
    match super::load(&sources) {
        Ok(loaded) => assert!(!format!("{:?}", loaded.warnings).is_empty()),
        Err(errors) => assert!(!errors.to_string().is_empty(), "it says what is wrong"),
    }
}
