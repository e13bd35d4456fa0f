//! For the fuzzer: what lies on a ring. The kernel side of this very program writes it, but names, arguments and stacks in
//! it are a process's.

use std::path::Path;
use std::sync::LazyLock;

use super::decode;
use crate::host::Host;

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    static HOST: LazyLock<Host> = LazyLock::new(|| Host::read(Path::new("/proc")));
    decode::lacks_identity(bytes);
    if let Some(observation) = decode::observation(bytes, &HOST) {
        decode::kind(&observation);
        decode::at(&observation);
    }
}
