//! Copies of a process's files that were kept while it lived, and which of them stand in for which of its names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::capture::{Capture, KeptFile};
use super::files::{is_executable, wanted};

/// For each of the [`wanted`] names, by its number, the copy that stands in for it, if there is one.
pub fn stand_ins(capture: &Capture) -> Vec<(usize, &KeptFile)> {
    if capture.kept.is_empty() {
        return vec![];
    }
    let names = wanted(capture);
    let found =
        names.iter().enumerate().filter_map(|(number, name)| Some((number, stand_in(capture, name)?)));
    found.collect()
}

/// By its name; the program's by being that; a library's by where it was. At last by what links are named after: a
/// `libz.so.1` leads to a `libz.so.1.2.13`.
fn stand_in<'c>(capture: &'c Capture, name: &Path) -> Option<&'c KeptFile> {
    let kept = &capture.kept;
    let by_name = || kept.iter().find(|it| it.path == name);
    let own = [&capture.executable, &capture.mapped].into_iter().flatten().any(|it| it == name);
    let module = capture.modules.iter().find(|it| !is_executable(it) && it.path.as_deref() == Some(name));
    let as_program = || kept.iter().find(|it| own && it.is_program);
    let by_place = || {
        let start = Some(module?.bias).filter(|it| *it != 0);
        kept.iter().find(|it| start.is_some() && it.start == start)
    };
    let by_base = || {
        module?;
        let mut alike = kept.iter().filter(|it| is_named_after(&it.path, name));
        alike.next().filter(|_| alike.next().is_none())
    };
    by_name().or_else(as_program).or_else(by_place).or_else(by_base)
}

/// Whether the last part of `path` is that of `link`, or goes on after it with a version.
fn is_named_after(path: &Path, link: &Path) -> bool {
    let base = |path: &Path| path.file_name().map(OsStr::as_bytes).unwrap_or_default().to_vec();
    let (path, link) = (base(path), base(link));
    !link.is_empty() && path.strip_prefix(&link[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::stack::LoadedModule;

    fn kept(path: &str, start: u64, is_program: bool) -> KeptFile {
        let start = Some(start).filter(|it| *it != 0);
        KeptFile { path: path.into(), start, is_program, copy: "/copy".into(), changed: (1, 0) }
    }

    #[test]
    fn names_find_the_copy_of_what_they_led_to() {
        let module = |bias: u64, path: &str| LoadedModule { bias, path: Some(path.into()), build_id: None };
        let capture = Capture {
            executable: Some("/bin/python3".into()),
            mapped: Some("/usr/bin/python3.11".into()),
            modules: vec![
                module(0x5000, ""),
                module(0x7000, "/lib/libc.so.6"),
                module(0x8000, "/lib/libz.so.1"),
                module(0x9000, "/lib/libm.so.6"),
                module(0xa000, "/lib/libtwice.so"),
                module(0, "/lib/libnowhere.so"),
            ],
            kept: vec![
                kept("/usr/bin/python3.11", 0x5000, true),
                kept("/usr/lib/libc-2.31.so", 0x7000, false),
                kept("/usr/lib/libz.so.1.2.13", 0x1000, false),
                kept("/usr/lib/libmvec.so.6", 0x2000, false),
                kept("/a/libtwice.so", 0x3000, false),
                kept("/b/libtwice.so", 0x4000, false),
                kept("/c/other.so", 0, false),
            ],
            ..Capture::default()
        };
        let found: Vec<_> = stand_ins(&capture)
            .into_iter()
            .map(|(number, it)| (wanted(&capture)[number].clone(), it.path.to_str().unwrap()))
            .collect();
        let want = [
            ("/bin/python3", "/usr/bin/python3.11"),
            ("/usr/bin/python3.11", "/usr/bin/python3.11"),
            ("/lib/libc.so.6", "/usr/lib/libc-2.31.so"),
            ("/lib/libz.so.1", "/usr/lib/libz.so.1.2.13"),
        ];
        assert_eq!(found, want.map(|(name, path)| (PathBuf::from(name), path)));
        assert!(stand_ins(&Capture { kept: vec![], ..capture }).is_empty());
    }
}
