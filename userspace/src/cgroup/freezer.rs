//! Whether a process is held by cgroup v1's freezer, as `docker pause` does: its threads then show state D wherever
//! they were (kernel kernel/freezer.c, 6.1: a frozen sleep looks uninterruptible in /proc and keeps its function).
//! v2's freezer needs no look: what it holds shows state S.

use std::path::Path;

use super::Hierarchy;

/// Whether the cgroup in the text of `/proc/PID/cgroup` is frozen, or is being frozen.
pub fn is_frozen(hierarchy: &Hierarchy, text: &str) -> bool {
    let Hierarchy::MemoryV1(memory) = hierarchy else { return false };
    let path = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|it| it == "freezer").then_some(path)
    });
    let (Some(root), Some(path)) = (memory.parent(), path) else { return false };
    let state = root.join("freezer").join(path.trim_start_matches('/')).join("freezer.state");
    stays_inside(path) && std::fs::read_to_string(state).is_ok_and(|state| state.trim() != "THAWED")
}

fn stays_inside(path: &str) -> bool {
    Path::new(path).components().all(|part| part != std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_state_of_the_freezers_own_path_counts() {
        let root = tempfile::tempdir().unwrap();
        for (name, state) in [("paused", "FROZEN\n"), ("pausing", "FREEZING\n"), ("free", "THAWED\n")] {
            let directory = root.path().join("freezer").join(name);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("freezer.state"), state).unwrap();
        }
        fs::write(root.path().join("freezer.state"), "FROZEN").unwrap();
        let v1 = Hierarchy::MemoryV1(root.path().join("memory"));
        for (text, want) in [
            ("9:memory:/free\n4:freezer:/paused\n", true),
            ("4:devices,freezer:/pausing\n", true),
            ("9:memory:/paused\n4:freezer:/free\n", false),
            ("4:freezer:/gone\n", false),
            ("4:freezer:/../\n", false),
            ("0::/paused\n", false),
            ("", false),
        ] {
            assert_eq!(is_frozen(&v1, text), want, "{text}");
        }
        let v2 = Hierarchy::Unified(root.path().to_owned());
        assert!(!is_frozen(&v2, "4:freezer:/paused\n"));
    }
}
