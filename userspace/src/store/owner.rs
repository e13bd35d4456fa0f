//! Whose doing an incident is, for limits: who makes noise must not push out what others had. Of what names itself only
//! as far as it can't choose the name.

use crate::cgroup;
use crate::model::ProcessInfo;

/// Components of a cgroup's path that count where nothing better is known: those below are for anybody's making who
/// was given one.
const DEPTH: usize = 2;

/// The user, the container or the service.
pub(super) fn owner(process: &ProcessInfo) -> String {
    let path = process.cgroup.as_deref().unwrap_or_default();
    // A user may name cgroups below its slice as it likes, also like containers; and a rootless one has many uids.
    if let Some(uid) = path.split('/').find_map(|part| part.strip_prefix("user-")?.strip_suffix(".slice")) {
        return format!("uid {uid}");
    }
    // Root in a container may become anybody, and make cgroups below its own.
    if let Some(id) = &process.container_id {
        return format!("container {}", cgroup::short_id(id));
    }
    if let Some(uid) = process.uid.filter(|uid| *uid != 0) {
        return format!("uid {uid}");
    }
    if let Some(unit) = &process.unit {
        return unit.clone();
    }
    let top: Vec<_> = path.split('/').filter(|part| !part.is_empty()).take(DEPTH).collect();
    if top.is_empty() { "uid 0".to_owned() } else { format!("cgroup /{}", top.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture::healthy;

    #[test]
    fn nobody_has_more_than_one_name() {
        let id = "a".repeat(64);
        for (uid, cgroup, container, unit, want) in [
            (1000, "/user.slice/user-1000.slice/session-2.scope", None, None, "uid 1000"),
            // Made to look like containers by who owns the slice, and run by one of its subordinate uids.
            (
                165_536,
                "/user.slice/user-1000.slice/user@1000.service/docker-x.scope",
                Some(&id),
                None,
                "uid 1000",
            ),
            (0, "/docker/aaaa/sub/7", Some(&id), None, "container aaaaaaaaaaaa"),
            (33, "/docker/aaaa", Some(&id), None, "container aaaaaaaaaaaa"),
            (1000, "/", None, None, "uid 1000"),
            (0, "/system.slice/web.service", None, Some("web.service"), "web.service"),
            (0, "/jobs/a/b/c", None, None, "cgroup /jobs/a"),
            (0, "/", None, None, "uid 0"),
        ] {
            let mut process = healthy().process;
            process.uid = Some(uid);
            process.cgroup = Some(cgroup.to_owned());
            process.container_id = container.cloned();
            process.unit = unit.map(str::to_owned);
            assert_eq!(owner(&process), want, "{cgroup}");
        }
    }
}
