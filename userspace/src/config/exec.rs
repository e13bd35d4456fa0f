//! The limits by which the beginnings of programs are judged.

use std::time::Duration;

use super::problem::{Rejected, quoted};

/// Which beginnings are suspicious. Every field is a key of the file's `[detect]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecLimits {
    /// A program whose file is gone so soon after it began hides; of an older one, an update took the file.
    pub exec_fresh: Duration,
    /// Where everybody may write, each with a slash at its end: installed programs are not run from there.
    pub exec_folders: Vec<String>,
}

impl Default for ExecLimits {
    fn default() -> Self {
        let folders = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"];
        Self { exec_fresh: Duration::from_secs(5), exec_folders: folders.map(str::to_owned).to_vec() }
    }
}

/// An absolute folder, with a slash at its end.
pub(super) fn folder(text: &str) -> Result<String, Rejected> {
    let path = text.trim_end_matches('/');
    if !path.starts_with('/') || text.contains('\0') {
        let what = format!("{} is not an absolute folder", quoted(text));
        return Err(Rejected::new(what, "give one, such as /var/tmp"));
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
        let defaults: Vec<_> = find_default().collect();
        assert_eq!(defaults, ExecLimits::default().exec_folders);
    }

    fn find_default() -> impl Iterator<Item = String> {
        let setting = crate::config::settings::find("detect.exec_folders");
        let text = setting.map_or("", |setting| setting.default);
        text.split(',').map(|text| folder(text).expect("the default is valid"))
    }
}
