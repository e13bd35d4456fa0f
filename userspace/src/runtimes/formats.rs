//! Pure: from the files that runtimes write, and from the arguments of who waits for a container, to what it is called.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use serde::Deserialize;

use crate::model::ContainerInfo;

/// Longest text that is kept of what a runtime says, in bytes.
const TEXT_MAX: usize = 512;

type Labels = BTreeMap<String, String>;

/// A bundle's `config.json` (opencontainers/runtime-spec config.md), of which only the annotations matter.
#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: Labels,
}

/// Docker's `config.v2.json` (moby daemon/container/container.go).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    #[serde(default)]
    name: String,
    #[serde(default)]
    config: DockerConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerConfig {
    #[serde(default)]
    image: String,
    #[serde(default)]
    labels: Option<Labels>,
}

/// One entry of containers/storage's `containers.json`; `metadata` is JSON again.
#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    metadata: String,
}

#[derive(Default, Deserialize)]
struct StoredMetadata {
    #[serde(default, rename = "image-name")]
    image: String,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "pod-name")]
    pod: String,
}

/// Of an OCI bundle: the annotations of containerd's CRI, of CRI-O, of nerdctl and of podman.
pub(super) fn bundle(json: &[u8]) -> Option<ContainerInfo> {
    let Bundle { annotations } = serde_json::from_slice(json).ok()?;
    let of = |key: &str| annotations.get(key).and_then(|it| text(it));
    let cri = ContainerInfo {
        name: of("io.kubernetes.cri.container-name"),
        image: of("io.kubernetes.cri.image-name"),
        pod: of("io.kubernetes.cri.sandbox-name"),
        namespace: of("io.kubernetes.cri.sandbox-namespace"),
        runtime: Some("containerd".to_owned()),
    };
    let crio = ContainerInfo {
        name: of("io.kubernetes.container.name"),
        image: of("io.kubernetes.cri-o.ImageName").or_else(|| of("io.kubernetes.cri-o.Image")),
        pod: of("io.kubernetes.pod.name"),
        namespace: of("io.kubernetes.pod.namespace"),
        runtime: Some("cri-o".to_owned()),
    };
    let nerdctl = ContainerInfo {
        name: of("nerdctl/name"),
        image: of("nerdctl/image-ref"),
        runtime: Some("containerd".to_owned()),
        ..ContainerInfo::default()
    };
    let found = [cri, crio, nerdctl].into_iter().find(|it| !it.is_nameless());
    // Podman writes there that the container is its own; its name stands elsewhere.
    let podman = || {
        (of("io.container.manager")? == "libpod").then(|| ContainerInfo {
            image: of("org.opencontainers.image.ref.name"),
            runtime: Some("podman".to_owned()),
            ..ContainerInfo::default()
        })
    };
    found.or_else(podman)
}

/// Of docker's own account.
pub(super) fn docker(json: &[u8]) -> Option<ContainerInfo> {
    let Docker { name, config } = serde_json::from_slice(json).ok()?;
    let labels = config.labels.unwrap_or_default();
    let of = |key: &str| labels.get(key).and_then(|it| text(it));
    let (pod, namespace) = (of("io.kubernetes.pod.name"), of("io.kubernetes.pod.namespace"));
    let within = of("io.kubernetes.container.name").filter(|_| pod.is_some());
    Some(ContainerInfo {
        name: within.or_else(|| text(name.trim_start_matches('/'))),
        image: text(&config.image),
        pod,
        namespace,
        runtime: Some("docker".to_owned()),
    })
    .filter(|it| !it.is_nameless())
}

/// Of the list of containers/storage, which podman and CRI-O share.
pub(super) fn storage(json: &[u8], id: &str) -> Option<ContainerInfo> {
    let all: Vec<Stored> = serde_json::from_slice(json).ok()?;
    let stored = all.into_iter().find(|it| it.id == id)?;
    let metadata: StoredMetadata = serde_json::from_str(&stored.metadata).unwrap_or_default();
    let first = stored.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    Some(ContainerInfo {
        name: text(&metadata.name).or_else(|| text(&first)),
        image: text(&metadata.image),
        pod: text(&metadata.pod),
        ..ContainerInfo::default()
    })
    .filter(|it| !it.is_nameless())
}

/// What the process that waits for a container was told of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Relay {
    /// Its name.
    pub(super) name: Option<String>,
    /// Where its bundle is.
    pub(super) bundle: Option<PathBuf>,
    /// The namespace of containerd that it is in.
    pub(super) containerd_namespace: Option<String>,
}

/// Of the arguments, each with NUL behind it, of conmon (conmon(8): `-c ID -n NAME -b BUNDLE`) about this container, or
/// of containerd's shim (`-namespace NS -id ID`).
pub(super) fn relay(argv: &[u8], id: &str) -> Option<Relay> {
    let arguments: Vec<&[u8]> = argv.split(|byte| *byte == 0).collect();
    let program = arguments.first()?.rsplit(|byte| *byte == b'/').next()?;
    let after = |flags: &[&str]| {
        let at = arguments.iter().position(|it| flags.iter().any(|flag| flag.as_bytes() == *it))?;
        arguments.get(at + 1).copied()
    };
    let word = |bytes: &[u8]| text(&String::from_utf8_lossy(bytes));
    if program == b"conmon" {
        if after(&["-c", "--cid"])? != id.as_bytes() {
            return None;
        }
        return Some(Relay {
            name: after(&["-n", "--name"]).and_then(word),
            bundle: after(&["-b", "--bundle"]).map(|it| PathBuf::from(OsStr::from_bytes(it))),
            containerd_namespace: None,
        });
    }
    // One shim may serve all containers of a pod: which, its bundle says.
    program.starts_with(b"containerd-shim").then(|| Relay {
        containerd_namespace: after(&["-namespace", "--namespace"]).and_then(word).filter(|it| is_plain(it)),
        ..Relay::default()
    })
}

/// A name that is one part of a path.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// `None` for what says nothing.
fn text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text[..text.floor_char_boundary(TEXT_MAX)].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn info(all: [&str; 5]) -> ContainerInfo {
        let [name, image, pod, namespace, runtime] =
            all.map(|it| Some(it.to_owned()).filter(|it| !it.is_empty()));
        ContainerInfo { name, image, pod, namespace, runtime }
    }

    #[test]
    fn bundles_of_every_runtime_are_read() {
        for (annotations, want) in [
            (
                r#"{"io.kubernetes.cri.container-name":"app","io.kubernetes.cri.image-name":"docker.io/shop/app:1",
                    "io.kubernetes.cri.sandbox-name":"checkout-7d9f","io.kubernetes.cri.sandbox-namespace":"shop"}"#,
                Some(["app", "docker.io/shop/app:1", "checkout-7d9f", "shop", "containerd"]),
            ),
            // The pause container of a pod has no name of its own.
            (
                r#"{"io.kubernetes.cri.sandbox-name":"checkout-7d9f","io.kubernetes.cri.sandbox-namespace":"shop"}"#,
                Some(["", "", "checkout-7d9f", "shop", "containerd"]),
            ),
            (
                r#"{"io.kubernetes.container.name":"app","io.kubernetes.cri-o.ImageName":"quay.io/a:2",
                    "io.kubernetes.pod.name":"p-1","io.kubernetes.pod.namespace":"ns"}"#,
                Some(["app", "quay.io/a:2", "p-1", "ns", "cri-o"]),
            ),
            (r#"{"nerdctl/name":"web"}"#, Some(["web", "", "", "", "containerd"])),
            (r#"{"io.container.manager":"libpod"}"#, Some(["", "", "", "", "podman"])),
            (r#"{"io.container.manager":"other","x":"y"}"#, None),
            (r#"{"nerdctl/name":"  "}"#, None),
            ("{}", None),
        ] {
            let json =
                format!(r#"{{"ociVersion":"1.1.0","process":{{"args":["x"]}},"annotations":{annotations}}}"#);
            assert_eq!(bundle(json.as_bytes()), want.map(info), "{annotations}");
        }
        for nonsense in ["", "[]", r#"{"annotations":{"a":1}}"#, r#"{"annotations":"#] {
            assert_eq!(bundle(nonsense.as_bytes()), None, "{nonsense}");
        }
        assert_eq!(
            bundle(format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()),
            None,
            "deep"
        );
    }

    #[test]
    fn docker_says_the_name_the_image_and_the_pod() {
        for (json, want) in [
            (
                r#"{"ID":"x","Name":"/web","Config":{"Image":"nginx:1.25","Labels":{}}}"#,
                Some(["web", "nginx:1.25", "", "", "docker"]),
            ),
            (
                r#"{"Name":"/web","Config":{"Image":"nginx","Labels":null}}"#,
                Some(["web", "nginx", "", "", "docker"]),
            ),
            (
                r#"{"Name":"/k8s_app_p-1_ns_uid_0","Config":{"Image":"sha256:aa","Labels":{
                    "io.kubernetes.container.name":"app","io.kubernetes.pod.name":"p-1",
                    "io.kubernetes.pod.namespace":"ns"}}}"#,
                Some(["app", "sha256:aa", "p-1", "ns", "docker"]),
            ),
            (r#"{"Name":"","Config":{}}"#, None),
            ("{}", None),
            (r#"{"Name":7}"#, None),
        ] {
            assert_eq!(docker(json.as_bytes()), want.map(info), "{json}");
        }
    }

    #[test]
    fn the_list_of_storage_is_asked_for_one_container() {
        let list = format!(
            r#"[{{"id":"other","names":["no"]}},
                {{"id":"{ID}","names":["web"],"metadata":"{{\"image-name\":\"docker.io/nginx:1\",\"name\":\"web\"}}"}}]"#
        );
        let want = info(["web", "docker.io/nginx:1", "", "", ""]);
        assert_eq!(storage(list.as_bytes(), ID), Some(want));
        assert_eq!(storage(list.as_bytes(), &"f".repeat(64)), None);
        let bare = format!(r#"[{{"id":"{ID}","names":null,"metadata":"not json"}}]"#);
        assert_eq!(storage(bare.as_bytes(), ID), None);
    }

    #[test]
    fn who_waits_for_a_container_says_what_it_is_called() {
        let argv =
            |parts: &[&str]| parts.iter().flat_map(|it| [it.as_bytes(), b"\0"].concat()).collect::<Vec<_>>();
        let conmon = argv(&[
            "/usr/bin/conmon",
            "--api-version",
            "1",
            "-c",
            ID,
            "-u",
            ID,
            "-r",
            "/usr/bin/crun",
            "-b",
            "/var/lib/b",
            "-n",
            "web",
            "--exit-dir",
            "/run/x",
        ]);
        let want = Relay { name: Some("web".into()), bundle: Some("/var/lib/b".into()), ..Relay::default() };
        assert_eq!(relay(&conmon, ID), Some(want));
        assert_eq!(relay(&conmon, &"f".repeat(64)), None, "another's");
        assert_eq!(relay(&argv(&["conmon", "-n", "web"]), ID), None, "of nobody");
        let shim = argv(&[
            "/usr/bin/containerd-shim-runc-v2",
            "-namespace",
            "k8s.io",
            "-id",
            "pod",
            "-address",
            "/x",
        ]);
        let of = |it: &[u8]| relay(it, ID).unwrap().containerd_namespace;
        assert_eq!(of(&shim).as_deref(), Some("k8s.io"));
        assert_eq!(of(&argv(&["containerd-shim-runc-v2", "-namespace", "../../x"])), None);
        assert_eq!(of(&argv(&["containerd-shim-runc-v2", "-namespace"])), None);
        assert_eq!(relay(&argv(&["bash", "-n", "web", "-c", ID]), ID), None);
        assert_eq!(relay(b"", ID), None);
    }

    #[test]
    fn long_texts_are_cut() {
        let json = format!(r#"{{"Name":"/{}","Config":{{}}}}"#, "é".repeat(10_000));
        let name = docker(json.as_bytes()).unwrap().name.unwrap();
        assert!(name.len() <= TEXT_MAX && name.starts_with('é'));
    }
}
