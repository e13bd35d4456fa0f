//! Which settings were given what, so that a reload can tell which have changed. Of the values only their digests are
//! kept: some are secrets.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::layers::Layers;
use super::registry::SETTINGS;

/// The digest of each setting's value, by the setting's name; of those alone that are not at their default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenSettings(BTreeMap<&'static str, u64>);

impl GivenSettings {
    pub(super) fn of(layers: &Layers) -> Self {
        let digest = |values: &[String]| {
            let mut hasher = DefaultHasher::new();
            values.hash(&mut hasher);
            hasher.finish()
        };
        let found = |name: &'static str| Some((name, digest(&layers.get(name)?.values)));
        Self(SETTINGS.iter().filter_map(|it| found(it.name.as_str())).collect())
    }

    /// The names of the settings that were given something else, or nothing, in `other`.
    pub fn differs(&self, other: &Self) -> Vec<&'static str> {
        let names = SETTINGS.iter().map(|it| it.name.as_str());
        names.filter(|name| self.0.get(name) != other.0.get(name)).collect()
    }
}
