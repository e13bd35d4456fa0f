//! Pure: whose a cgroup is, from its path alone: the service unit, the container and its runtime, the Kubernetes
//! pod. Cgroup names are chosen by whoever may make cgroups: what does not look right is `None`.

use super::path::{container_at, container_id, is_hex, is_hex_id, uuid_len};

/// Longest unit name (systemd src/basic/unit-def.h, `UNIT_NAME_MAX`).
const UNIT_NAME_MAX: usize = 255;
/// Kinds of units that have processes of their own.
const UNIT_KINDS: [&str; 5] = [".service", ".socket", ".mount", ".swap", ".scope"];

/// What runs a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Docker Engine, or Moby.
    Docker,
    /// Podman, with or without root.
    Podman,
    /// containerd, as nerdctl uses it.
    Nerdctl,
    /// containerd or CRI-O for Kubernetes.
    Cri,
}

impl Runtime {
    /// The command that knows its containers.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Nerdctl => "nerdctl",
            Self::Cri => "crictl",
        }
    }
}

/// The service unit of the processes in this cgroup: the innermost, and inside the innermost container where there
/// is one. A scope, such as systemd-run makes, is one; a login's session and a manager's own are none.
pub fn unit(path: &str) -> Option<&str> {
    let mut parts: Vec<&str> = path.split('/').collect();
    if let Some(container) = (0..parts.len()).rev().find(|at| container_at(&parts, *at).is_some()) {
        // `podman run --cgroups=split` puts the container inside the service that started it.
        if parts[container].starts_with("libpod-payload-") {
            parts.truncate(container);
        } else if parts[container].starts_with("systemd-nspawn@") {
            // A service itself, where none inside is named.
            parts.drain(..container);
        } else {
            parts.drain(..=container);
        }
    }
    parts.into_iter().rev().find_map(|part| {
        // systemd escapes what would be taken for a file of the kernel's (src/basic/cgroup-util.c, `cg_escape`).
        let name = part.strip_prefix('_').unwrap_or(part);
        is_unit(name).then_some(name)
    })
}

/// The service of the host's own manager that the processes in this cgroup belong to: not a user's, not a container's.
pub fn system_service(path: &str) -> Option<&str> {
    let other = container_id(path).is_some() || is_of_user_manager(path);
    unit(path).filter(|unit| !other && unit.ends_with(".service"))
}

/// Whether the cgroup belongs to a user's own service manager, which root's `systemctl` does not ask.
pub fn is_of_user_manager(path: &str) -> bool {
    let manager = path.split('/').position(|part| part.starts_with("user@") && part.ends_with(".service"));
    manager.is_some_and(|at| path.split('/').skip(at + 1).any(is_unit))
}

/// The uid of the Kubernetes pod that the cgroup is in, spelled as Kubernetes does: a UUID, or the 32 hex digits of
/// a static pod.
pub fn pod_uid(path: &str) -> Option<String> {
    let kubernetes = path.split('/').any(|part| part.contains("kubepods"));
    let mut parts = path.rsplit('/').filter(|_| kubernetes);
    parts.find_map(|part| {
        // `…-podUID.slice` (systemd driver), `podUID` (cgroupfs driver); containerd may add `:cri-containerd:ID`.
        let slice = part.split(':').next().unwrap_or(part);
        let slice = slice.strip_suffix(".slice").unwrap_or(slice);
        let uid = match slice.rsplit_once("-pod") {
            Some((_, uid)) => uid,
            None => slice.strip_prefix("pod")?,
        };
        let uid = uid.replace('_', "-");
        (uuid_len(&uid) == uid.len() && !uid.is_empty() || uid.len() == 32 && uid.chars().all(is_hex))
            .then_some(uid)
    })
}

/// The runtime of the innermost container in the path, where it is one that knows containers by ids.
pub fn runtime(path: &str) -> Option<Runtime> {
    container_id(path).filter(|id| is_hex_id(id))?;
    if path.split('/').any(|part| part.contains("kubepods")) {
        return Some(Runtime::Cri);
    }
    let named = [
        ("libpod-", Runtime::Podman),
        ("docker-", Runtime::Docker),
        ("nerdctl-", Runtime::Nerdctl),
        ("cri-containerd-", Runtime::Cri),
        ("crio-", Runtime::Cri),
    ];
    let part = path.rsplit('/').find(|part| container_id(part).is_some_and(|id| is_hex_id(&id)))?;
    let named = named.into_iter().find(|(mark, _)| part.starts_with(mark)).map(|(_, runtime)| runtime);
    // A bare id: docker's cgroupfs driver, as a rule below `/docker`, or below what `--cgroup-parent` says.
    Some(named.unwrap_or(Runtime::Docker))
}

/// A valid unit name (systemd.unit(5)) of a kind that is worth naming.
fn is_unit(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    name.len() <= UNIT_NAME_MAX
        && !name.starts_with(['-', '.'])
        && !is_session(name)
        && name.chars().all(valid)
        && UNIT_KINDS.iter().any(|kind| name.strip_suffix(kind).is_some_and(|stem| !stem.is_empty()))
}

/// `session-3.scope`: everything somebody does after a login; `init.scope`: the manager itself.
fn is_session(name: &str) -> bool {
    let scope = name.strip_suffix(".scope");
    scope.is_some_and(|stem| stem == "init" || stem.starts_with("session-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const NODE: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const POD: &str = "8a3c1f2e-77b0-4c0e-9a51-0d7c5a3b9e11";
    const SLICE: &str = "8a3c1f2e_77b0_4c0e_9a51_0d7c5a3b9e11";
    const STATIC: &str = "ee4f0a1b2c3d4e5f60718293a4b5c6d7";

    /// Path, unit, container, pod, runtime.
    type AttributionCase = (String, Option<&'static str>, bool, Option<&'static str>, Option<Runtime>);

    fn services() -> Vec<AttributionCase> {
        let case = |path: &str, unit| (path.to_owned(), unit, false, None, None);
        vec![
            case("/", None),
            case("/init.scope", None),
            case("/system.slice/nginx.service", Some("nginx.service")),
            case("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
            case("/system.slice/postgresql@15-main.service", Some("postgresql@15-main.service")),
            case("/system.slice/my\\x2dapp.service/worker", Some("my\\x2dapp.service")),
            case("/system.slice/_cpu.stress.service", Some("cpu.stress.service")),
            case("/user.slice/user-1000.slice/session-3.scope", None),
            case("/user.slice/user-1000.slice/user@1000.service/init.scope", Some("user@1000.service")),
            case(
                "/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service",
                Some("sync.service"),
            ),
            case("/system.slice/run-r3f2a.scope", Some("run-r3f2a.scope")),
            case(
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-editor-4711.scope",
                Some("app-editor-4711.scope"),
            ),
            case("/system.slice/$(reboot).service", None),
            case("/system.slice/$(reboot).scope", None),
            case("/system.slice/-rf.service", None),
            case("/system.slice/.service", None),
            case("/system.slice/a\u{202e}b.service", None),
        ]
    }

    fn containers() -> Vec<AttributionCase> {
        let case = |path: String, unit, pod, runtime| (path, unit, true, pod, Some(runtime));
        let rootless = "/user.slice/user-1000.slice/user@1000.service";
        vec![
            case(format!("/docker/{ID}"), None, None, Runtime::Docker),
            case(format!("/system.slice/docker-{ID}.scope"), None, None, Runtime::Docker),
            case(format!("/ecs/5f2e/{ID}"), None, None, Runtime::Docker),
            case(format!("/docker/{NODE}/docker/{ID}"), None, None, Runtime::Docker),
            case(
                format!("/system.slice/docker-{ID}.scope/system.slice/nginx.service"),
                Some("nginx.service"),
                None,
                Runtime::Docker,
            ),
            case(format!("{rootless}/user.slice/docker-{ID}.scope"), None, None, Runtime::Docker),
            case(format!("/machine.slice/libpod-{ID}.scope/container"), None, None, Runtime::Podman),
            case(format!("/libpod_parent/libpod-{ID}"), None, None, Runtime::Podman),
            case(format!("{rootless}/user.slice/libpod-{ID}.scope"), None, None, Runtime::Podman),
            case(
                format!("/machine.slice/machine-libpod_pod_{NODE}.slice/libpod-{ID}.scope"),
                None,
                None,
                Runtime::Podman,
            ),
            case(
                format!("/system.slice/web.service/libpod-payload-{ID}"),
                Some("web.service"),
                None,
                Runtime::Podman,
            ),
            case(format!("/system.slice/nerdctl-{ID}.scope"), None, None, Runtime::Nerdctl),
        ]
    }

    fn pods() -> Vec<AttributionCase> {
        let case = |path: String, pod| (path, None, true, Some(pod), Some(Runtime::Cri));
        let systemd = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod";
        vec![
            case(format!("{systemd}{SLICE}.slice/cri-containerd-{ID}.scope"), POD),
            case(format!("{systemd}{SLICE}.slice/crio-{ID}.scope"), POD),
            case(format!("{systemd}{SLICE}.slice/docker-{ID}.scope"), POD),
            case(format!("/kubepods.slice/kubepods-pod{SLICE}.slice/cri-containerd-{ID}.scope"), POD),
            case(format!("/kubepods/burstable/pod{POD}/{ID}"), POD),
            case(format!("/kubepods/pod{POD}/crio-{ID}"), POD),
            case(format!("/kubepods/besteffort/pod{STATIC}/{ID}"), STATIC),
            case(format!("{systemd}{STATIC}.slice/cri-containerd-{ID}.scope"), STATIC),
            case(
                format!(
                    "/system.slice/containerd.service/kubepods-besteffort-pod{SLICE}.slice:cri-containerd:{ID}"
                ),
                POD,
            ),
            case(
                format!(
                    "/docker/{NODE}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/\
                     kubelet-kubepods-besteffort-pod{SLICE}.slice/cri-containerd-{ID}.scope"
                ),
                POD,
            ),
            case(format!("/system.slice/docker-{NODE}.scope/kubelet/kubepods/besteffort/pod{POD}/{ID}"), POD),
        ]
    }

    #[test]
    fn real_paths_name_their_owners() {
        for (path, want_unit, in_container, pod, want_runtime) in
            services().into_iter().chain(containers()).chain(pods())
        {
            assert_eq!(unit(&path), want_unit, "unit of {path}");
            assert_eq!(container_id(&path).as_deref(), in_container.then_some(ID), "container of {path}");
            assert_eq!(pod_uid(&path).as_deref(), pod, "pod of {path}");
            assert_eq!(runtime(&path), want_runtime, "runtime of {path}");
        }
    }

    #[test]
    fn units_in_and_around_containers_with_names() {
        for (path, want) in [
            ("/machine.slice/systemd-nspawn@web.service/payload", Some("systemd-nspawn@web.service")),
            ("/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service", Some("a.service")),
            ("/machine.slice/machine-web.scope/payload", None),
            ("/lxc.payload.web/system.slice/cron.service", Some("cron.service")),
            ("/lxc/web", None),
        ] {
            assert_eq!((unit(path), runtime(path)), (want, None), "{path}");
        }
    }

    #[test]
    fn what_only_looks_like_a_pod_is_none() {
        for path in [
            format!("/pod{POD}/{ID}"),
            "/kubepods/burstable/podfoo".to_owned(),
            format!("/kubepods/burstable/pod{POD}0"),
            format!("/kubepods/burstable/pod{}", &POD[1..]),
            "/kubepods/burstable".to_owned(),
            "/kubepods/pod".to_owned(),
            "/kubepods/podé".to_owned(),
        ] {
            assert_eq!(pod_uid(&path), None, "{path}");
        }
    }

    #[test]
    fn only_services_of_the_hosts_manager_are_its_own() {
        for (path, want) in [
            ("/system.slice/nginx.service/worker".to_owned(), Some("nginx.service")),
            (
                "/user.slice/user-1000.slice/user@1000.service/init.scope".to_owned(),
                Some("user@1000.service"),
            ),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service".to_owned(), None),
            ("/system.slice/run-r3f2a.scope".to_owned(), None),
            (format!("/system.slice/docker-{ID}.scope/system.slice/nginx.service"), None),
            (format!("/system.slice/web.service/libpod-payload-{ID}"), None),
            ("/machine.slice/systemd-nspawn@web.service/payload".to_owned(), None),
        ] {
            assert_eq!(system_service(&path), want, "{path}");
        }
    }

    #[test]
    fn a_users_manager_is_told_from_the_hosts() {
        for (path, want) in [
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service", true),
            ("/user.slice/user-1000.slice/user@1000.service/init.scope", false),
            ("/system.slice/nginx.service", false),
        ] {
            assert_eq!(is_of_user_manager(path), want, "{path}");
        }
    }
}
