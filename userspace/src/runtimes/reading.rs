//! Reading what is known of one container: bounded, and only what its runtime alone can have written.

use std::fs;
use std::path::{Path, PathBuf};

use super::formats::{self, Relay, relay};
use super::places::{Format, places};
use crate::model::ContainerInfo;

/// Most bytes of one file. A host with a thousand containers has a list of a megabyte.
const FILE_BYTES_MAX: u64 = 2 << 20;
/// How far up the family the process is looked for that waits for the container.
const ANCESTORS: usize = 6;
/// The longest `stat` of a process.
const STAT_BYTES_MAX: usize = 1024;

/// Of the files asked for the first that is there, by its number, and what it holds.
type First = dyn Fn(&[PathBuf], u64) -> Option<(usize, Vec<u8>)> + Send;
/// The arguments of the process with this pid.
type Argv = dyn Fn(u32) -> Option<Vec<u8>> + Send;

/// How files of the host are read, by whom they may hang.
pub struct Access {
    /// Reads the first of these files that is there and that nobody but root can write, up to so many bytes.
    pub first: Box<First>,
    /// Reads the arguments of a process.
    pub argv: Box<Argv>,
    /// Where /proc is.
    pub proc_root: PathBuf,
}

/// What is known of the container with this id, in which the first of these processes is, the child of the second; `None`
/// where nothing is.
pub(super) fn read(access: &Access, id: &str, cgroup: &str, pids: [u32; 2]) -> Option<ContainerInfo> {
    // The child may be gone again.
    let relay = pids.into_iter().find_map(|pid| waits_for(access, id, pid));
    let mut info = ContainerInfo::default();
    // In a user's own slice anybody may name a cgroup as another's container is named.
    if !is_users(cgroup) {
        let bundle = relay.as_ref().filter(|it| it.bundle.as_deref().is_none_or(|it| names(it, id)));
        by_files(access, id, bundle, &mut info);
    }
    if let Some(Relay { name, .. }) = relay {
        info.name = info.name.or(name);
    }
    info.runtime = info.runtime.or_else(|| runtime(cgroup));
    (!info.is_nameless()).then_some(info)
}

/// Adds what each file says that is not known yet, until nothing is missing.
fn by_files(access: &Access, id: &str, relay: Option<&Relay>, info: &mut ContainerInfo) {
    let places = places(id, relay);
    let paths: Vec<PathBuf> = places.iter().map(|it| it.1.clone()).collect();
    let mut from = 0;
    while let Some((number, bytes)) = paths.get(from..).and_then(|rest| (access.first)(rest, FILE_BYTES_MAX))
    {
        let Some((format, _)) = places.get(from + number) else { return };
        from += number + 1;
        let said = match format {
            Format::Bundle => formats::bundle(&bytes),
            Format::Docker => formats::docker(&bytes),
            Format::Storage => formats::storage(&bytes, id),
        };
        let Some(said) = said else { continue };
        *info = ContainerInfo {
            name: info.name.take().or(said.name),
            image: info.image.take().or(said.image),
            pod: info.pod.take().or(said.pod),
            namespace: info.namespace.take().or(said.namespace),
            runtime: info.runtime.take().or(said.runtime),
        };
        if info.image.is_some() && (info.name.is_some() || info.pod.is_some()) {
            return;
        }
    }
}

/// What the process says that waits for the container: an ancestor of every process in it.
fn waits_for(access: &Access, id: &str, pid: u32) -> Option<Relay> {
    let mut pid = pid;
    for _ in 0..ANCESTORS {
        let (comm, parent) = parent(&access.proc_root, pid)?;
        if ["conmon", "containerd-shim"].iter().any(|it| comm.starts_with(it)) {
            return relay(&(access.argv)(pid)?, id);
        }
        pid = parent;
    }
    None
}

/// The `comm` of a process, and its parent.
fn parent(proc_root: &Path, pid: u32) -> Option<(String, u32)> {
    let bytes = fs::read(proc_root.join(pid.to_string()).join("stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(STAT_BYTES_MAX)]);
    // `comm` may hold anything, parentheses too; what follows can't (proc_pid_stat(5)).
    let (before, after) = text.rsplit_once(')')?;
    let parent = after.split_whitespace().nth(1)?.parse().ok()?;
    Some((before.split_once('(')?.1.to_owned(), parent))
}

/// Whether the path is of this container.
fn names(path: &Path, id: &str) -> bool {
    path.is_absolute() && path.components().any(|it| it.as_os_str() == id)
}

fn is_users(cgroup: &str) -> bool {
    cgroup.split('/').any(|part| part.starts_with("user-") && part.ends_with(".slice"))
}

/// By the name that it gave the cgroup.
fn runtime(cgroup: &str) -> Option<String> {
    let marks =
        [("libpod", "podman"), ("crio-", "cri-o"), ("cri-containerd", "containerd"), ("docker", "docker")];
    let part = |mark: &str| cgroup.split('/').any(|part| part.starts_with(mark));
    marks.into_iter().find(|(mark, _)| part(mark)).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// A host's files below a folder.
    struct Host(tempfile::TempDir);

    impl Host {
        fn new(files: &[(&str, &str)]) -> Self {
            let it = Self(tempfile::tempdir().unwrap());
            for (path, content) in files {
                let path = it.0.path().join(path.replace("ID", ID));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content.replace("ID", ID)).unwrap();
            }
            it
        }

        fn read(&self, cgroup: &str) -> Option<ContainerInfo> {
            let (root, proc_root) = (self.0.path().to_owned(), self.0.path().join("proc"));
            let argv_root = proc_root.clone();
            let inside = move |path: &PathBuf| root.join(path.strip_prefix("/").unwrap_or(path));
            let first = move |paths: &[PathBuf], max: u64| {
                paths.iter().enumerate().find_map(|(number, path)| {
                    let bytes = fs::read(inside(path)).ok()?;
                    Some((number, bytes[..bytes.len().min(usize::try_from(max).unwrap())].to_vec()))
                })
            };
            let argv = move |pid: u32| fs::read(argv_root.join(pid.to_string()).join("cmdline")).ok();
            let access = Access { first: Box::new(first), argv: Box::new(argv), proc_root };
            read(&access, ID, &cgroup.replace("ID", ID), [9, 8])
        }
    }

    fn said(it: Option<&ContainerInfo>) -> Option<[&str; 5]> {
        it.map(|it| {
            [&it.name, &it.image, &it.pod, &it.namespace, &it.runtime]
                .map(|it| it.as_deref().unwrap_or_default())
        })
    }

    const STAT: (&str, &str) = ("proc/9/stat", "9 (a) (b)) S 8 9 9 0 -1");
    const CONMON: (&str, &str) = ("proc/8/stat", "8 (conmon) S 1 8 8 0 -1");

    #[test]
    fn what_each_runtime_leaves_on_disk_is_found() {
        let bundle = |annotations: &str| format!(r#"{{"annotations":{{{annotations}}}}}"#);
        let cri = bundle(
            r#""io.kubernetes.cri.container-name":"app","io.kubernetes.cri.image-name":"shop/app:1",
               "io.kubernetes.cri.sandbox-name":"p","io.kubernetes.cri.sandbox-namespace":"ns""#,
        );
        let want = ["app", "shop/app:1", "p", "ns", "containerd"];
        for path in [
            "run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json",
            "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json",
        ] {
            let host = Host::new(&[(path, &cri)]);
            assert_eq!(said(host.read("/kubepods/ID").as_ref()), Some(want), "{path}");
        }
        let host = Host::new(&[
            ("run/containerd/io.containerd.runtime.v2.task/moby/ID/config.json", "{}"),
            (
                "var/lib/docker/containers/ID/config.v2.json",
                r#"{"Name":"/web","Config":{"Image":"nginx:1.25"}}"#,
            ),
        ]);
        assert_eq!(said(host.read("/docker/ID").as_ref()), Some(["web", "nginx:1.25", "", "", "docker"]));
        // Podman's bundle says whose it is, its list what it is called.
        let host = Host::new(&[
            (
                "var/lib/containers/storage/vfs-containers/ID/userdata/config.json",
                &bundle(r#""io.container.manager":"libpod""#),
            ),
            (
                "var/lib/containers/storage/vfs-containers/containers.json",
                r#"[{"id":"ID","names":["web"],"metadata":"{\"image-name\":\"localhost/web:2\"}"}]"#,
            ),
        ]);
        let podman = ["web", "localhost/web:2", "", "", "podman"];
        assert_eq!(said(host.read("/machine.slice/libpod-ID.scope").as_ref()), Some(podman));
        assert_eq!(Host::new(&[]).read("/docker/ID"), None);
    }

    #[test]
    fn conmon_names_it_and_its_bundle_wherever_that_is() {
        let bundle = r#"{"annotations":{"io.kubernetes.container.name":"app","io.kubernetes.cri-o.ImageName":"i:1",
            "io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"ns"}}"#;
        let argv = "/usr/bin/conmon\0-c\0ID\0-n\0k8s_app\0-b\0/odd/ID/userdata\0";
        let host =
            Host::new(&[STAT, CONMON, ("proc/8/cmdline", argv), ("odd/ID/userdata/config.json", bundle)]);
        assert_eq!(said(host.read("/crio-ID.scope").as_ref()), Some(["app", "i:1", "p", "ns", "cri-o"]));
        let host = Host::new(&[STAT, CONMON, ("proc/8/cmdline", argv)]);
        assert_eq!(said(host.read("/libpod-ID.scope").as_ref()), Some(["k8s_app", "", "", "", "podman"]));
        // Of a user's own runtime nothing of the host's is believed, as anybody may name a cgroup so.
        let docker =
            ("var/lib/docker/containers/ID/config.v2.json", r#"{"Name":"/web","Config":{"Image":"i"}}"#);
        let host = Host::new(&[STAT, CONMON, ("proc/8/cmdline", argv), docker]);
        let users = "/user.slice/user-1000.slice/user@1000.service/libpod-ID.scope";
        assert_eq!(said(host.read(users).as_ref()), Some(["k8s_app", "", "", "", "podman"]));
        // Of a child that is gone its parent is asked.
        let host = Host::new(&[CONMON, ("proc/8/cmdline", argv)]);
        assert_eq!(said(host.read("/libpod-ID.scope").as_ref()), Some(["k8s_app", "", "", "", "podman"]));
        // Nor a bundle that is another's.
        let other = "conmon\0-c\0ID\0-b\0/odd/other\0";
        let host = Host::new(&[STAT, CONMON, ("proc/8/cmdline", other), ("odd/other/config.json", bundle)]);
        assert_eq!(host.read("/crio-ID.scope"), None);
    }
}
