//! What is read of a file only when a stack leads through it: its sections' headers and its unwinding rules,
//! within what one stack may cost.

use std::cell::Cell;
use std::fs::File;

use object::LittleEndian as LE;
use object::elf::{self, ProgramHeader64, SectionHeader64};

use super::cfi::{LoadedRules, Rules};
use super::image::{Image, parse, read_at};

/// More sections than any linker makes of an executable or a library.
const SECTIONS_MAX: usize = 16_384;
/// The longest name of a section that means something here has 18.
const NAME_BYTES_MAX: usize = 24;
/// The unwinding rules of one file. A browser's has 20 MiB.
const RULES_BYTES_MAX: u64 = 32 << 20;

pub(super) const SECTION_HEADER_BYTES: usize = size_of::<SectionHeader64<LE>>();

/// What one stack may still cost.
#[derive(Debug)]
pub(super) struct ReadBudget {
    left_bytes: Cell<u64>,
    exceeded: Cell<bool>,
}

impl ReadBudget {
    pub(super) const fn new(bytes: u64) -> Self {
        Self { left_bytes: Cell::new(bytes), exceeded: Cell::new(false) }
    }

    /// Whether there is room for so much.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let left = self.left_bytes.get().checked_sub(bytes);
        self.left_bytes.set(left.unwrap_or(self.left_bytes.get()));
        self.exceeded.set(self.exceeded.get() || left.is_none());
        left.is_some()
    }

    /// Whether something was left out for lack of room.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }
}

/// A section's header, and its name.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) header: SectionHeader64<LE>,
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

/// None is fine: what runs needs no sections.
pub(super) fn sections(file: &File, image: &Image, budget: &ReadBudget) -> Option<Vec<Section>> {
    let header = &image.header;
    let count = usize::from(header.e_shnum.get(LE));
    if count == 0 || count > SECTIONS_MAX || usize::from(header.e_shentsize.get(LE)) != SECTION_HEADER_BYTES {
        return None;
    }
    if !budget.take((count * size_of::<Section>() * 2) as u64) {
        return None;
    }
    let bytes = read_at(file, header.e_shoff.get(LE), (count * SECTION_HEADER_BYTES) as u64).ok()?;
    let headers: &[SectionHeader64<LE>] = parse(&bytes).ok()?;
    let names = headers.get(usize::from(header.e_shstrndx.get(LE).0))?;
    let names = read_bounded(file, (names.sh_offset.get(LE), names.sh_size.get(LE)), budget)?;
    let name = |header: &SectionHeader64<LE>| {
        let start = usize::try_from(header.sh_name.get(LE)).ok()?;
        let name = names.get(start..)?.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_MAX)]).into_owned())
    };
    Some(headers.iter().map(|it| Section { name: name(it).unwrap_or_default(), header: *it }).collect())
}

/// `.eh_frame` where the program itself would find it, by its segment; else by the sections' names.
pub(super) fn rules(file: &File, image: &Image, sections: &[Section], budget: &ReadBudget) -> Rules {
    let programs = &image.programs;
    let section = |name: &str| {
        let found = sections.iter().find(|it| it.name == name && it.is_stored() && !it.is_compressed())?;
        Some((found.header.sh_addr.get(LE), read_bounded(file, found.range(), budget)?))
    };
    let text = sections.iter().find(|it| it.name == ".text").map_or(0, |it| it.header.sh_addr.get(LE));
    let indexed = || {
        let header = programs.iter().find(|it| it.p_type.get(LE) == elf::PT_GNU_EH_FRAME)?;
        let index_address = header.p_vaddr.get(LE);
        let index = read_bounded(file, (header.p_offset.get(LE), header.p_filesz.get(LE)), budget)?;
        let address = LoadedRules::frames_address(&index, index_address)?;
        let frames = section(".eh_frame").filter(|it| it.0 == address);
        let frames =
            frames.or_else(|| Some((address, to_end_of_segment(file, programs, address, budget)?)))?;
        Some(LoadedRules::new(Some((index_address, index)), frames, text))
    };
    let unindexed = || Some(LoadedRules::new(None, section(".eh_frame")?, text));
    Rules { loaded: indexed().or_else(unindexed), debug: section(".debug_frame").map(|it| it.1) }
}

/// The bytes from this address on. How many of them are rules nobody says: they end by their own terminator.
fn to_end_of_segment(
    file: &File,
    programs: &[ProgramHeader64<LE>],
    address: u64,
    budget: &ReadBudget,
) -> Option<Vec<u8>> {
    let into = |it: &ProgramHeader64<LE>| address.wrapping_sub(it.p_vaddr.get(LE));
    let holder = programs
        .iter()
        .filter(|it| it.p_type.get(LE) == elf::PT_LOAD)
        .find(|it| into(it) < it.p_filesz.get(LE))?;
    let length = (holder.p_filesz.get(LE) - into(holder)).min(RULES_BYTES_MAX);
    read_bounded(file, (holder.p_offset.get(LE).checked_add(into(holder))?, length), budget)
}

fn read_bounded(file: &File, (offset, length): (u64, u64), budget: &ReadBudget) -> Option<Vec<u8>> {
    if length == 0 || length > RULES_BYTES_MAX || !budget.take(length) {
        return None;
    }
    read_at(file, offset, length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_has_rules_and_symbols() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let image = Image::read(&file).unwrap();
        let budget = ReadBudget::new(64 << 20);
        let sections = sections(&file, &image, &budget).unwrap();
        assert!(sections.iter().any(|it| it.name == ".symtab" && it.is_stored()));
        assert!(rules(&file, &image, &sections, &budget).loaded.is_some());
        assert!(!budget.is_exceeded());
    }

    #[test]
    fn the_budget_refuses_what_does_not_fit_and_remembers() {
        let budget = ReadBudget::new(100);
        assert!(budget.take(99) && !budget.is_exceeded());
        assert!(!budget.take(2) && budget.take(1) && budget.is_exceeded());
        assert!(!budget.take(u64::MAX));
    }
}
