//! Pure: from the text of `/proc/PID/cgroup` to a path, and from a path to a container id.

use super::attribution::uuid_len;

/// The path that memory limits hang on: the v1 memory controller's, else v2's (cgroups(7)).
/// `None` where the text names neither.
pub fn of_process(text: &str) -> Option<&str> {
    let mut unified = None;
    for line in text.lines() {
        // hierarchy-ID:controller-list:path; the path may itself contain colons.
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if controllers.split(',').any(|controller| controller == "memory") {
            return Some(path);
        }
        if id == "0" && controllers.is_empty() {
            unified = Some(path);
        }
    }
    unified
}

/// The 64-hex id in the innermost part of the path that has one, as docker, containerd, cri-o and podman
/// write it: bare, or as `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`.
pub fn container_id(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        // `crio-conmon-ID` is the container's monitor, outside the container.
        if part.contains("conmon") {
            return None;
        }
        let id = part.rsplit(['-', ':']).next().unwrap_or(part);
        is_container_id(id).then_some(id)
    })
}

/// The path with what changes from one start to the next replaced by `*`, for fingerprints: ids of containers and
/// pods, numbers of sessions, of transient units and of a socket's connections.
pub fn without_ids(path: &str) -> String {
    path.split('/').map(part_without_ids).collect::<Vec<_>>().join("/")
}

fn part_without_ids(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(c) = rest.chars().next() {
        let run = rest.find(|c: char| !is_hex(c)).unwrap_or(rest.len());
        let id = if run >= 32 { run } else { uuid_len(rest) };
        if id > 0 {
            out.push('*');
            rest = &rest[id..];
        } else {
            // One at a time: the `d` of `pod` before an id is a hex digit too.
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    without_number(&out).unwrap_or(out)
}

/// `session-12.scope`, `app-editor-4711.scope`, `run-u17.service`, `run-r0f3a.scope`, `echo@3-127.0.0.1:7.service`:
/// names that systemd makes anew each time.
fn without_number(part: &str) -> Option<String> {
    let (stem, kind) = part.rsplit_once('.').filter(|(_, kind)| matches!(*kind, "scope" | "service"))?;
    if stem.starts_with("run-") {
        return Some(format!("run-*.{kind}"));
    }
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((name, instance)) = stem.split_once('@')
        && instance
            .split_once('-')
            .is_some_and(|(count, peer)| number(count) && peer.starts_with(|c: char| is_hex(c)))
    {
        return Some(format!("{name}@*.{kind}"));
    }
    let (name, last) = stem.rsplit_once('-').filter(|(_, last)| kind == "scope" && number(last))?;
    debug_assert!(!last.is_empty());
    Some(format!("{name}-*.{kind}"))
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.chars().all(is_hex)
}

pub(super) const fn is_hex(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_memory_controllers_path_wins_over_the_unified_one() {
        for (text, want) in [
            ("0::/system.slice/nginx.service\n", Some("/system.slice/nginx.service")),
            ("5:devices:/\n4:memory:/a\n0::/b\n", Some("/a")),
            ("4:cpu,memory:/a:b/c\n", Some("/a:b/c")),
            ("4:memory:/first\n7:memory:/second", Some("/first")),
            ("3:memoryx:/a\n", None),
            ("garbage\n::\n", None),
            ("", None),
        ] {
            assert_eq!(of_process(text), want, "{text:?}");
        }
    }

    #[test]
    fn container_ids_of_every_runtime() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kubepods/burstable/pod8a3c/{ID}"),
            format!("/kubepods.slice/kubepods-pod8a_3c.slice/cri-containerd-{ID}.scope"),
            format!("/kubepods.slice/kubepods-pod8a_3c.slice/crio-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/k8s.io/kubepods-besteffort-pod1.slice:cri-containerd:{ID}"),
        ] {
            assert_eq!(container_id(&path), Some(ID), "{path}");
        }
        for path in [
            "/".to_owned(),
            "/system.slice/nginx.service".to_owned(),
            format!("/docker/{}", &ID[1..]),
            format!("/docker/{ID}0"),
            format!("/docker/{}", ID.to_uppercase()),
            format!("/machine.slice/crio-conmon-{ID}.scope"),
        ] {
            assert_eq!(container_id(&path), None, "{path}");
        }
    }

    #[test]
    fn fingerprint_paths_do_not_change_with_the_container() {
        for (path, want) in [
            ("/system.slice/nginx.service".to_owned(), "/system.slice/nginx.service"),
            (format!("/docker/{ID}"), "/docker/*"),
            (format!("/a/cri-containerd-{ID}.scope"), "/a/cri-containerd-*.scope"),
            ("/process_api/b0b78a70aa08038977a693afa833ebcc".to_owned(), "/process_api/*"),
            ("/facade/beef".to_owned(), "/facade/beef"),
            (
                format!(
                    "/kubepods.slice/kubepods-pod8a3c1f2e_77b0_4c0e_9a51_0d7c5a3b9e11.slice/crio-{ID}.scope"
                ),
                "/kubepods.slice/kubepods-pod*.slice/crio-*.scope",
            ),
            (
                format!("/kubepods/burstable/pod8a3c1f2e-77b0-4c0e-9a51-0d7c5a3b9e11/{ID}"),
                "/kubepods/burstable/pod*/*",
            ),
            (
                "/user.slice/user-1000.slice/session-12.scope".to_owned(),
                "/user.slice/user-1000.slice/session-*.scope",
            ),
            ("/system.slice/run-u17.service".to_owned(), "/system.slice/run-*.service"),
            (
                "/system.slice/echo@3-127.0.0.1:7-10.0.0.1:9.service".to_owned(),
                "/system.slice/echo@*.service",
            ),
            (
                "/system.slice/postgresql@15-main.service".to_owned(),
                "/system.slice/postgresql@15-main.service",
            ),
            ("/app.slice/app-editor-4711.scope".to_owned(), "/app.slice/app-editor-*.scope"),
            ("/naïve/é".to_owned(), "/naïve/é"),
        ] {
            assert_eq!(without_ids(&path), want);
        }
    }
}
