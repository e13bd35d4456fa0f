//! A copy, in memory that nobody else can reach, of what names a file's addresses: its symbols and, where
//! there is, its debug information. A mapping of the file itself would let who owns the file end this
//! process: cut a mapped file, and reading it raises SIGBUS.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};
use object::elf::{self, CompressionHeader64};
use object::{LittleEndian as LE, pod};
use rustix::fs::{MemfdFlags, memfd_create};

use super::contents::{ReadBudget, SECTION_HEADER_BYTES, Section};
use super::effort::Effort;
use super::files::OpenFile;
use super::image::{FILE_HEADER_BYTES, Image, read_at};

/// The symbol tables of one file and their names. Chromium's have 60 MiB; a large server's, 10.
const SYMBOLS_BYTES_MAX: u64 = 32 << 20;
/// The debug information of one file, uncompressed.
const DEBUG_BYTES_MAX: u64 = 96 << 20;
/// How much is copied at once.
const CHUNK_BYTES: u64 = 256 << 10;

/// The sections that lead from an address to a function, a file and a line.
const DEBUG_SECTIONS: [&str; 12] = [
    ".debug_abbrev",
    ".debug_addr",
    ".debug_aranges",
    ".debug_info",
    ".debug_line",
    ".debug_line_str",
    ".debug_ranges",
    ".debug_rnglists",
    ".debug_str",
    ".debug_str_offsets",
    ".debug_types",
    ".debug_loclists",
];

/// The copy: an ELF file without content to run.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) memory: File,
    pub(super) size_bytes: u64,
    /// Whether debug information is in it.
    pub(super) debug: bool,
    /// What was left out, and why.
    pub(super) left_out: Option<String>,
}

impl Snapshot {
    pub(super) fn take(
        opened: &OpenFile,
        image: &Image,
        sections: &[Section],
        effort: &Effort,
        budget: &ReadBudget,
    ) -> Result<Self> {
        let mut wanted = vec![false; sections.len()];
        let symbols = mark_symbols(sections, &mut wanted, budget);
        let (debug_bytes, no_debug) = match debug_bytes(opened, sections, effort, budget) {
            Ok(bytes) => (bytes, None),
            Err(reason) => (0, Some(reason)),
        };
        let names = usize::from(image.header.e_shstrndx.get(LE).0);
        for (number, section) in sections.iter().enumerate() {
            wanted[number] |= number == names || (debug_bytes > 0 && is_debug(section));
        }
        let (memory, size_bytes) = copy(&opened.file, image, sections, &wanted)?;
        // Compressed, debug information is small here and large once it is read.
        let size_bytes = size_bytes.max(debug_bytes);
        Ok(Self { memory, size_bytes, debug: debug_bytes > 0, left_out: symbols.err().or(no_debug) })
    }
}

/// How many bytes of debug information there are; or why they are left alone.
fn debug_bytes(
    opened: &OpenFile,
    sections: &[Section],
    effort: &Effort,
    budget: &ReadBudget,
) -> Result<u64, String> {
    if !has_debug(sections) {
        return Ok(0);
    }
    if effort.frugal {
        return Err("its debug information is left alone, and with it lines and inlined functions".to_owned());
    }
    let mut total: u64 = 0;
    for section in sections.iter().filter(|it| is_debug(it)) {
        let (offset, mut length) = section.range();
        if section.is_compressed() {
            // A few bytes may unfold to gigabytes, whatever their header says: then the limit of memory ends this.
            length = unfolded(&opened.file, offset).ok_or("its debug information is damaged")?;
        }
        total = total.saturating_add(length);
    }
    if total > DEBUG_BYTES_MAX {
        return Err(format!(
            "its debug information has {total} bytes, more than the {DEBUG_BYTES_MAX} allowed"
        ));
    }
    if !budget.take(total) {
        return Err(format!(
            "its debug information has {total} bytes, too many with the other files of this stack"
        ));
    }
    Ok(total)
}

/// Whether there is debug information in the file itself.
pub(super) fn has_debug(sections: &[Section]) -> bool {
    sections.iter().any(|it| it.name == ".debug_info" && it.is_stored())
}

fn unfolded(file: &File, offset: u64) -> Option<u64> {
    let bytes = read_at(file, offset, size_of::<CompressionHeader64<LE>>() as u64).ok()?;
    let (header, _) = pod::from_bytes::<CompressionHeader64<LE>>(&bytes).ok()?;
    Some(header.ch_size.get(LE))
}

fn is_debug(section: &Section) -> bool {
    section.is_stored() && DEBUG_SECTIONS.contains(&section.name.as_str())
}

/// The symbol tables, with their names' sections.
fn mark_symbols(sections: &[Section], wanted: &mut [bool], budget: &ReadBudget) -> Result<(), String> {
    let mut total: u64 = 0;
    for (number, section) in sections.iter().enumerate() {
        let kind = section.header.sh_type.get(LE);
        if (kind != elf::SHT_SYMTAB && kind != elf::SHT_DYNSYM) || section.is_compressed() {
            continue;
        }
        let names = usize::try_from(section.header.sh_link.get(LE)).unwrap_or(usize::MAX);
        let Some(strings) = sections.get(names).filter(|it| it.is_stored() && !it.is_compressed()) else {
            continue;
        };
        let bytes = section.range().1.saturating_add(strings.range().1);
        total = total.saturating_add(bytes);
        if total > SYMBOLS_BYTES_MAX || !budget.take(bytes) {
            return Err(format!("its symbols have {total} bytes: too many"));
        }
        wanted[number] = true;
        wanted[names] = true;
    }
    Ok(())
}

/// Header, section headers, the wanted sections one after another. Headers of the others are blank, so that
/// their numbers stay.
fn copy(file: &File, image: &Image, sections: &[Section], wanted: &[bool]) -> Result<(File, u64)> {
    let memory = File::from(in_memory("symbols")?);
    let headers_at = FILE_HEADER_BYTES as u64;
    let mut end = headers_at + (sections.len() * SECTION_HEADER_BYTES) as u64;
    let mut headers = Vec::with_capacity(sections.len() * SECTION_HEADER_BYTES);
    for (section, wanted) in sections.iter().zip(wanted) {
        if *wanted {
            let mut header = section.header;
            // Readers may want numbers aligned.
            end = end.next_multiple_of(16);
            let (offset, length) = section.range();
            copy_range(file, offset, length, &memory, end)
                .with_context(|| format!("its {} is truncated", section.name))?;
            header.sh_offset.set(LE, end);
            end += length;
            headers.extend_from_slice(pod::bytes_of(&header));
        } else {
            headers.resize(headers.len() + SECTION_HEADER_BYTES, 0);
        }
    }
    let mut header = image.header;
    header.e_phoff.set(LE, 0);
    header.e_phnum.set(LE, 0);
    header.e_shoff.set(LE, headers_at);
    if sections.is_empty() {
        header.e_shnum.set(LE, 0);
    }
    memory.write_all_at(pod::bytes_of(&header), 0)?;
    memory.write_all_at(&headers, headers_at)?;
    Ok((memory, end))
}

fn copy_range(from: &File, mut offset: u64, mut length: u64, to: &File, mut at: u64) -> Result<()> {
    while length > 0 {
        let bytes = read_at(from, offset, length.min(CHUNK_BYTES))?;
        to.write_all_at(&bytes, at)?;
        let copied = bytes.len() as u64;
        (offset, at, length) = (offset + copied, at + copied, length - copied);
    }
    Ok(())
}

/// An anonymous file. Kernels before 6.3 don't know that it can't be executed.
pub(super) fn in_memory(name: &str) -> Result<std::os::fd::OwnedFd> {
    memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create(name, MemfdFlags::CLOEXEC))
        .context("not enough memory for a copy")
}
