//! Rules that need to see one file only.

use super::code::has_word;
use super::{File, Violation};

type Rule = fn(&File) -> Vec<Violation>;

pub(super) const ALL: [Rule; 9] = [
    length,
    opening,
    unfinished,
    unwrap_outside_tests,
    ignore_without_reason,
    allow_attribute,
    vague_name,
    unsafe_outside_islands,
    text_form,
];

/// A file longer than this is more than one thing.
const MAX_LINES: usize = 400;
/// Names that say nothing about what is inside.
const VAGUE_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "manager", "managers", "misc", "engine"];
/// What the path of a file of tests, or of their samples, has in it.
const TEST_FILES: [&str; 5] = ["/tests/", "/tests.rs", "/sample.rs", "/fixture.rs", "/peer.rs"];
/// Where `unsafe` may be written; everything else goes through these.
const UNSAFE_ISLANDS: [&str; 2] = ["ebpf/src/", "userspace/src/probes/wire.rs"];
/// The name of a folder on some developers' machines, which a reader of this repository has not got.
const PRIVATE_PATH: &str = concat!("/", "shared");

fn length(file: &File) -> Vec<Violation> {
    let lines = file.text.lines().count();
    if !file.is_rust() || lines <= MAX_LINES {
        return vec![];
    }
    vec![at(
        file,
        MAX_LINES + 1,
        "length",
        format!("{lines} lines, at most {MAX_LINES}: split it by concern"),
    )]
}

fn opening(file: &File) -> Vec<Violation> {
    if !file.is_rust() || file.text.starts_with("//!") {
        return vec![];
    }
    vec![at(file, 1, "opening", "begin with a `//!` that says what the file is for".to_owned())]
}

fn unfinished(file: &File) -> Vec<Violation> {
    lines_with(file, "unfinished", "finish it or leave it out", |code| {
        ["todo", "unimplemented", "dbg"]
            .iter()
            .any(|name| has_word(code, name) && code.contains(&format!("{name}!")))
    })
}

/// By convention a file's tests are its last module, or files of their own with one of [`TEST_FILES`]' names.
fn unwrap_outside_tests(file: &File) -> Vec<Violation> {
    let product = file.path.starts_with("userspace/src/") || file.path.starts_with("ebpf/src/");
    let tests = file.code.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX);
    if !product || TEST_FILES.iter().any(|name| file.path.contains(name)) {
        return vec![];
    }
    let mut found =
        lines_with(file, "unwrap", "use `?`, or `expect` with the invariant that makes it safe", |code| {
            code.contains(".unwrap()")
        });
    found.retain(|violation| violation.line <= tests);
    found
}

fn ignore_without_reason(file: &File) -> Vec<Violation> {
    lines_with(file, "ignore", "say why: #[ignore = \"…\"]", |code| code.contains("#[ignore]"))
}

fn allow_attribute(file: &File) -> Vec<Violation> {
    lines_with(
        file,
        "allow",
        "use #[expect(…, reason = \"…\")], which says when it is no longer needed",
        |code| code.contains("#[allow(") || code.contains("#![allow("),
    )
}

fn vague_name(file: &File) -> Vec<Violation> {
    if !file.is_rust() {
        return vec![];
    }
    let advice = "name it after what it holds";
    let mut parts = file.path.trim_end_matches(".rs").split('/');
    let mut found = lines_with(file, "vague name", advice, |code| {
        let mut words = code.split(|c: char| !super::code::continues_word(c)).filter(|word| !word.is_empty());
        words.any(|word| word == "mod") && words.next().is_some_and(|name| VAGUE_NAMES.contains(&name))
    });
    if parts.any(|part| VAGUE_NAMES.contains(&part)) {
        found.push(at(file, 1, "vague name", advice.to_owned()));
    }
    found
}

fn unsafe_outside_islands(file: &File) -> Vec<Violation> {
    if UNSAFE_ISLANDS.iter().any(|island| file.path.starts_with(island)) {
        return vec![];
    }
    let advice = format!("move it to one of {}", UNSAFE_ISLANDS.join(", "));
    lines_with(file, "unsafe", &advice, |code| has_word(code, "unsafe"))
}

fn text_form(file: &File) -> Vec<Violation> {
    let mut found = vec![];
    for (line, text) in (1..).zip(file.text.lines()) {
        if file.is_rust() && text.ends_with([' ', '\t']) {
            found.push(at(
                file,
                line,
                "whitespace",
                "take away the blanks at the end of the line".to_owned(),
            ));
        }
        if file.is_rust() && text.contains('\t') {
            found.push(at(file, line, "whitespace", "use spaces, or \\t in a literal, not a tab".to_owned()));
        }
        if text.contains(PRIVATE_PATH) {
            found.push(at(file, line, "private path", "name nothing outside the repository".to_owned()));
        }
    }
    found
}

fn lines_with(
    file: &File,
    rule: &'static str,
    advice: &str,
    matches: impl Fn(&str) -> bool,
) -> Vec<Violation> {
    let lines = (1..).zip(file.code.lines()).filter(|(_, code)| matches(code));
    lines.map(|(line, _)| at(file, line, rule, advice.to_owned())).collect()
}

fn at(file: &File, line: usize, rule: &'static str, advice: String) -> Violation {
    Violation { path: file.path.clone(), line, rule, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that the rule finds in a file.
    fn check(rule: Rule, path: &str, text: &str, expected: &[usize]) {
        let lines: Vec<usize> = rule(&File::new(path, text)).into_iter().map(|found| found.line).collect();
        assert_eq!(lines, expected, "{path}: {text}");
    }

    #[test]
    fn lengths_and_openings() {
        check(length, "a.rs", &"x\n".repeat(400), &[]);
        check(length, "a.rs", &"x\n".repeat(401), &[401]);
        check(length, "Cargo.lock", &"x\n".repeat(401), &[]);
        check(opening, "a.rs", "//! What it is for.\n#![no_std]\n", &[]);
        check(opening, "a.rs", "#![no_std]\n//! What it is for.\n", &[1]);
        check(opening, "a.rs", "// no doc\n", &[1]);
        check(opening, "a.md", "# no Rust\n", &[]);
    }

    #[test]
    fn unfinished_code() {
        check(
            unfinished,
            "a.rs",
            "fn f() { todo!() }\nfn g() { unimplemented!(\"x\") }\ndbg!(1);",
            &[1, 2, 3],
        );
        check(unfinished, "a.rs", "// todo!()\nlet todo = \"dbg!(x)\";\nmy_todo!();", &[]);
    }

    #[test]
    fn unwraps() {
        let text = "x.unwrap();\n#[cfg(test)]\nmod tests { fn t() { x.unwrap() } }\n";
        check(unwrap_outside_tests, "userspace/src/a.rs", text, &[1]);
        check(unwrap_outside_tests, "ebpf/src/a.rs", "// x.unwrap()\nx.unwrap_or(1);\n", &[]);
        check(unwrap_outside_tests, "userspace/tests/it/main.rs", text, &[]);
        check(unwrap_outside_tests, "userspace/src/a/tests.rs", text, &[]);
        check(unwrap_outside_tests, "userspace/src/a/tests/rig.rs", text, &[]);
    }

    #[test]
    fn attributes() {
        check(ignore_without_reason, "a.rs", "#[ignore]\n#[ignore = \"needs two hosts\"]\n", &[1]);
        check(
            allow_attribute,
            "a.rs",
            "#[allow(dead_code)]\n#![allow(x)]\n#[expect(x)]\n// #[allow(x)]",
            &[1, 2],
        );
    }

    #[test]
    fn names() {
        check(vague_name, "userspace/src/utils.rs", "", &[1]);
        check(vague_name, "userspace/src/helpers/argv.rs", "", &[1]);
        check(vague_name, "a.rs", "pub(crate) mod misc {\n", &[1]);
        check(vague_name, "userspace/src/argv.rs", "// mod misc\nmod argv; let manager = 1;\n", &[]);
        check(vague_name, "deploy/utils.yaml", "", &[]);
    }

    #[test]
    fn unsafe_code() {
        check(unsafe_outside_islands, "userspace/src/a.rs", "fn f() {\n    unsafe { g() }\n}\n", &[2]);
        check(
            unsafe_outside_islands,
            "userspace/src/a.rs",
            "// unsafe\nlet s = \"unsafe\"; unsafe_free();",
            &[],
        );
        check(unsafe_outside_islands, "ebpf/src/task.rs", "unsafe { g() }", &[]);
        check(unsafe_outside_islands, "userspace/src/probes/wire.rs", "unsafe { g() }", &[]);
    }

    #[test]
    fn the_form_of_text() {
        check(text_form, "a.rs", "fine\nblank \n\ttab\ntab\t\n", &[2, 3, 4, 4]);
        check(text_form, "Makefile", "\ttab \n", &[]);
        let private = concat!("see /", "shared/notes");
        check(text_form, "README.md", private, &[1]);
        check(text_form, "README.md", "the wire types are shared", &[]);
    }
}
