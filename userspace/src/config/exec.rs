//! The limits by which the beginnings of programs are judged.

use std::time::Duration;

use super::declare::{Fixed, defaults, flags, list, settings};
use super::problem::Rejected;
use super::setting::group;

settings! {
    /// Which beginnings are suspicious.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ExecLimits {
        in flags(group::DETECT, "detect.") => {
            /// A program whose file is gone so soon after it began hides; of an older one, an update took the file.
            pub exec_fresh: Duration = Fixed(Duration::from_secs(5));
            // Each with a slash at its end.
            /// World-writable folder: a program that root runs from there is suspicious; repeatable, replaces the
            /// default.
            pub exec_folders: Vec<String> = list("/tmp,/var/tmp,/dev/shm,/run/shm", "DIR", folder);
        }
    }
}

defaults!(ExecLimits);

/// An absolute folder, with a slash at its end.
pub(super) fn folder(text: &str) -> Result<String, Rejected> {
    let path = text.trim_end_matches('/');
    if !path.starts_with('/') || text.contains('\0') {
        return Err(Rejected::value(
            text,
            "is not an absolute path of a folder",
            "give one, such as /var/tmp",
        ));
    }
    Ok(format!("{path}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_absolute() {
        for (text, want) in
            [("/tmp", Some("/tmp/")), ("/tmp//", Some("/tmp/")), ("/", None), ("tmp", None), ("", None)]
        {
            assert_eq!(folder(text).ok().as_deref(), want, "{text:?}");
        }
        assert_eq!(ExecLimits::default().exec_folders, ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"]);
    }
}
