//! The folders in which the kernel shows what it is and has.

use std::path::PathBuf;

/// Where the kernel shows itself; elsewhere in tests.
pub(super) struct Roots {
    pub(super) proc: PathBuf,
    pub(super) sys: PathBuf,
    pub(super) cgroup: PathBuf,
}
