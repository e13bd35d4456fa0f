//! What is said of a container, and what of it marks a fault.

use super::*;
use crate::kinds::facts::FactData;
use crate::kinds::part::Part as _;

fn info(name: &str, image: &str, pod: &str, namespace: &str) -> ContainerInfo {
    let some = |it: &str| Some(it.to_owned()).filter(|it| !it.is_empty());
    ContainerInfo {
        name: some(name),
        image: some(image),
        pod: some(pod),
        namespace: some(namespace),
        runtime: None,
    }
}

#[test]
fn a_container_is_said_by_what_is_known_of_it() {
    for (info, want) in [
        (
            info("app", "shop/app:1", "checkout-7d9f", "shop"),
            "pod shop/checkout-7d9f (container app, image shop/app:1)",
        ),
        (info("", "", "checkout-7d9f", "shop"), "pod shop/checkout-7d9f"),
        (info("", "", "checkout-7d9f", ""), "pod checkout-7d9f"),
        (info("web", "nginx:1.25", "", ""), "container web (image nginx:1.25)"),
        (info("web", "nginx:1.25@sha256:aabb", "", ""), "container web (image nginx:1.25)"),
        (info("web", "", "", ""), "container web"),
        (info("", "nginx", "", ""), "a container of image nginx"),
        (info("a\x1b[2J\u{202e}", "", "", ""), "container a\u{fffd}[2J"),
    ] {
        let said = words::in_words(&info).unwrap();
        assert_eq!(said.trim_end_matches('\u{fffd}'), want, "{info:?}");
        let FactData::Place(fact) = in_container(&info).data else { panic!("another fact") };
        assert_eq!(words::sentence(&fact), format!("it ran in {said}"));
    }
    assert_eq!(words::in_words(&ContainerInfo::default()), None);
}

#[test]
fn a_new_name_of_the_same_image_is_the_same_fault() {
    let mark = |info: ContainerInfo| {
        let mut all = Vec::new();
        in_container(&info).data.identify(&mut |bytes| all.extend_from_slice(bytes));
        all
    };
    let one = mark(info("app", "i:1", "p-1", "ns"));
    assert_eq!(one, mark(info("app-2", "i:1", "p-2", "ns")));
    assert_ne!(one, mark(info("app", "i:2", "p-1", "ns")));
}
