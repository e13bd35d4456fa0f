//! The sentences on where a process ran.

use super::facts::{Passing, PlaceFact};
use crate::model::{ContainerInfo, Name};
use crate::text;

/// Longest name of one thing in a title or a sentence.
const NAME_MAX: usize = 80;

/// A fact as a sentence.
pub fn sentence(fact: &PlaceFact) -> String {
    let PlaceFact::Container { name: Passing(name), image, pod: Passing(pod), namespace } = fact;
    let raw = |it: &Option<Name>| it.as_ref().map(|it| it.raw().to_owned());
    let info = ContainerInfo {
        name: raw(name),
        image: raw(image),
        pod: raw(pod),
        namespace: raw(namespace),
        runtime: None,
    };
    format!("it ran in {}", in_words(&info).unwrap_or_else(|| "a container".to_owned()))
}

/// `pod shop/checkout-7d9f (container app, image shop/app:1)`, `container web (image nginx:1.25)`; `None` where nothing
/// has a name.
pub fn in_words(info: &ContainerInfo) -> Option<String> {
    let shown = |it: &str| text::truncate(&text::printable(it), NAME_MAX);
    let name = info.name.as_deref().map(shown);
    // The digest behind a tag says nothing to a person.
    let image = info.image.as_deref().map(|it| shown(it.split_once('@').map_or(it, |(image, _)| image)));
    let image = image.map(|it| format!("image {it}"));
    let (place, details) = match (info.pod_path(), name) {
        (Some(pod), name) => {
            (format!("pod {}", shown(&pod)), [name.map(|it| format!("container {it}")), image])
        }
        (None, Some(name)) => (format!("container {name}"), [image, None]),
        (None, None) => return image.map(|image| format!("a container of {image}")),
    };
    let details: Vec<String> = details.into_iter().flatten().collect();
    Some(if details.is_empty() { place } else { format!("{place} ({})", details.join(", ")) })
}
