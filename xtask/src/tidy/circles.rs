//! Things that need each other in a circle: none of them can be read, tested or moved without the others.

use std::collections::{BTreeMap, BTreeSet};

/// The circles in a graph, each with all that stand on it, in order.
pub(super) fn find<'a>(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Vec<&'a str>> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        graph.entry(from).or_default().insert(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|start| (*start, reachable(&graph, start))).collect();
    let meet = |a: &str, b: &str| reach.get(a).is_some_and(|it| it.contains(b));
    let mut circles: Vec<Vec<&str>> = vec![];
    for &start in reach.keys().filter(|start| meet(start, start)) {
        if !circles.iter().any(|circle| circle.contains(&start)) {
            circles.push(reach.keys().copied().filter(|it| meet(start, it) && meet(it, start)).collect());
        }
    }
    circles
}

/// What can be got to from here, in one step or more.
fn reachable<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = graph.get(start).into_iter().flatten().copied().collect();
    while let Some(it) = next.pop() {
        if seen.insert(it) {
            next.extend(graph.get(it).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_whole() {
        for (edges, expected) in [
            (&[("a", "b"), ("b", "c"), ("a", "c")][..], &[][..]),
            (&[("a", "b"), ("b", "a"), ("b", "c")], &[&["a", "b"][..]]),
            (&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")], &[&["a", "b", "c"]]),
            (&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("b", "c")], &[&["a", "b"], &["c", "d"]]),
        ] {
            assert_eq!(find(edges.iter().copied()), expected, "{edges:?}");
        }
    }
}
