//! From an address in a file to a function, a source file and a line.

use std::os::fd::AsRawFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolizer};

use super::BuildId;
use super::contents::{self, ReadBudget, Section};
use super::effort::Effort;
use super::files::{Files, OpenFile};
use super::image::Image;
use super::notes::clean;
use super::snapshot::{Snapshot, has_debug};

/// Inlined functions of one address.
const INLINED_MAX: usize = 16;

/// What names one file's addresses.
#[derive(Debug)]
pub(super) struct Symbols {
    symbolizer: Symbolizer,
    path: PathBuf,
    snapshot: Snapshot,
}

/// A function, or a function inlined into it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

impl Symbols {
    /// Of the file itself; of its separate debug information, where it has none but the distribution has.
    pub(super) fn of(
        opened: &OpenFile,
        image: &Image,
        sections: &[Section],
        files: &dyn Files,
        effort: &Effort,
        budget: &ReadBudget,
    ) -> anyhow::Result<Self> {
        if !has_debug(sections)
            && !effort.frugal
            && let Some(symbols) = image.build_id.as_ref().and_then(|id| separate(id, files, effort, budget))
        {
            return Ok(symbols);
        }
        Self::new(opened, image, sections, effort, budget)
    }

    fn new(
        opened: &OpenFile,
        image: &Image,
        sections: &[Section],
        effort: &Effort,
        budget: &ReadBudget,
    ) -> anyhow::Result<Self> {
        let snapshot = Snapshot::take(opened, image, sections, effort, budget)?;
        // Links to other files are not followed: the copy has none, and there is nowhere to look. Inlined
        // functions nest, and are read by recursion: how deep, the limit of this process's stack says.
        let symbolizer = Symbolizer::builder()
            .enable_auto_reload(false)
            .enable_inlined_fns(true)
            .set_debug_dirs(Some(Vec::<PathBuf>::new()))
            .build();
        let path = PathBuf::from(format!("/proc/self/fd/{}", snapshot.memory.as_raw_fd()));
        Ok(Self { symbolizer, path, snapshot })
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.snapshot.size_bytes
    }

    pub(super) fn left_out(&self) -> Option<&str> {
        self.snapshot.left_out.as_deref()
    }

    /// Inlined functions first, the innermost before all; the function that holds them last. Empty: unknown.
    /// Beside them: why its debug information said nothing, where that could not be read.
    pub(super) fn at(&self, address: u64) -> (Vec<Named>, Option<String>) {
        let mut unreadable = None;
        if self.snapshot.debug {
            match self.by(address, true) {
                Ok(found) if !found.is_empty() => return (found, None),
                Ok(_) => {}
                Err(reason) => {
                    unreadable = Some(format!("its debug information cannot be read: {reason}"));
                }
            }
        }
        (self.by(address, false).unwrap_or_default(), unreadable)
    }

    fn by(&self, address: u64, debug: bool) -> Result<Vec<Named>, String> {
        let mut source = Elf::new(&self.path);
        source.debug_syms = debug;
        let source = Source::Elf(source);
        let find = || self.symbolizer.symbolize_single(&source, Input::VirtOffset(address));
        // A damaged file may trip the reader's own checks.
        match catch_unwind(AssertUnwindSafe(find)) {
            Ok(Ok(found)) => Ok(found.into_sym().map(|sym| named(&sym)).unwrap_or_default()),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err("it trips its reader".to_owned()),
        }
    }
}

fn separate(build_id: &BuildId, files: &dyn Files, effort: &Effort, budget: &ReadBudget) -> Option<Symbols> {
    let opened = OpenFile::of(files.debug(build_id)?).ok()?;
    let image = Image::read(&opened.file).ok()?;
    let sections = contents::sections(&opened.file, &image, budget)?;
    let fits = image.build_id.as_ref() == Some(build_id) && has_debug(&sections);
    fits.then(|| Symbols::new(&opened, &image, &sections, effort, budget).ok()).flatten()
}

fn named(sym: &Sym<'_>) -> Vec<Named> {
    let one = |name: &str, code: Option<&CodeInfo<'_>>| Named {
        function: (!name.is_empty()).then(|| clean(name)),
        file: code.map(|code| clean(&code.to_path().to_string_lossy())),
        line: code.and_then(|code| code.line).filter(|line| *line > 0),
    };
    let inlined = sym.inlined.iter().rev().take(INLINED_MAX);
    let mut all: Vec<_> = inlined.map(|it| one(&it.name, it.code_info.as_ref())).collect();
    all.push(one(&sym.name, sym.code_info.as_deref()));
    all
}
