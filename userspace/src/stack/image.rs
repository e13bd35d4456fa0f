//! One ELF file, read in parts and never trusted: its headers, its segments and its build-id. This much is
//! read, and kept, of every module of a crashed process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, bail};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::{LittleEndian as LE, pod};

use super::BuildId;

/// More program headers than any linker makes.
const SEGMENTS_MAX: usize = 256;
/// Most bytes read of one note segment; build-ids need a few dozen.
const NOTES_BYTES_MAX: u64 = 64 << 10;

pub(super) const FILE_HEADER_BYTES: usize = size_of::<FileHeader64<LE>>();
const PROGRAM_HEADER_BYTES: usize = size_of::<ProgramHeader64<LE>>();

/// A file that can be mapped to be run.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) build_id: Option<BuildId>,
    pub(super) entry: u64,
    /// Whether it runs only where it was linked for.
    pub(super) fixed: bool,
    pub(super) header: FileHeader64<LE>,
    pub(super) programs: Vec<ProgramHeader64<LE>>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug)]
struct Segment {
    executable: bool,
    offset: u64,
    address: u64,
    size_bytes: u64,
}

impl Image {
    pub(super) fn read(file: &File) -> Result<Self> {
        let bytes = read_at(file, 0, FILE_HEADER_BYTES as u64).context("it is too short for an ELF file")?;
        let header: FileHeader64<LE> = parse(&bytes)?[0];
        if header.e_ident.magic != elf::ELFMAG {
            bail!("it is not an ELF file");
        }
        if header.e_ident.class != elf::ELFCLASS64
            || header.e_ident.data != elf::ELFDATA2LSB
            || header.e_machine.get(LE) != elf::EM_X86_64
        {
            bail!("it is not for x86-64");
        }
        let programs = program_headers(file, &header)?;
        Ok(Self {
            build_id: programs.iter().find_map(|it| build_id(file, it)),
            entry: header.e_entry.get(LE),
            fixed: header.e_type.get(LE) == elf::ET_EXEC,
            segments: programs.iter().filter_map(Segment::of).collect(),
            programs,
            header,
        })
    }

    /// Where in the file the instruction at this address is; `None` where no instructions are.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let inside = |it: &Segment| Some((it.offset, within(address, it.address, it.size_bytes)?));
        let (offset, inside) = self.executable().find_map(inside)?;
        offset.checked_add(inside)
    }

    /// The inverse of [`Self::offset_of`].
    pub(super) fn address_of(&self, offset: u64) -> Option<u64> {
        let inside = |it: &Segment| Some((it.address, within(offset, it.offset, it.size_bytes)?));
        let (address, inside) = self.executable().find_map(inside)?;
        address.checked_add(inside)
    }

    fn executable(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|it| it.executable)
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

/// How far into a range a place is; `None`: it is outside. A file may claim a range that goes on beyond the last address.
fn within(place: u64, start: u64, size: u64) -> Option<u64> {
    place.checked_sub(start).filter(|inside| *inside < size)
}

/// Exactly these bytes of the file. The caller bounds `length`.
pub(super) fn read_at(file: &File, offset: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

pub(super) fn parse<T: pod::Pod>(bytes: &[u8]) -> Result<&[T]> {
    pod::slice_from_bytes(bytes, bytes.len() / size_of::<T>())
        .map(|(parsed, _)| parsed)
        .map_err(|()| anyhow::anyhow!("its headers are truncated"))
}

fn program_headers(file: &File, header: &FileHeader64<LE>) -> Result<Vec<ProgramHeader64<LE>>> {
    let count = usize::from(header.e_phnum.get(LE));
    if count == 0 || count > SEGMENTS_MAX || usize::from(header.e_phentsize.get(LE)) != PROGRAM_HEADER_BYTES {
        bail!("it has no usable program headers");
    }
    let bytes = read_at(file, header.e_phoff.get(LE), (count * PROGRAM_HEADER_BYTES) as u64)
        .context("its program headers are truncated")?;
    Ok(parse(&bytes)?.to_vec())
}

fn build_id(file: &File, header: &ProgramHeader64<LE>) -> Option<BuildId> {
    if header.p_type.get(LE) != elf::PT_NOTE {
        return None;
    }
    let length = header.p_filesz.get(LE).min(NOTES_BYTES_MAX);
    let align = if header.p_align.get(LE) == 8 { 8 } else { 4 };
    build_id_in(&read_at(file, header.p_offset.get(LE), length).ok()?, align)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_does_not_go_round() {
        for (place, start, size, want) in [
            (5, 5, 1, Some(0)),
            (6, 5, 1, None),
            (4, 5, u64::MAX, None),
            (5, u64::MAX - 10, 100, None),
            (u64::MAX, u64::MAX - 10, 100, Some(10)),
        ] {
            assert_eq!(within(place, start, size), want, "{place} {start} {size}");
        }
    }

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
        assert!(!image.fixed && image.build_id.is_some());
        let offset = image.offset_of(image.entry).unwrap();
        assert_eq!(image.address_of(offset), Some(image.entry));
        assert_eq!(
            (image.offset_of(0), image.offset_of(u64::MAX), image.address_of(u64::MAX)),
            (None, None, None)
        );
    }
}
