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
            /// Folder that everybody may write to, so that what root runs from there is suspicious; repeatable,
            /// replaces the default.
            pub exec_folders: Vec<String> = list("/tmp,/var/tmp,/dev/shm,/run/shm", "DIR", folder);
            // A site's own builds and agents, beside those that are known.
            /// Program that may start others from these folders or from deleted files, such as your build or agent:
            /// info at most; repeatable.
            pub exec_quiet_below: Vec<String> = list("", "NAME", program_name);
        }
    }
}

defaults!(ExecLimits);

/// An absolute folder, with a slash at its end.
pub(super) fn folder(text: &str) -> Result<String, Rejected> {
    let path = text.trim_end_matches('/');
    if !path.starts_with('/') || text.contains('\0') {
        return Err(Rejected::value(text, "is not an absolute folder", "give one, such as /var/tmp"));
    }
    Ok(format!("{path}/"))
}

/// A program's file name: no path.
pub(super) fn program_name(text: &str) -> Result<String, Rejected> {
    if text.is_empty() || text.contains(['/', '\0', ' ']) {
        return Err(Rejected::value(
            text,
            "is not a program's name",
            "give the name alone, such as ci-agent",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_absolute_and_names_have_no_path() {
        for (text, want) in
            [("/tmp", Some("/tmp/")), ("/tmp//", Some("/tmp/")), ("/", None), ("tmp", None), ("", None)]
        {
            assert_eq!(folder(text).ok().as_deref(), want, "{text:?}");
        }
        for (text, valid) in [("ci-agent", true), ("/opt/agent", false), ("", false), ("a b", false)] {
            assert_eq!(program_name(text).is_ok(), valid, "{text:?}");
        }
        assert_eq!(ExecLimits::default().exec_folders, ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"]);
    }
}
