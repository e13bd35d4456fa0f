//! What the library's files take from each other: every path in their code that leads to another file, tests left
//! out. A name that a module only passes on leads to where it is defined, and passing it on is no need of it.

mod scan;

use std::collections::{BTreeMap, BTreeSet};

use super::File;
use scan::{Module, Reference, Scan};

/// Where the library's modules stand.
const ROOT: &str = "userspace/src/";
/// Modules that pass a name on to each other, at most.
const MAX_PASSES: usize = 8;

/// One file that takes something from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Import {
    pub(super) from: String,
    pub(super) line: usize,
    pub(super) to: String,
}

impl Import {
    /// The top modules that it leads from and to.
    pub(super) fn tops(&self) -> (&str, &str) {
        (top(&self.from), top(&self.to))
    }
}

/// The top module a file belongs to: `llm` for `userspace/src/llm/client.rs`.
fn top(path: &str) -> &str {
    let inside = path.strip_prefix(ROOT).unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// Every import of the library's code, in order. `Err`: a file that is no Rust, by its path.
pub(super) fn all(files: &[File]) -> Result<Vec<Import>, String> {
    let library = Library::read(files)?;
    let mut imports = vec![];
    for (module, scan) in library.scans.iter().filter(|(module, _)| !library.is_test(module)) {
        let from = library.files[module];
        for reference in scan.references.iter().filter(|it| !it.passes_on) {
            if let Some(to) = library.resolve(reference).filter(|to| to.path != from.path) {
                imports.push(Import { from: from.path.clone(), line: reference.line, to: to.path.clone() });
            }
        }
    }
    imports.sort();
    imports.dedup();
    Ok(imports)
}

struct Library<'a> {
    files: BTreeMap<Module, &'a File>,
    scans: BTreeMap<Module, Scan>,
}

impl<'a> Library<'a> {
    fn read(files: &'a [File]) -> Result<Self, String> {
        let files: BTreeMap<Module, &File> =
            files.iter().filter_map(|file| Some((module(&file.path)?, file))).collect();
        let mut scans = BTreeMap::new();
        for (module, file) in &files {
            scans.insert(module.clone(), Scan::read(&file.text, module).ok_or_else(|| file.path.clone())?);
        }
        Ok(Self { files, scans })
    }

    fn is_test(&self, module: &Module) -> bool {
        let tests: BTreeSet<&Module> = self.scans.values().flat_map(|scan| &scan.tests).collect();
        tests.iter().any(|test| module.starts_with(test))
    }

    /// The file that defines what the reference names.
    fn resolve(&self, reference: &Reference) -> Option<&'a File> {
        let mut path = self.absolute(reference)?;
        for _ in 0..MAX_PASSES {
            let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
            let (module, item) = path.split_at(length);
            let passed = item.first().and_then(|name| {
                let names = &self.scans[module].references;
                names.iter().find(|it| it.binding.as_ref() == Some(name))
            });
            match passed.and_then(|it| self.absolute(it)) {
                Some(target) => path = [&*target, &item[1..]].concat(),
                None => return Some(self.files[module]),
            }
        }
        None
    }

    /// The reference's path from the crate's root; `None`: it begins with a crate's, type's or variable's name.
    fn absolute(&self, reference: &Reference) -> Option<Module> {
        if reference.anchored {
            return Some(reference.path.clone());
        }
        let child = [&*reference.home, &reference.path[..1]].concat();
        self.files.contains_key(&child).then(|| [&*reference.home, &*reference.path].concat())
    }
}

/// `None`: no module of the library.
fn module(path: &str) -> Option<Module> {
    let inside = path.strip_prefix(ROOT)?.strip_suffix(".rs")?;
    match inside {
        "main" => None,
        "lib" => Some(vec![]),
        inside => {
            let mut parts: Module = inside.split('/').map(str::to_owned).collect();
            if parts.last().is_some_and(|last| last == "mod") {
                parts.pop();
            }
            Some(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The imports of a library of these files, as `from:line to`.
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<File> =
            files.iter().map(|(path, text)| File::new(&format!("{ROOT}{path}"), text)).collect();
        let short = |path: &str| path.strip_prefix(ROOT).unwrap_or(path).to_owned();
        let found: Vec<String> = all(&files)
            .unwrap()
            .iter()
            .map(|it| format!("{}:{} {}", short(&it.from), it.line, short(&it.to)))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_lead_to_the_innermost_file() {
        let (a, deep) = (("a/mod.rs", "mod b;\npub struct A;"), ("a/b.rs", "pub struct B;"));
        let from = |text: &'static str| ("c.rs", text);
        for (text, expected) in [
            ("use crate::a::A;", &["c.rs:1 a/mod.rs"][..]),
            ("use crate::a::b::B;", &["c.rs:1 a/b.rs"]),
            ("use crate::a::b::{self, B as A};", &["c.rs:1 a/b.rs"]),
            ("use crate::{a::{A, b::B}, Root};", &["c.rs:1 a/b.rs", "c.rs:1 a/mod.rs", "c.rs:1 lib.rs"]),
            ("fn f() -> crate::a::A {\n crate::a::b::new() }", &["c.rs:1 a/mod.rs", "c.rs:2 a/b.rs"]),
            ("fn f(a: crate::a::A) { g!(x, crate::a::b::B) }", &["c.rs:1 a/b.rs", "c.rs:1 a/mod.rs"]),
            ("// use crate::a::A;\n/// [`crate::a::A`]\nconst A: &str = \"crate::a\";", &[]),
            ("pub(in crate::a) struct C;", &[]),
            ("use a::A; fn f() { a::new(); x.crate_a(); }", &[]),
        ] {
            check(&[("lib.rs", ""), a, deep, from(text)], expected);
        }
    }

    #[test]
    fn files_of_one_module() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b;\nmod c;\nuse b::B;\nfn f() { c::g(x.b::<u8>()) }"),
            ("a/b.rs", "use super::c::C;\nuse super::A;"),
            ("a/c/d.rs", "use super::super::b::B;\nuse crate::a::c;"),
            ("a/c.rs", "mod d;\nmod inner { use super::d::D; use super::super::b::B; }"),
        ];
        let expected = [
            "a/b.rs:1 a/c.rs",
            "a/b.rs:2 a/mod.rs",
            "a/c.rs:2 a/b.rs",
            "a/c.rs:2 a/c/d.rs",
            "a/c/d.rs:1 a/b.rs",
            "a/c/d.rs:2 a/c.rs",
            "a/mod.rs:3 a/b.rs",
            "a/mod.rs:4 a/c.rs",
        ];
        check(&files, &expected);
    }

    #[test]
    fn a_name_that_is_passed_on_leads_to_where_it_is_defined() {
        let files = [
            ("lib.rs", "mod a;\npub use a::run;"),
            ("a/mod.rs", "mod b;\npub(crate) use b::{B as Renamed, run};\nuse b::Own;\npub struct A;"),
            ("a/b.rs", "use super::A;\npub use super::d::Deep;"),
            (
                "a/d.rs",
                "use super::Renamed;\nuse super::{Own, Renamed as R};\nfn f() { super::b::Deep::new() }",
            ),
            (
                "c.rs",
                "use crate::run;\nuse crate::a::Renamed;\nuse crate::a::A;\nfn f() { crate::a::Renamed::new() }",
            ),
        ];
        let expected = [
            "a/b.rs:1 a/mod.rs",
            "a/d.rs:1 a/b.rs",
            "a/d.rs:2 a/b.rs",
            "a/mod.rs:3 a/b.rs",
            "c.rs:1 a/b.rs",
            "c.rs:2 a/b.rs",
            "c.rs:3 a/mod.rs",
            "c.rs:4 a/b.rs",
        ];
        check(&files, &expected);
    }

    #[test]
    fn tests_are_left_out() {
        let files = [
            ("lib.rs", ""),
            (
                "a.rs",
                "#[cfg(test)]\nmod tests { use crate::b::B; }\n#[cfg(test)]\nuse crate::b::{A, B};\nfn f() {}",
            ),
            ("b.rs", "#[cfg(test)]\n#[expect(x)]\npub(crate) mod sample;\nuse crate::a::A;"),
            ("b/sample.rs", "use crate::a::A;"),
            ("b/sample/deep.rs", "use crate::a::A;"),
        ];
        check(&files, &["b.rs:4 a.rs"]);
        let broken = [File::new("userspace/src/a.rs", "fn f( {")];
        assert_eq!(all(&broken), Err("userspace/src/a.rs".to_owned()));
    }
}
