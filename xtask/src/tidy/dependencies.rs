//! Dependencies that no code of the package names: they cost the build time and the reader trust. What a crate needs
//! for its features alone stands in the list.

use super::code::has_word;
use super::{File, Violation};

/// `(package, dependency)` that no code names, each with its reason beside it.
const FOR_FEATURES: [(&str, &str); 0] = [];

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(super) fn unused_dependencies(files: &[File]) -> Vec<Violation> {
    check(files, &FOR_FEATURES)
}

fn check(files: &[File], for_features: &[(&str, &str)]) -> Vec<Violation> {
    let manifests = files.iter().filter_map(|file| Some((file, file.path.strip_suffix("Cargo.toml")?)));
    manifests.flat_map(|(manifest, folder)| unused(manifest, folder, files, for_features)).collect()
}

fn unused(manifest: &File, folder: &str, files: &[File], for_features: &[(&str, &str)]) -> Vec<Violation> {
    let violation =
        |line, advice| Violation { path: manifest.path.clone(), line, rule: "unused dependency", advice };
    let parsed: toml::Table = match manifest.text.parse() {
        Ok(parsed) => parsed,
        Err(error) => return vec![violation(1, format!("it cannot be read: {error}"))],
    };
    let package = folder.trim_end_matches('/');
    // A package in a folder of this one has a manifest, and dependencies, of its own.
    let inner: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("Cargo.toml"))
        .filter(|it| it.len() > folder.len() && it.starts_with(folder))
        .collect();
    let own = |file: &&File| {
        file.path.starts_with(folder) && !inner.iter().any(|inner| file.path.starts_with(inner))
    };
    let code: Vec<&File> = files.iter().filter(own).collect();
    let names =
        SECTIONS.iter().filter_map(|section| parsed.get(*section)?.as_table()).flat_map(toml::Table::keys);
    names
        .filter(|name| !for_features.contains(&(package, name.as_str())))
        .filter(|name| {
            let crate_name = name.replace('-', "_");
            !code.iter().any(|file| has_word(&file.code, &crate_name))
        })
        .map(|name| {
            let line = (1..).zip(manifest.text.lines()).find(|(_, line)| line.starts_with(name.as_str()));
            violation(line.map_or(1, |(line, _)| line), format!("no code names `{name}`: take it out"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_no_code_names_is_found() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde = \"1\"\nhmac-x = { version = \"1\" }\n\
                        [dev-dependencies]\ntempfile = \"3\"\n";
        let files = |code: &str| {
            [
                File::new("Cargo.toml", "[workspace]\n"),
                File::new("a/Cargo.toml", manifest),
                File::new("a/src/lib.rs", code),
                File::new("a/inner/Cargo.toml", "[package]\n"),
                File::new("a/inner/src/lib.rs", "use tempfile::tempdir;"),
                File::new("b/src/lib.rs", "use tempfile::tempdir;"),
            ]
        };
        let found = |code: &str, for_features: &[(&str, &str)]| -> Vec<(usize, String)> {
            let found = check(&files(code), for_features).into_iter();
            found.map(|it| (it.line, it.advice.split('`').nth(1).unwrap_or_default().to_owned())).collect()
        };
        let used = "use serde::Serialize;\nfn f() { hmac_x::new(); tempfile::tempdir(); }";
        assert_eq!(found(used, &[]), []);
        let unused = "// hmac_x\nuse serde_json::Value; const A: &str = \"serde\"; fn hmac_xy() {}";
        let all = [(4, "serde"), (5, "hmac-x"), (7, "tempfile")].map(|(line, name)| (line, name.to_owned()));
        let mut got = found(unused, &[]);
        got.sort();
        assert_eq!(got, all);
        assert_eq!(found(used.replace("tempfile::tempdir();", "").as_str(), &[("a", "tempfile")]), []);
        let broken = check(&[File::new("a/Cargo.toml", "[")], &[]);
        assert!(broken.len() == 1 && broken[0].advice.contains("cannot be read"), "{broken:?}");
    }
}
