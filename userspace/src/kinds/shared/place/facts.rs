//! What is stated of where a process ran.

use serde::{Deserialize, Serialize};

use crate::kinds::part::{Part, facts};
use crate::model::Name;

facts! {
    /// Where a process ran.
    pub enum PlaceFact {
        /// In a container, as its runtime calls it.
        Container {
            /// Its name; in Kubernetes that of the container within its pod.
            name: Passing,
            /// The image, as it was asked for.
            image: Option<Name>,
            /// The Kubernetes pod.
            pod: Passing,
            /// The pod's namespace.
            namespace: Option<Name>,
        },
    }
}

/// A name that the next start may change, as that of a pod: shown, but no mark of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Passing(pub Option<Name>);

impl Part for Passing {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        self.0.each_name(act);
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        add(&[u8::from(self.0.is_some())]);
    }
}
