//! One ELF file, read in parts and never trusted: its segments, its build-id, its unwinding rules, and what a
//! copy of its symbols needs to know of its sections.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, bail};
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::{LittleEndian as LE, pod};

use super::BuildId;
use super::cfi::{LoadedRules, Rules};

/// More program headers than any linker makes.
const SEGMENTS_MAX: usize = 256;
/// More sections than any linker makes of an executable or a library.
const SECTIONS_MAX: usize = 16_384;
/// The names of the sections.
const NAMES_BYTES_MAX: u64 = 1 << 20;
/// One note segment.
const NOTES_BYTES_MAX: u64 = 64 << 10;
/// The unwinding rules of one file. A browser's has 20 MiB.
const RULES_BYTES_MAX: u64 = 32 << 20;

pub(super) const FILE_HEADER_BYTES: usize = size_of::<FileHeader64<LE>>();
pub(super) const PROGRAM_HEADER_BYTES: usize = size_of::<ProgramHeader64<LE>>();
pub(super) const SECTION_HEADER_BYTES: usize = size_of::<SectionHeader64<LE>>();

/// A file that can be mapped to be run.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) build_id: Option<BuildId>,
    pub(super) entry: u64,
    /// Whether it runs only where it was linked for.
    pub(super) fixed: bool,
    pub(super) rules: Rules,
    pub(super) header: FileHeader64<LE>,
    pub(super) sections: Vec<Section>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    executable: bool,
    offset: u64,
    address: u64,
    size_bytes: u64,
}

/// A section's header, and its name.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) header: SectionHeader64<LE>,
}

impl Image {
    pub(super) fn read(file: &File) -> Result<Self> {
        let bytes = read_at(file, 0, FILE_HEADER_BYTES as u64).context("it is too short for an ELF file")?;
        let header: FileHeader64<LE> = parse(&bytes)?[0];
        if header.e_ident.magic != elf::ELFMAG {
            bail!("it is no ELF file");
        }
        if header.e_ident.class != elf::ELFCLASS64
            || header.e_ident.data != elf::ELFDATA2LSB
            || header.e_machine.get(LE) != elf::EM_X86_64
        {
            bail!("it is not for x86-64");
        }
        let programs = program_headers(file, &header)?;
        let sections = section_headers(file, &header).unwrap_or_default();
        Ok(Self {
            build_id: programs.iter().find_map(|it| build_id(file, it)),
            entry: header.e_entry.get(LE),
            fixed: header.e_type.get(LE) == elf::ET_EXEC,
            rules: rules(file, &programs, &sections),
            segments: programs.iter().filter_map(Segment::of).collect(),
            sections,
            header,
        })
    }

    /// Where in the file the instruction at this address is; `None` where no instructions are.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let segment = self.executable().find(|it| address.wrapping_sub(it.address) < it.size_bytes)?;
        segment.offset.checked_add(address - segment.address)
    }

    /// The inverse of [`Self::offset_of`].
    pub(super) fn address_of(&self, offset: u64) -> Option<u64> {
        let segment = self.executable().find(|it| offset.wrapping_sub(it.offset) < it.size_bytes)?;
        segment.address.checked_add(offset - segment.offset)
    }

    fn executable(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|it| it.executable)
    }

    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|it| it.name == name)
    }
}

impl Segment {
    /// Only what is in the file: what is beyond has no instructions.
    fn of(header: &ProgramHeader64<LE>) -> Option<Self> {
        (header.p_type.get(LE) == elf::PT_LOAD).then(|| Self {
            executable: header.p_flags.get(LE) & elf::PF_X == elf::PF_X,
            offset: header.p_offset.get(LE),
            address: header.p_vaddr.get(LE),
            size_bytes: header.p_filesz.get(LE),
        })
    }
}

impl Section {
    pub(super) fn range(&self) -> (u64, u64) {
        (self.header.sh_offset.get(LE), self.header.sh_size.get(LE))
    }

    /// Whether it has bytes in the file.
    pub(super) fn is_stored(&self) -> bool {
        self.header.sh_type.get(LE) != elf::SHT_NOBITS && self.header.sh_size.get(LE) > 0
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.header.sh_flags.get(LE) & elf::SHF_COMPRESSED == elf::SHF_COMPRESSED
    }
}

/// Exactly these bytes of the file. The caller bounds `length`.
pub(super) fn read_at(file: &File, offset: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn read_bounded(file: &File, (offset, length): (u64, u64), max: u64) -> Option<Vec<u8>> {
    if length == 0 || length > max {
        return None;
    }
    read_at(file, offset, length).ok()
}

fn parse<T: pod::Pod>(bytes: &[u8]) -> Result<&[T]> {
    pod::slice_from_bytes(bytes, bytes.len() / size_of::<T>())
        .map(|(parsed, _)| parsed)
        .map_err(|()| anyhow::anyhow!("its headers are cut"))
}

fn program_headers(file: &File, header: &FileHeader64<LE>) -> Result<Vec<ProgramHeader64<LE>>> {
    let count = usize::from(header.e_phnum.get(LE));
    if count == 0 || count > SEGMENTS_MAX || usize::from(header.e_phentsize.get(LE)) != PROGRAM_HEADER_BYTES {
        bail!("it has no usable program headers");
    }
    let bytes = read_at(file, header.e_phoff.get(LE), (count * PROGRAM_HEADER_BYTES) as u64)
        .context("its program headers are cut")?;
    Ok(parse(&bytes)?.to_vec())
}

/// None is fine: what runs needs no sections.
fn section_headers(file: &File, header: &FileHeader64<LE>) -> Option<Vec<Section>> {
    let count = usize::from(header.e_shnum.get(LE));
    if count == 0 || count > SECTIONS_MAX || usize::from(header.e_shentsize.get(LE)) != SECTION_HEADER_BYTES {
        return None;
    }
    let bytes = read_at(file, header.e_shoff.get(LE), (count * SECTION_HEADER_BYTES) as u64).ok()?;
    let headers: &[SectionHeader64<LE>] = parse(&bytes).ok()?;
    let names = headers.get(usize::from(header.e_shstrndx.get(LE).0))?;
    let names = read_bounded(file, (names.sh_offset.get(LE), names.sh_size.get(LE)), NAMES_BYTES_MAX)?;
    let name = |header: &SectionHeader64<LE>| {
        let start = usize::try_from(header.sh_name.get(LE)).ok()?;
        let name = names.get(start..)?.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned())
    };
    Some(headers.iter().map(|it| Section { name: name(it).unwrap_or_default(), header: *it }).collect())
}

fn build_id(file: &File, header: &ProgramHeader64<LE>) -> Option<BuildId> {
    if header.p_type.get(LE) != elf::PT_NOTE {
        return None;
    }
    let range = (header.p_offset.get(LE), header.p_filesz.get(LE));
    let align = if header.p_align.get(LE) == 8 { 8 } else { 4 };
    build_id_in(&read_bounded(file, range, NOTES_BYTES_MAX)?, align)
}

/// Notes are: length of the name, length of the content, kind; name and content padded (elf(5)).
fn build_id_in(mut notes: &[u8], align: usize) -> Option<BuildId> {
    loop {
        let word = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?));
        let (name_length, length, kind) = (word(0)?, word(4)?, word(8)?);
        let content =
            12usize.checked_add(usize::try_from(name_length).ok()?.checked_next_multiple_of(align)?)?;
        // With an alignment of eight the content is aligned, not the name's length.
        let content = content.checked_next_multiple_of(align)?;
        let end = content.checked_add(usize::try_from(length).ok()?)?;
        if kind == elf::NT_GNU_BUILD_ID.0 && notes.get(12..16)? == b"GNU\0" {
            return BuildId::new(notes.get(content..end)?);
        }
        notes = notes.get(end.checked_next_multiple_of(align)?..)?;
    }
}

/// `.eh_frame` where the program itself would find it, by its segment; else by the sections' names.
fn rules(file: &File, programs: &[ProgramHeader64<LE>], sections: &[Section]) -> Rules {
    let section = |name: &str| {
        let found = sections.iter().find(|it| it.name == name && it.is_stored() && !it.is_compressed())?;
        Some((found.header.sh_addr.get(LE), read_bounded(file, found.range(), RULES_BYTES_MAX)?))
    };
    let text = sections.iter().find(|it| it.name == ".text").map_or(0, |it| it.header.sh_addr.get(LE));
    let indexed = || {
        let header = programs.iter().find(|it| it.p_type.get(LE) == elf::PT_GNU_EH_FRAME)?;
        let index_address = header.p_vaddr.get(LE);
        let index = read_bounded(file, (header.p_offset.get(LE), header.p_filesz.get(LE)), RULES_BYTES_MAX)?;
        let address = LoadedRules::frames_address(&index, index_address)?;
        let frames = section(".eh_frame").filter(|it| it.0 == address);
        let frames = frames.or_else(|| Some((address, to_end_of_segment(file, programs, address)?)))?;
        Some(LoadedRules::new(Some((index_address, index)), frames, text))
    };
    let unindexed = || Some(LoadedRules::new(None, section(".eh_frame")?, text));
    Rules { loaded: indexed().or_else(unindexed), debug: section(".debug_frame").map(|it| it.1) }
}

/// The bytes from this address on. How many of them are rules nobody says: they end by their own terminator.
fn to_end_of_segment(file: &File, programs: &[ProgramHeader64<LE>], address: u64) -> Option<Vec<u8>> {
    let into = |it: &ProgramHeader64<LE>| address.wrapping_sub(it.p_vaddr.get(LE));
    let holder = programs
        .iter()
        .filter(|it| it.p_type.get(LE) == elf::PT_LOAD)
        .find(|it| into(it) < it.p_filesz.get(LE))?;
    let length = (holder.p_filesz.get(LE) - into(holder)).min(RULES_BYTES_MAX);
    read_at(file, holder.p_offset.get(LE).checked_add(into(holder))?, length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_are_found_among_other_notes() {
        let note = |name: &[u8], kind: u32, content: &[u8]| {
            let mut note =
                [name.len(), content.len()].map(|it| u32::try_from(it).unwrap().to_le_bytes()).concat();
            note.extend(kind.to_le_bytes());
            note.extend(name);
            note.resize(note.len().next_multiple_of(4), 0);
            note.extend(content);
            note.resize(note.len().next_multiple_of(4), 0);
            note
        };
        let id = note(b"GNU\0", 3, &[0xab; 20]);
        let other = note(b"Go\0", 4, b"xyz");
        let found = |notes: &[u8]| build_id_in(notes, 4).map(|it| it.to_string());
        let want = Some("ab".repeat(20));
        assert_eq!(found(&id), want);
        assert_eq!(found(&[other.clone(), id.clone()].concat()), want);
        assert_eq!(found(&other), None);
        assert_eq!(found(&note(b"GNU\0", 3, &[0; 20])), None);
        assert_eq!(found(&note(b"GNU\0", 3, &[])), None);
        assert_eq!(found(&[0xff; 64]), None);
        (0..id.len()).for_each(|length| assert_eq!(found(&id[..length]), None, "{length}"));
    }

    #[test]
    fn this_very_program_is_understood() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let image = Image::read(&file).unwrap();
        assert!(image.rules.loaded.is_some());
        assert!(!image.fixed && image.build_id.is_some() && image.section(".symtab").is_some());
        let offset = image.offset_of(image.entry).unwrap();
        assert_eq!(image.address_of(offset), Some(image.entry));
        assert_eq!(
            (image.offset_of(0), image.offset_of(u64::MAX), image.address_of(u64::MAX)),
            (None, None, None)
        );
    }
}
