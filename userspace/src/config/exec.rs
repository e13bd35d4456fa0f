//! The limits by which the beginnings of programs are judged.

use std::time::Duration;

/// Which beginnings are suspicious. Every field is a key of the file's `[detect]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecLimits {
    /// A program whose file is gone so soon after it began hides; of an older one, an update took the file.
    pub exec_fresh: Duration,
    /// Where everybody may write, each with a slash at its end: installed programs are not run from there.
    pub exec_folders: Vec<String>,
    /// Names of programs below which a temporary folder or a deleted file is at most info: a site's own builds and
    /// agents, beside those that are known.
    pub exec_quiet_below: Vec<String>,
}

impl Default for ExecLimits {
    fn default() -> Self {
        let folders = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"];
        Self {
            exec_fresh: Duration::from_secs(5),
            exec_folders: folders.map(str::to_owned).to_vec(),
            exec_quiet_below: Vec::new(),
        }
    }
}
