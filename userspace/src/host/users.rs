//! The names of this host's users, by number: passwd(5). Of users that a directory service knows nothing is asked.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes read of the file.
const FILE_MAX: u64 = 1 << 20;
/// How long what was read is good for.
const REFRESH: Duration = Duration::from_secs(60);

/// The names, as they were when the file was last read.
#[derive(Debug, Default)]
pub struct Users {
    ways: Vec<PathBuf>,
    names: HashMap<u32, String>,
    read_at: Option<Duration>,
}

impl Users {
    /// Those of the host, which need not be ours where we run in a container. Nothing is read yet.
    pub fn new(proc_root: &Path) -> Self {
        let ways = vec![proc_root.join("1/root/etc/passwd"), PathBuf::from("/etc/passwd")];
        Self { ways, ..Self::default() }
    }

    /// Reads the file anew where that is due.
    pub fn refresh(&mut self, now: Duration) {
        if self.read_at.is_some_and(|at| now < at + REFRESH) {
            return;
        }
        self.read_at = Some(now);
        if let Some(text) = self.ways.iter().find_map(|way| read(way)) {
            self.names = parse(&text);
        }
    }

    /// Whether the file was read and has no such user.
    pub fn lacks(&self, uid: u32) -> bool {
        !self.names.is_empty() && !self.names.contains_key(&uid)
    }

    /// The user's name, where the file has one.
    pub fn name(&self, uid: u32) -> Option<&str> {
        self.names.get(&uid).map(String::as_str)
    }
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `name:password:uid:…` a line; of two with one number the first counts, as for getpwuid(3).
fn parse(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(name), _, Some(uid)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if let Ok(uid) = uid.parse()
            && !name.is_empty()
        {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let names =
            parse("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n#\n:x:5:\na:x:b:\n\nalice:x:1000:1000\n");
        assert_eq!(names, HashMap::from([(0, "root".to_owned()), (1000, "alice".to_owned())]));
    }

    #[test]
    fn a_file_is_read_again_after_a_while() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("1/root/etc");
        std::fs::create_dir_all(&etc).unwrap();
        let mut users = Users::new(root.path());
        let mut check = |text: &str, at: u64, want: Option<&str>| {
            std::fs::write(etc.join("passwd"), text).unwrap();
            users.refresh(Duration::from_secs(at));
            assert_eq!(users.name(4_000_000), want, "at {at} s");
        };
        check("eve:x:4000000:1::/:", 10, Some("eve"));
        check("mallory:x:4000000:1::/:", 69, Some("eve"));
        check("mallory:x:4000000:1::/:", 70, Some("mallory"));
        assert!(users.lacks(4_000_001) && !users.lacks(4_000_000));
        assert!(!Users::default().lacks(0), "nothing was read");
    }
}
