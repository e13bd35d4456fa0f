//! What a container is called by who runs it.

use serde::{Deserialize, Serialize};

/// What a container's runtime says of it. Every string was chosen by whoever started the container, or was read from
/// what that one could write: treat it as hostile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerInfo {
    /// Its name; in Kubernetes that of the container within its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The image, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The Kubernetes pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Who runs it: `docker`, `containerd`, `cri-o`, `podman`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
}

impl ContainerInfo {
    /// Whether it says nothing that a container could be known by.
    pub const fn is_nameless(&self) -> bool {
        self.name.is_none() && self.image.is_none() && self.pod.is_none()
    }

    /// `NAMESPACE/POD`, where it is in one.
    pub fn pod_path(&self) -> Option<String> {
        let pod = self.pod.as_deref()?;
        Some(self.namespace.as_deref().map_or_else(|| pod.to_owned(), |space| format!("{space}/{pod}")))
    }

    /// Each of its texts.
    pub fn each_text(&mut self, act: &mut dyn FnMut(&mut String)) {
        let Self { name, image, pod, namespace, runtime } = self;
        [name, image, pod, namespace, runtime].into_iter().flatten().for_each(act);
    }
}
