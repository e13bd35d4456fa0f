//! Where a crash happened, in one stable word for fingerprints: past the machinery that a program calls to
//! die (abort, assertions, panics), the first function that is the program's own.

use super::frame::SIGNAL_FRAME;
use super::{Frame, Stack};

/// How deep the machinery of dying may reach.
const MACHINERY_FRAMES_MAX: usize = 32;

/// Functions through which a program ends itself, without their decoration.
const MACHINERY: [&str; 37] = [
    "__abort_msg",
    "__assert",
    "__assert_fail",
    "__assert_fail_base",
    "__assert_perror_fail",
    "__chk_fail",
    "__cxa_rethrow",
    "__cxa_throw",
    "__fortify_fail",
    "__gnu_cxx::__verbose_terminate_handler",
    "__libc_fatal",
    "__libc_free",
    "__libc_malloc",
    "__libc_message",
    "__libc_realloc",
    "__pthread_kill",
    "__pthread_kill_implementation",
    "__pthread_kill_internal",
    "__stack_chk_fail",
    "__stack_chk_fail_local",
    "_int_free",
    "_int_malloc",
    "_int_realloc",
    "abort",
    "abort_message",
    "cfree",
    "free",
    "gsignal",
    "malloc",
    "malloc_consolidate",
    "malloc_printerr",
    "pthread_kill",
    "raise",
    "realloc",
    "rust_begin_unwind",
    "rust_panic",
    "tgkill",
];

/// The same, by how their names begin: Rust's panics and C++'s terminate.
const MACHINERY_PREFIXES: [&str; 17] = [
    "<T as core::result::",
    "__cxxabiv1::",
    "__rust_",
    "__rustc::rust_",
    "_Unwind_",
    "alloc::alloc::handle_alloc_error",
    "alloc::raw_vec::handle_error",
    "core::cell::panic_",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::panicking::",
    "core::result::unwrap_failed",
    "core::slice::index::slice_",
    "core::str::slice_error_fail",
    "panic_abort::",
    "std::panicking::",
    "std::terminate",
];

/// More of them, whose names end with these.
const MACHINERY_ENDS: [&str; 4] = [
    "__rust_end_short_backtrace",
    "abort_internal",
    "process::abort",
    "sys::backtrace::__rust_begin_short_backtrace",
];

impl Stack {
    /// `module!function` of the first frame past the machinery of dying; where it has no name, its build-id
    /// and offset. `None` where no frame is in a known file.
    pub fn site(&self) -> Option<String> {
        let frame = self.frames.get(self.fault_frame()?)?;
        let module = frame.module.as_deref().map(base_name);
        match (&frame.function, module, &frame.build_id, frame.offset) {
            (Some(function), Some(module), _, _) => Some(format!("{module}!{}", undecorated(function))),
            (None, _, Some(build_id), Some(offset)) => Some(format!("{build_id}+{offset:#x}")),
            (None, Some(module), None, Some(offset)) => Some(format!("{module}+{offset:#x}")),
            _ => None,
        }
    }

    /// The function of [`Self::site`], as a person would say it.
    pub(super) fn top_symbol(&self) -> Option<&str> {
        self.frames.get(self.fault_frame()?)?.function.as_deref()
    }

    /// Which frame, counted from 0, is that of [`Self::site`].
    pub fn fault_frame(&self) -> Option<usize> {
        let placed = |frame: &&Frame| frame.module.is_some() || frame.build_id.is_some();
        // The deepest of the machinery with nothing but it, or its unnamed neighbours in libc, above it.
        let mut past = 0;
        for (number, frame) in self.frames.iter().enumerate().take(MACHINERY_FRAMES_MAX) {
            match &frame.function {
                Some(function) if is_machinery(function) => past = number + 1,
                _ if in_libc(frame) => {}
                _ => break,
            }
        }
        // What of libc called into it, as __libc_message's callers, is machinery too.
        let after = if past == 0 {
            0
        } else {
            past + self.frames[past..].iter().take_while(|it| in_libc(it)).count()
        };
        // A handler that gives up, as crash reporters do: the fault is what it was called for.
        let interrupted = self.frames.iter().position(|it| it.function.as_deref() == Some(SIGNAL_FRAME));
        let after = interrupted.filter(|_| past > 0).map_or(after, |it| it + 1);
        let past = if self.frames[after..].iter().any(|frame| placed(&frame)) { after } else { 0 };
        self.frames[past..].iter().position(|frame| placed(&frame)).map(|at| past + at)
    }
}

fn is_machinery(function: &str) -> bool {
    let function = undecorated(function);
    MACHINERY.contains(&function.as_str())
        || MACHINERY_PREFIXES.iter().any(|prefix| function.starts_with(prefix))
        || MACHINERY_ENDS.iter().any(|end| function.ends_with(end))
}

fn in_libc(frame: &Frame) -> bool {
    let name = frame.module.as_deref().map_or("", base_name);
    ["libc.so.", "libc-2.", "ld-musl-", "libpthread", "libstdc++.so"].iter().any(|it| name.starts_with(it))
}

/// Without what a compiler adds that changes from build to build: `.part.0`, `.cold`, `::h0123456789abcdef`;
/// and without glibc's prefix of its inner names.
fn undecorated(function: &str) -> String {
    let function = function.strip_prefix("__GI_").unwrap_or(function);
    let function = function.split_once("::h").map_or(function, |(stem, hash)| {
        if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) { stem } else { function }
    });
    let end = [".part.", ".cold", ".constprop.", ".isra.", ".lto_priv.", ".llvm."]
        .iter()
        .filter_map(|suffix| function.find(suffix).filter(|at| *at > 0))
        .min();
    function[..end.unwrap_or(function.len())].to_owned()
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `module!function` or `module`, the crashing frame first; `?` is a frame in no file.
    fn site(frames: &[&str]) -> Option<String> {
        let frame = |text: &&str| {
            let (module, function) = text.split_once('!').map_or((*text, None), |(m, f)| (m, Some(f)));
            let module = (module != "?").then(|| format!("/usr/lib/{module}"));
            Frame {
                build_id: module.is_some().then(|| "abcd".to_owned()),
                offset: module.is_some().then_some(0x10),
                module,
                function: function.map(str::to_owned),
                ..Frame::default()
            }
        };
        Stack { frames: frames.iter().map(frame).collect(), notes: vec![] }.site()
    }

    #[test]
    fn the_site_is_the_programs_own_function() {
        for (frames, want) in [
            (&["app!leaf", "app!main"][..], Some("app!leaf")),
            (&["app", "app!main"], Some("abcd+0x10")),
            (
                &["libc.so.6", "libc.so.6!__GI_raise", "libc.so.6!__GI_abort", "app!die", "app!main"],
                Some("app!die"),
            ),
            (
                &[
                    "libc.so.6",
                    "libc.so.6!gsignal",
                    "libc.so.6!abort",
                    "libc.so.6",
                    "libc.so.6!__assert_fail",
                    "app!f",
                ],
                Some("app!f"),
            ),
            // Heap corruption, found by free(): unnamed functions of libc between abort and the program.
            (
                &["libc.so.6!abort", "libc.so.6", "libc.so.6", "libc.so.6!free", "app!drop_it"],
                Some("app!drop_it"),
            ),
            // A crash inside libc that is no abort stays where it is.
            (&["libc.so.6!strlen", "app!parse"], Some("libc.so.6!strlen")),
            (&["libc.so.6", "app!parse"], Some("abcd+0x10")),
            (
                &[
                    "app!abort",
                    "app!std::sys::pal::unix::abort_internal",
                    "app!rust_panic",
                    "app!core::panicking::panic_fmt",
                    "app!app::run",
                ],
                Some("app!app::run"),
            ),
            (&["?", "app!caller"], Some("app!caller")),
            (&["app!work.part.0"], Some("app!work")),
            (&["app!app::run::h0123456789abcdef"], Some("app!app::run")),
            (&["app!free_list"], Some("app!free_list")),
            // A handler that aborts was called for the fault; one that crashes is the fault.
            (
                &["app!abort", "app!handler", "libc.so.6!<signal handler called>", "app!fault", "app!main"],
                Some("app!fault"),
            ),
            (&["app!abort", "app!handler", "libc.so.6!<signal handler called>"], Some("app!abort")),
            (&["app!handler", "libc.so.6!<signal handler called>", "app!main"], Some("app!handler")),
            // Nothing but machinery: better than nothing.
            (&["libc.so.6!abort"], Some("libc.so.6!abort")),
            (&["?"], None),
            (&[], None),
        ] {
            assert_eq!(site(frames).as_deref(), want, "{frames:?}");
        }
    }
}
