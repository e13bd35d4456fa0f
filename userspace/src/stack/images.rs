//! The files that stacks led through of late: opened anew each time, parsed once.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow};

use super::cfi::Rules;
use super::contents::{self, ReadBudget, Section};
use super::effort::Effort;
use super::files::{FileKey, Files, OpenFile};
use super::image::{Image, read_at};
use super::snapshot::in_memory;
use super::symbols::Symbols;

/// Files remembered. A large server has a hundred modules; the ones in its stacks are few.
const FILES_KEPT: usize = 64;
/// Bytes remembered: unwinding rules and copies of symbols.
const BYTES_KEPT: u64 = 24 << 20;

/// A file that was read: its image always, the rest when a stack leads through it.
pub(super) struct KnownFile {
    pub(super) image: Image,
    sections: OnceCell<Vec<Section>>,
    rules: OnceCell<Rules>,
    symbols: OnceCell<Result<Symbols, String>>,
}

impl KnownFile {
    fn read(opened: &OpenFile) -> Result<Rc<Self>> {
        let image = Image::read(&opened.file)?;
        Ok(Rc::new(Self {
            image,
            sections: OnceCell::new(),
            rules: OnceCell::new(),
            symbols: OnceCell::new(),
        }))
    }

    /// None is fine: what runs needs no sections.
    fn sections(&self, opened: &OpenFile, budget: &ReadBudget) -> &[Section] {
        self.sections
            .get_or_init(|| contents::sections(&opened.file, &self.image, budget).unwrap_or_default())
    }

    pub(super) fn rules(&self, opened: &OpenFile, budget: &ReadBudget) -> &Rules {
        let sections = self.sections(opened, budget);
        self.rules.get_or_init(|| contents::rules(&opened.file, &self.image, sections, budget))
    }

    pub(super) fn symbols(
        &self,
        opened: &OpenFile,
        files: &dyn Files,
        effort: &Effort,
        budget: &ReadBudget,
    ) -> Result<&Symbols, &String> {
        let sections = self.sections(opened, budget);
        let read = || {
            Symbols::of(opened, &self.image, sections, files, effort, budget)
                .map_err(|error| format!("{error:#}"))
        };
        self.symbols.get_or_init(read).as_ref()
    }

    fn size_bytes(&self) -> u64 {
        let symbols = self.symbols.get().and_then(|it| it.as_ref().ok()).map_or(0, Symbols::size_bytes);
        let sections = self.sections.get().map_or(0, |it| it.len() * size_of::<Section>());
        symbols + (self.rules.get().map_or(0, Rules::size_bytes) + sections) as u64
    }
}

/// The files read of late, the last used at the end.
pub(super) struct Images {
    entries: Vec<(FileKey, Rc<KnownFile>)>,
    vdso: Option<(OpenFile, Rc<KnownFile>)>,
    evicted: u64,
}

impl Images {
    /// With the vDSO: who has given up its privileges can't read it any more.
    pub(super) fn new() -> Self {
        let vdso = own_vdso().and_then(|opened| Ok((KnownFile::read(&opened)?, opened))).ok();
        Self { entries: vec![], vdso: vdso.map(|(known, opened)| (opened, known)), evicted: 0 }
    }

    /// Opens the file each time: a name may mean another file by now.
    pub(super) fn get(&mut self, files: &dyn Files, path: &Path) -> Result<(OpenFile, Rc<KnownFile>)> {
        let opened = OpenFile::found(files.open(path).map_err(|why| anyhow!(why))?)?;
        let known = match self.entries.iter().position(|(key, _)| *key == opened.key) {
            Some(at) => self.entries.remove(at).1,
            None => KnownFile::read(&opened)?,
        };
        self.entries.push((opened.key, Rc::clone(&known)));
        Ok((opened, known))
    }

    pub(super) fn vdso(&self) -> Result<(OpenFile, Rc<KnownFile>)> {
        let (opened, known) = self.vdso.as_ref().context("the vDSO can't be read")?;
        Ok((OpenFile::own(opened.file.try_clone()?)?, Rc::clone(known)))
    }

    /// Back within the limits, the longest unused first.
    pub(super) fn trim(&mut self, effort: &Effort) {
        let kept = BYTES_KEPT.min(effort.bytes / 4);
        let mut total: u64 = self.entries.iter().map(|(_, known)| known.size_bytes()).sum();
        let mut drop = 0;
        while total > kept || self.entries.len() - drop > FILES_KEPT {
            total -= self.entries[drop].1.size_bytes();
            drop += 1;
        }
        self.entries.drain(..drop);
        self.evicted += drop as u64;
    }

    pub(super) fn clear(&mut self) {
        self.entries = vec![];
    }

    /// How many were forgotten to make room, since it was last asked.
    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }
}

/// The vDSO of this process: the kernel gives every process of this architecture the same.
fn own_vdso() -> Result<OpenFile> {
    use std::os::unix::fs::FileExt as _;

    const VDSO_BYTES_MAX: u64 = 64 << 10;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let range = maps.lines().find(|line| line.ends_with("[vdso]")).and_then(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    });
    let (start, end) = range.ok_or_else(|| anyhow::anyhow!("this process has no vDSO either"))?;
    let memory = std::fs::File::open(PathBuf::from("/proc/self/mem"))?;
    let bytes = read_at(&memory, start, (end - start).min(VDSO_BYTES_MAX))?;
    let copy = std::fs::File::from(in_memory("vdso")?);
    copy.write_all_at(&bytes, 0)?;
    OpenFile::own(copy)
}
