//! A sentence without data. Its text is closed: nothing but the renderer gets at it.

use serde::{Deserialize, Serialize};

use crate::kinds::part::{Part, facts};
use crate::model::Name;

facts! {
    /// What an earlier version wrote down has no data.
    pub enum Recorded {
        /// The sentence.
        Recorded {
            /// As it was written.
            text: Sentence,
        },
    }
}

impl Recorded {
    /// A sentence as it was written.
    pub fn new(text: impl Into<Name>) -> Self {
        Self::Recorded { text: Sentence(text.into()) }
    }
}

/// A text that can be masked, compared and shown, but not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sentence(pub(super) Name);

impl Part for Sentence {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        act(&mut self.0);
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        self.0.identify(add);
    }
}
