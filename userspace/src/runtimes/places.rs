//! Where runtimes keep what they know of a container, by its id.

use std::path::{Path, PathBuf};

use super::formats::Relay;

/// Which format a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A bundle's `config.json`.
    Bundle,
    /// Docker's `config.v2.json`.
    Docker,
    /// The list of containers/storage.
    Storage,
}

/// Where containerd keeps bundles: by itself, and in Kubernetes' small distributions.
const CONTAINERD: [&str; 3] = [
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/k3s/containerd/io.containerd.runtime.v2.task",
    "/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
];
/// Namespaces of containerd: Kubernetes', docker's, and what `ctr` and nerdctl take.
const NAMESPACES: [&str; 3] = ["k8s.io", "moby", "default"];
/// Where containers/storage is, of what lasts and of what goes with a reboot.
const STORAGE: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];
/// Its drivers.
const DRIVERS: [&str; 3] = ["overlay", "vfs", "btrfs"];

/// The files to try for this container, the most telling first.
pub(super) fn places(id: &str, relay: Option<&Relay>) -> Vec<(Format, PathBuf)> {
    let mut places = Vec::new();
    if let Some(bundle) = relay.and_then(|it| it.bundle.as_deref()) {
        places.push((Format::Bundle, bundle.join("config.json")));
    }
    places.push((Format::Docker, Path::new("/var/lib/docker/containers").join(id).join("config.v2.json")));
    let told = relay.and_then(|it| it.containerd_namespace.as_deref());
    let others = NAMESPACES.into_iter().filter(|it| told != Some(*it));
    for namespace in told.into_iter().chain(others) {
        for root in CONTAINERD {
            places.push((Format::Bundle, Path::new(root).join(namespace).join(id).join("config.json")));
        }
    }
    for root in STORAGE {
        for driver in DRIVERS {
            let containers = Path::new(root).join(format!("{driver}-containers"));
            places.push((Format::Bundle, containers.join(id).join("userdata/config.json")));
        }
    }
    for root in STORAGE {
        for driver in DRIVERS {
            let containers = Path::new(root).join(format!("{driver}-containers"));
            places.push((Format::Storage, containers.join("containers.json")));
            places.push((Format::Storage, containers.join("volatile-containers.json")));
        }
    }
    places
}
