//! Where a crash happened, in one stable word for fingerprints: past the machinery that a program calls to
//! die (abort, assertions, panics), the first function that is the program's own; of endless recursion, the functions
//! that call each other.

use super::frame::SIGNAL_FRAME;
use super::{Frame, Stack};
use crate::languages;

/// How deep the machinery of dying may reach.
const MACHINERY_FRAMES_MAX: usize = 32;

impl Stack {
    /// `module!function` of the first frame past the machinery of dying; where it has no name, its build-id
    /// and offset. `None` where no frame is in a known file.
    pub fn site(&self) -> Option<String> {
        self.frames.get(self.site_frame()?)?.site()
    }

    /// Whether [`Self::site`] is a function's name.
    pub fn is_named(&self) -> bool {
        self.top_symbol().is_some()
    }

    /// Where the thread was: the file and the offset in it, which need no names to be known.
    pub fn place(&self) -> Option<String> {
        let frame = self.frames.iter().find(|frame| frame.is_placed())?;
        Some(format!("{}+{:#x}", frame.module.as_deref().or(frame.build_id.as_deref())?, frame.offset?))
    }

    /// The function of [`Self::site`], as a person would say it.
    pub(super) fn top_symbol(&self) -> Option<&str> {
        self.frames.get(self.site_frame()?)?.function.as_deref()
    }

    /// Which frame, counted from 0, is the first one of the program's own; `None` where none is known.
    pub fn fault_frame(&self) -> Option<usize> {
        let (own, _) = self.past_machinery();
        self.frames[own..].iter().position(Frame::is_placed).map(|at| own + at)
    }

    /// Which frame is that of [`Self::site`]: where nothing of its own is known, what it called to end itself.
    fn site_frame(&self) -> Option<usize> {
        let (_, machinery) = self.past_machinery();
        let called = || self.frames[..machinery].iter().rposition(Frame::is_placed);
        self.fault_frame().or_else(called).or_else(|| self.frames.iter().position(Frame::is_placed))
    }

    /// Where, counted from 0, the program's own frames begin, below those of a runtime that ends it; and the last of those
    /// functions that are called for that.
    fn past_machinery(&self) -> (usize, usize) {
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
        (interrupted.filter(|_| past > 0).map_or(after, |it| it + 1), past)
    }
}

impl Frame {
    /// The same word for the same place, whatever the process and, where it has a name, the build.
    pub(super) fn site(&self) -> Option<String> {
        let module = self.module.as_deref().map(base_name);
        match (&self.function, module, &self.build_id, self.offset) {
            (Some(function), Some(module), _, _) => Some(format!("{module}!{}", undecorated(function))),
            (None, _, Some(build_id), Some(offset)) => Some(format!("{build_id}+{offset:#x}")),
            (None, Some(module), None, Some(offset)) => Some(format!("{module}+{offset:#x}")),
            _ => None,
        }
    }

    /// Whether it is in a known file.
    const fn is_placed(&self) -> bool {
        self.module.is_some() || self.build_id.is_some()
    }
}

fn is_machinery(function: &str) -> bool {
    languages::is_machinery(&undecorated(function))
}

/// Whether it is in a library of C's or C++'s: what calls into abort(3) there is no program's own.
fn in_libc(frame: &Frame) -> bool {
    frame.module.as_deref().map(base_name).is_some_and(languages::is_plumbing)
}

/// Without what a compiler adds that changes from build to build: `.part.0`, `.cold`, `::h0123456789abcdef`;
/// and without glibc's prefix of its inner names.
pub fn undecorated(function: &str) -> String {
    let function = function.strip_prefix("__GI_").unwrap_or(function);
    let function = function.split_once("::h").map_or(function, |(stem, hash)| {
        if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) { stem } else { function }
    });
    let end = [
        ".part.",
        ".cold",
        ".constprop.",
        ".isra.",
        ".lto_priv.",
        ".llvm.",
        " [clone ",
        "@GLIBC_",
        "@@GLIBC_",
    ]
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
        Stack { frames: frames.iter().map(frame).collect(), ..Stack::default() }.site()
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
