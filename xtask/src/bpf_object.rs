//! The object as an ELF file: taking the DWARF out of it, and making sure that what the loader and the kernel
//! need is in it.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use object::build::elf::{Builder, Section, SectionData};
use object::elf::{EM_BPF, SHF_EXECINSTR, SHT_STRTAB};

/// The kernel lets only GPL-compatible programs call the helpers that these need.
const LICENSE: &[u8] = b"Dual MIT/GPL\0";
/// Without these hooks the object cannot do its main job.
const REQUIRED_HOOKS: [&str; 2] = ["sched_process_exec", "sched_process_exit"];
/// The kinds of program that userspace knows how to load, by the first part of their section's name.
const PROGRAM_KINDS: [&str; 3] = ["tp_btf", "tracepoint", "raw_tp"];

/// The object without its DWARF sections. BTF, symbols and the relocations of programs and BTF stay.
pub(crate) fn strip(object: &[u8]) -> Result<Vec<u8>> {
    let mut elf = Builder::read(object)?;
    for section in &mut elf.sections {
        section.delete = is_debug(&name(section));
    }
    // Drops the symbols and relocations that were only of use to what is gone.
    elf.delete_orphans();
    // LLVM keeps the names of sections and symbols in one table; this writer wants one for each.
    if !elf.sections.iter().any(|section| matches!(section.data, SectionData::SectionString)) {
        add_section_names(&mut elf);
    }
    let mut stripped = Vec::new();
    elf.write(&mut stripped)?;
    Ok(stripped)
}

fn add_section_names(elf: &mut Builder<'_>) {
    let names = elf.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
}

/// What is in an object that passed `inspect`.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    programs: BTreeSet<String>,
    btf_bytes: usize,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} bytes of BTF; programs:", self.btf_bytes)?;
        self.programs.iter().try_for_each(|program| writeln!(f, "  {program}"))
    }
}

/// Makes sure that the object is one that loads: for BPF, with its license, its BTF and the programs it must
/// have, and without DWARF.
pub(crate) fn inspect(object: &[u8]) -> Result<Contents> {
    let elf = Builder::read(object).context("not an ELF file")?;
    ensure!(elf.header.e_machine == EM_BPF, "not for BPF: ELF machine {}", elf.header.e_machine);
    let section = |wanted: &str| {
        elf.sections
            .iter()
            .find(|section| name(section) == wanted)
            .with_context(|| format!("no section {wanted}"))
    };
    let license = content(section("license")?)?;
    ensure!(license == LICENSE, "the license is \"{}\"", license.escape_ascii());
    let btf_bytes = content(section(".BTF")?)?.len();
    ensure!(btf_bytes > 0 && !content(section(".BTF.ext")?)?.is_empty(), "the BTF is empty");

    let mut programs = BTreeSet::new();
    for section in &elf.sections {
        let name = name(section);
        ensure!(!is_debug(&name), "{name}: DWARF was not stripped");
        let executable = section.sh_flags.contains(SHF_EXECINSTR);
        // .text holds the functions that programs share.
        if executable && name != ".text" {
            let kind = name.split('/').next().unwrap_or_default();
            ensure!(PROGRAM_KINDS.contains(&kind), "{name}: not a kind of program that userspace loads");
            programs.insert(name);
        }
    }
    for hook in REQUIRED_HOOKS {
        let wanted = format!("tp_btf/{hook}");
        ensure!(programs.contains(&wanted), "no program in a section {wanted}");
    }
    Ok(Contents { programs, btf_bytes })
}

fn is_debug(section: &str) -> bool {
    section.strip_prefix(".rel").unwrap_or(section).starts_with(".debug_")
}

fn name(section: &Section<'_>) -> String {
    section.name.to_string()
}

fn content<'a>(section: &'a Section<'_>) -> Result<&'a [u8]> {
    match &section.data {
        SectionData::Data(bytes) => Ok(bytes),
        other => bail!("{}: not a section of plain data but {other:?}", name(section)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::Endianness;
    use object::elf::{EM_X86_64, ET_REL, Machine, SHF_ALLOC, SHT_PROGBITS};

    const EXEC: &str = "tp_btf/sched_process_exec";
    const EXIT: &str = "tp_btf/sched_process_exit";

    fn elf(machine: Machine, sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut elf = Builder::new(Endianness::Little, true);
        elf.header.e_type = ET_REL;
        elf.header.e_machine = machine;
        for (name, data) in sections {
            let section = elf.sections.add();
            section.name = (*name).to_owned().into_bytes().into();
            section.sh_type = SHT_PROGBITS;
            section.sh_addralign = 1;
            if name.contains('/') || *name == ".text" {
                section.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
            }
            section.data = SectionData::Data(data.to_vec().into());
        }
        add_section_names(&mut elf);
        let mut bytes = Vec::new();
        elf.write(&mut bytes).unwrap();
        bytes
    }

    fn good() -> Vec<(&'static str, &'static [u8])> {
        vec![
            (".text", b"t"),
            (EXEC, b"x"),
            (EXIT, b"y"),
            ("license", LICENSE),
            (".BTF", b"btf"),
            (".BTF.ext", b"e"),
        ]
    }

    fn check(sections: &[(&str, &[u8])], expected: &str) {
        let error = format!("{:#}", inspect(&elf(EM_BPF, sections)).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_good_object_and_each_way_to_be_a_bad_one() {
        let contents = inspect(&elf(EM_BPF, &good())).unwrap();
        assert_eq!(contents, Contents { programs: [EXEC.to_owned(), EXIT.to_owned()].into(), btf_bytes: 3 });

        let without = |name: &str| good().into_iter().filter(|(n, _)| *n != name).collect::<Vec<_>>();
        let with = |name, data| [without(name), vec![(name, data)]].concat();
        check(&without(EXIT), "no program in a section tp_btf/sched_process_exit");
        check(&without(".BTF"), "no section .BTF");
        check(&without("license"), "no section license");
        check(&with("license", b"Proprietary\0"), "Proprietary");
        check(&with(".BTF", b""), "the BTF is empty");
        check(&with(".debug_info", b"d"), "DWARF was not stripped");
        check(&with("kprobe/oom_kill_process", b"k"), "not a kind of program");
        assert!(inspect(&elf(EM_X86_64, &good())).unwrap_err().to_string().contains("not for BPF"));
        assert!(inspect(b"\x7fELF").is_err());
    }

    #[test]
    fn strip_takes_the_dwarf_and_nothing_else() {
        let debug: [(&str, &[u8]); 2] = [(".debug_info", b"dwarf"), (".debug_str", b"more dwarf")];
        let stripped = strip(&elf(EM_BPF, &[good(), debug.to_vec()].concat())).unwrap();
        assert_eq!(stripped, strip(&elf(EM_BPF, &good())).unwrap());
        inspect(&stripped).unwrap();
    }
}
