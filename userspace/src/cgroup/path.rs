//! Pure: from the text of `/proc/PID/cgroup` to a path, and from a path to a container id.

use std::borrow::Cow;

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

/// Whether `path` is `cgroup` or below it.
pub fn is_inside(cgroup: &str, path: &str) -> bool {
    path.strip_prefix(cgroup).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The innermost container that the path names: by a 64-hex id, as docker, containerd, cri-o and podman write it
/// (bare, or as `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`), or by the name that
/// systemd-nspawn and LXC know it by.
pub fn container_id(path: &str) -> Option<Cow<'_, str>> {
    let parts: Vec<&str> = path.split('/').collect();
    (0..parts.len()).rev().find_map(|at| container_at(&parts, at))
}

/// The same of the part at this place alone.
pub(super) fn container_at<'a>(parts: &[&'a str], at: usize) -> Option<Cow<'a, str>> {
    hex_id(parts[at]).map(Cow::Borrowed).or_else(|| machine(parts, at))
}

/// As people are shown it: ids cut as docker and its kin do, names whole.
pub fn short_id(id: &str) -> &str {
    const DIGITS: usize = 12;
    if is_hex_id(id) { &id[..DIGITS] } else { id }
}

fn hex_id(part: &str) -> Option<&str> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    // `crio-conmon-ID` is the container's monitor, outside the container.
    if part.contains("conmon") {
        return None;
    }
    let id = part.rsplit(['-', ':']).next().unwrap_or(part);
    is_hex_id(id).then_some(id)
}

/// `machine-NAME.scope` of systemd-machined and `systemd-nspawn@NAME.service`, but for nspawn itself below it, which
/// is outside; `lxc/NAME`, `lxc.payload/NAME` and `lxc.payload.NAME`, not `lxc.monitor…`. A virtual machine of libvirt's
/// is no container.
fn machine<'a>(parts: &[&'a str], at: usize) -> Option<Cow<'a, str>> {
    let part = parts[at];
    let below_lxc = at > 0 && matches!(parts[at - 1], "lxc" | "lxc.payload");
    let (name, systemd) = if let Some(name) = part.strip_prefix("lxc.payload.") {
        (name, false)
    } else if below_lxc {
        (part, false)
    } else if let Some(name) = part.strip_prefix("machine-").and_then(|it| it.strip_suffix(".scope")) {
        (name, true)
    } else {
        (part.strip_prefix("systemd-nspawn@")?.strip_suffix(".service")?, true)
    };
    if systemd && (parts.get(at + 1) == Some(&"supervisor") || name.starts_with("qemu\\x2d")) {
        return None;
    }
    let name = if systemd { unescape(name) } else { Cow::Borrowed(name) };
    // As hostnames go (machine-id names of systemd, lxc.container.conf(5)); a cgroup's name is anybody's choice.
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!name.is_empty() && name.len() <= NAME_MAX && name.chars().all(valid)).then_some(name)
}

/// Longest name of a container (HOST_NAME_MAX, gethostname(2)).
const NAME_MAX: usize = 64;

/// `\x2d` and the like, as systemd writes what a unit's name may not hold as it is (systemd-escape(1)).
fn unescape(text: &str) -> Cow<'_, str> {
    let Some((before, mut rest)) = text.split_once("\\x") else { return Cow::Borrowed(text) };
    let mut out = before.to_owned();
    loop {
        let code = rest.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        // What is not hex makes no valid name.
        out.push(code.map_or('\\', char::from));
        rest = if code.is_some() { &rest[2..] } else { rest };
        let Some((before, after)) = rest.split_once("\\x") else { break };
        out.push_str(before);
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
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

/// Whether it is an id that docker and its kin know, and no name.
pub fn is_hex_id(text: &str) -> bool {
    text.len() == 64 && text.chars().all(is_hex)
}

pub(super) const fn is_hex(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

/// How much of the start of `text` is a UUID, with `-` or `_` in it: all of it or nothing.
pub(super) fn uuid_len(text: &str) -> usize {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let bytes = text.as_bytes();
    let mut at = 0;
    for (i, group) in GROUPS.into_iter().enumerate() {
        if i > 0 {
            if !matches!(bytes.get(at), Some(b'-' | b'_')) {
                return 0;
            }
            at += 1;
        }
        let hex = bytes.get(at..at + group);
        if !hex.is_some_and(|hex| hex.iter().all(|byte| is_hex(char::from(*byte)))) {
            return 0;
        }
        at += group;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_cgroup_holds_itself_and_what_is_below() {
        for (path, want) in [("/a", true), ("/a/b", true), ("/ab", false), ("/", false), ("/b/a", false)] {
            assert_eq!(is_inside("/a", path), want, "{path}");
        }
    }

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
            assert_eq!(container_id(&path).as_deref(), Some(ID), "{path}");
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
    fn containers_with_names() {
        for (path, want) in [
            ("/machine.slice/machine-web.scope", Some("web")),
            ("/machine.slice/machine-web.scope/payload/system.slice/nginx.service", Some("web")),
            ("/machine.slice/machine-web.scope/supervisor", None),
            ("/machine.slice/machine-web\\x2dfront\\x2d1.scope/init.scope", Some("web-front-1")),
            ("/machine.slice/machine-lxc\\x2d4711\\x2ddb.scope", Some("lxc-4711-db")),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", None),
            ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator", None),
            ("/machine.slice", None),
            ("/machine.slice/machine-.scope", None),
            ("/machine.slice/systemd-nspawn@web.service/payload", Some("web")),
            ("/machine.slice/systemd-nspawn@web.service/payload/system.slice/cron.service", Some("web")),
            ("/machine.slice/systemd-nspawn@web.service", Some("web")),
            ("/machine.slice/systemd-nspawn@web.service/supervisor", None),
            ("/system.slice/systemd-nspawn@.service", None),
            ("/lxc/web", Some("web")),
            ("/lxc/101/ns/system.slice/cron.service", Some("101")),
            ("/lxc", None),
            ("/lxc/", None),
            ("/lxc.payload/web", Some("web")),
            ("/lxc.payload.web-1/system.slice/cron.service", Some("web-1")),
            ("/lxc.payload.", None),
            ("/lxc.monitor.web", None),
            ("/lxc.monitor/web", None),
            ("/lxc.pivot", None),
            ("/system.slice/lxc.service", None),
            ("/system.slice/lxc-net.service", None),
            ("/lxc/$(reboot)", None),
            ("/machine.slice/machine-a\\xzz.scope", None),
            ("/machine.slice/machine-a\\x.scope", None),
        ] {
            assert_eq!(container_id(path).as_deref(), want, "{path}");
        }
        let inside = format!("/lxc.payload.web/docker/{ID}");
        assert_eq!(container_id(&inside).as_deref(), Some(ID), "the innermost");
        assert_eq!((short_id(ID), short_id("web-frontend-1")), ("0123456789ab", "web-frontend-1"));
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
