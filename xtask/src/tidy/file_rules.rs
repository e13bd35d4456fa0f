//! Rules that need to see one file only.

use super::code::has_word;
use super::{File, Violation};

type FileRule = fn(&File) -> Vec<Violation>;

pub(super) const ALL: [FileRule; 6] =
    [length, opening, panic_in_programs, vague_name, unsafe_outside_islands, private_path];

/// A file longer than this is more than one thing.
const MAX_LINES: usize = 400;
/// Names that say nothing about what is inside.
const VAGUE_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "manager", "managers", "misc", "engine"];
/// Where `unsafe` may be written; everything else goes through these.
const UNSAFE_ISLANDS: [&str; 3] = ["ebpf/src/", "userspace/src/heap.rs", "userspace/src/probes/wire.rs"];
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

/// The eBPF programs are built for a target that clippy is not run on, and the verifier takes no panic.
fn panic_in_programs(file: &File) -> Vec<Violation> {
    if !file.path.starts_with("ebpf/src/") {
        return vec![];
    }
    let advice = "give up the event and count it: a program cannot panic";
    lines_with(file, "panic", advice, |code| {
        let panics = ["panic", "todo", "unimplemented", "unreachable"];
        code.contains(".unwrap()")
            || code.contains(".expect(")
            || panics.iter().any(|name| has_word(code, name) && code.contains(&format!("{name}!")))
    })
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

fn private_path(file: &File) -> Vec<Violation> {
    // A folder of that name inside the repository is another one.
    let is_outside = |text: &str| {
        text.match_indices(PRIVATE_PATH)
            .any(|(at, _)| !text[..at].chars().next_back().is_some_and(super::code::continues_word))
    };
    let lines = (1..).zip(file.text.lines()).filter(|(_, text)| is_outside(text));
    lines
        .map(|(line, _)| at(file, line, "private path", "name nothing outside the repository".to_owned()))
        .collect()
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
    fn check(rule: FileRule, path: &str, text: &str, expected: &[usize]) {
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
    fn panics_in_programs() {
        let text = "x.unwrap();\ny.expect(\"z\");\nunreachable!();\n// x.unwrap()\nx.unwrap_or(1);\n";
        check(panic_in_programs, "ebpf/src/task.rs", text, &[1, 2, 3]);
        check(panic_in_programs, "userspace/src/a.rs", text, &[]);
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
    fn paths_of_other_machines() {
        let private = concat!("see /", "shared/notes");
        check(private_path, "README.md", private, &[1]);
        check(private_path, "README.md", "the wire types are shared, see kinds/shared/", &[]);
    }
}
