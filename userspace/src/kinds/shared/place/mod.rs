//! Where a process ran, as far as somebody gave the place a name: its container. Stated of every kind.

pub mod facts;
pub mod words;

#[cfg(test)]
mod tests;

use crate::kinds::case::Statement;
use crate::model::ContainerInfo;
use facts::{Passing, PlaceFact};

/// That it ran in this container.
pub fn in_container(info: &ContainerInfo) -> Statement {
    let source = format!("runtime:{}", info.runtime.as_deref().unwrap_or("files"));
    let passing = |it: &Option<String>| Passing(it.clone().map(Into::into));
    let fact = PlaceFact::Container {
        name: passing(&info.name),
        image: info.image.clone().map(Into::into),
        pod: passing(&info.pod),
        namespace: info.namespace.clone().map(Into::into),
    };
    Statement::new(source, fact)
}
