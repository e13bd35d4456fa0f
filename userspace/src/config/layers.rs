//! The layers above the defaults that a setting is looked up in: flag, environment, file. What was found remembers
//! where.

use std::collections::BTreeMap;

use super::problem::{Problem, Rejected, quoted};
use super::setting::Setting;

/// A layer, the stronger the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Flag,
    Env,
    File,
}

/// A value and where it was found. No `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) values: Vec<String>,
    pub(super) layer: Layer,
    pub(super) origin: String,
}

impl Found {
    /// The one value of a setting that is no list.
    pub(super) fn text(&self) -> &str {
        self.values.last().map_or("", String::as_str)
    }
}

/// Every value of every layer; by default none.
#[derive(Default)]
pub(super) struct Layers {
    /// What was found, by setting and layer; the strongest layer first.
    found: BTreeMap<(&'static str, Layer), Found>,
    /// Worth a word, not wrong.
    pub(super) warnings: Vec<String>,
    /// Wrong whatever the settings mean.
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// The strongest value; `None` where nothing is set.
    pub(super) fn get(&self, name: &str) -> Option<Found> {
        let layers = [Layer::Flag, Layer::Env, Layer::File];
        layers.into_iter().find_map(|layer| self.found.get(&(name, layer))).cloned()
    }

    pub(super) fn put(&mut self, setting: &'static Setting, found: Found) {
        self.found.insert((setting.name.as_str(), found.layer), found);
    }

    /// The settings that a layer has values for.
    pub(super) fn names_in(&self, wanted: Layer) -> impl Iterator<Item = &'static str> {
        self.found.keys().filter(move |(_, layer)| *layer == wanted).map(|(name, _)| *name)
    }
}

pub(super) fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// The two ways to give a secret.
pub(super) enum Either {
    /// Neither the value nor its file is set.
    Neither,
    /// The value is set directly.
    Value(Found),
    /// The path of a file that has it.
    File(Found),
}

impl Layers {
    /// The stronger of a secret and a file with it; both in one layer contradict each other.
    pub(super) fn either(&self, name: &str) -> Result<Either, Problem> {
        match (self.get(name), self.get(&format!("{name}_file"))) {
            (None, None) => Ok(Either::Neither),
            (Some(value), None) => Ok(Either::Value(value)),
            (None, Some(file)) => Ok(Either::File(file)),
            (Some(value), Some(file)) if value.layer < file.layer => Ok(Either::Value(value)),
            (Some(value), Some(file)) if file.layer < value.layer => Ok(Either::File(file)),
            (Some(value), Some(file)) => {
                let what = format!("{} is set too, and they mean the same", quoted(&file.origin));
                Err(Problem { origin: value.origin, rejected: Rejected::new(what, "set one of the two") })
            }
        }
    }
}
