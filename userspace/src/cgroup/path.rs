//! Pure: from the text of `/proc/PID/cgroup` to a path, and from a path to a container id.

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

/// The path with ids that change from one start of a container to the next replaced by `*`: for fingerprints.
pub fn without_ids(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let run = rest.find(|c: char| !is_hex(c)).unwrap_or(rest.len());
        if run >= 32 {
            out.push('*');
            rest = &rest[run..];
        } else {
            let step = run.max(c.len_utf8());
            out.push_str(&rest[..step]);
            rest = &rest[step..];
        }
    }
    out
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.chars().all(is_hex)
}

const fn is_hex(c: char) -> bool {
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
            ("/naïve/é".to_owned(), "/naïve/é"),
        ] {
            assert_eq!(without_ids(&path), want);
        }
    }
}
