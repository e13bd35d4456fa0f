//! The object with the programs: put into the kernel, its programs attached, its maps taken out; and how to say why
//! something of that failed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ai_debugger_ebpf::formats::Formats;
use ai_debugger_ebpf::layout::Layout;
use anyhow::{Context as _, Result};
use aya::maps::{MapData, PerCpuArray, PerCpuHashMap, RingBuf};
use aya::programs::{BtfTracePoint, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::layout::{self, KernelTypes};
use super::wire::{ForkKey, FormatsGlobal, LayoutGlobal};
use crate::coverage::{Delivery, Hook};

/// Where the kernel shows its own types.
pub const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The programs, built from `ebpf/` by `cargo xtask ebpf` and committed.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ebpf/dist/ai-debugger.bpf.o"));

/// Characters kept of the beginning and of the end of a reason.
const REASON_BEGIN: usize = 150;
const REASON_END: usize = 400;
/// Births and fatal signals remembered in the kernel, each, where fallback needs them.
const BIRTHS: u32 = 8192;
/// How often a program is given to the verifier that a signal interrupts.
const LOAD_TRIES: u32 = 5;

/// Sizes and paths that loading needs.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// Size of the ring of deaths by signal and OOM kills: a power of two, at least a page.
    pub grave_bytes: u32,
    /// Size of the ring of execs and exits by status: a power of two, at least a page.
    pub common_bytes: u32,
    /// Size of the ring of crash captures, up to 14 KiB each: a power of two, at least a page.
    pub crash_bytes: u32,
    /// Let the programs log through aya-log, for debugging them.
    pub log: bool,
    /// Where the kernel's types are; [`BTF`] where nothing is said.
    pub btf: Option<PathBuf>,
    /// What fallback reads; `/proc` where nothing is said.
    pub proc_root: Option<PathBuf>,
}

impl ProbeOptions {
    /// With the smallest rings, to see what can be attached.
    pub(super) fn small() -> Self {
        Self {
            grave_bytes: 4096,
            common_bytes: 4096,
            crash_bytes: 4096,
            log: false,
            btf: None,
            proc_root: None,
        }
    }
}

/// The loaded programs and the userspace ends of their maps.
pub(super) struct Loaded {
    /// Keeps the programs attached while it is there.
    pub(super) attached: Option<Ebpf>,
    /// Deaths by signal and OOM kills.
    pub(super) grave: RingBuf<MapData>,
    pub(super) crashes: RingBuf<MapData>,
    /// Execs and exits by status.
    pub(super) common: RingBuf<MapData>,
    pub(super) forks: Option<PerCpuHashMap<MapData, ForkKey, u64>>,
    /// What was sent and what was lost.
    pub(super) counters: Option<PerCpuArray<MapData, u64>>,
    /// Whether programs of classic tracepoints are attached, and whether these know a process's last thread.
    pub(super) fallback: Option<Fallback>,
    /// The programs' own log, when asked for.
    pub(super) logger: Option<EbpfLogger<&'static dyn log::Log>>,
}

/// What the fallback programs of this kernel can tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fallback {
    /// Whether a process's last thread is known as such.
    pub(super) ends_are_certain: bool,
}

/// How the events of each hook come, or why not.
pub(super) type Deliveries = Vec<(Hook, Delivery)>;

/// What could be loaded, and what of each hook.
pub(super) type LoadOutcome = (Result<Loaded>, Deliveries);

/// What is known of the kernel's types: for the programs, and for the loader.
pub(super) type Types = (KernelTypes, Btf);

/// The object with this kernel's layout and formats in it, loaded into the kernel up to its programs. Without types
/// only where there are formats.
pub(super) fn object(
    options: &ProbeOptions,
    formats: Formats,
    change: impl FnOnce(&mut Layout),
) -> Result<(Ebpf, Option<Types>)> {
    // The loader parses all of the kernel's BTF when it is made, asked or not. First of all and dropped at once,
    // so that nothing that stays is allocated above it, and the heap shrinks again.
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    let types = match types(options.btf.as_deref().unwrap_or(Path::new(BTF))) {
        Ok(types) => Some(types),
        Err(error) if formats == Formats::UNKNOWN => return Err(error),
        Err(_) => None,
    };
    let mut layout = types.as_ref().map_or(Layout::UNKNOWN, |(kernel, _)| kernel.layout);
    // A quarter full: the reader is woken before there is a reason to lose anything. Fallback needs it at once, while
    // the rest can be read from /proc.
    layout.common_wake_bytes = if formats == Formats::UNKNOWN { options.common_bytes / 4 } else { 0 };
    change(&mut layout);
    // Maps count against RLIMIT_MEMLOCK before 5.11; where it cannot be raised, the load itself will say so.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    let log_level = if options.log { aya_log::Level::Debug as u8 } else { 0 };
    let births = if formats == Formats::UNKNOWN { 1 } else { BIRTHS };
    let ebpf = loader
        .btf(types.as_ref().map(|(_, btf)| btf))
        .override_global("LAYOUT", &LayoutGlobal(layout), true)
        .override_global("FORMATS", &FormatsGlobal(formats), true)
        .override_global(aya_log::LEVEL, &log_level, false)
        .map_max_entries("GRAVE", options.grave_bytes)
        .map_max_entries("COMMON", options.common_bytes)
        .map_max_entries("CRASHES", options.crash_bytes)
        .map_max_entries("BORN", births)
        .map_max_entries("FATAL", births)
        .load(OBJECT)
        .context("cannot load the eBPF object")?;
    Ok((ebpf, types))
}

fn types(btf: &Path) -> Result<Types> {
    let kernel = layout::read(btf)?;
    let btf = Btf::parse(&kernel.btf, aya::Endianness::default()).context("cannot parse the hooks' types")?;
    Ok((kernel, btf))
}

/// Attaches the program of a BTF tracepoint.
pub(super) fn attach(ebpf: &mut Ebpf, hook: Hook, types: Option<&Types>) -> Result<()> {
    let (kernel, btf) = types.context("the kernel's types are not known")?;
    anyhow::ensure!(kernel.hooks.contains(&hook), "this kernel has no tracepoint {hook}");
    programs(hook).iter().try_for_each(|name| attach_program(ebpf, hook, name, btf))
}

/// The programs on a hook, by their names in the object.
const fn programs(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::Exec => &["sched_process_exec"],
        Hook::Exit => &["sched_process_exit"],
        Hook::OomVictim => &["mark_victim"],
        Hook::Signal => &["signal_generate", "signal_sent"],
        Hook::Fork => &["sched_process_fork"],
    }
}

fn attach_program(ebpf: &mut Ebpf, hook: Hook, name: &str, btf: &Btf) -> Result<()> {
    let program = ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))?;
    let program: &mut BtfTracePoint = program.try_into()?;
    load_program(|| program.load(hook.as_str(), btf))
        .with_context(|| format!("the kernel refused the program {name} on {hook}"))?;
    program.attach().with_context(|| format!("cannot attach {name} to {hook}"))?;
    Ok(())
}

/// The verifier gives up with EAGAIN when a signal is pending (kernel kernel/bpf/verifier.c, `do_check`): not the
/// program's fault, and no reason to go without it.
pub(super) fn load_program(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    for _ in 1..LOAD_TRIES {
        match load() {
            Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
    load()
}

pub(super) fn maps(mut ebpf: Ebpf, log: bool, fallback: Option<Fallback>) -> Result<Loaded> {
    let logger =
        if log { Some(EbpfLogger::init(&mut ebpf).context("cannot read the programs' log")?) } else { None };
    let mut take = |name: &str| ebpf.take_map(name).with_context(|| format!("the object has no map {name}"));
    let (grave, common, counters) = (take("GRAVE")?, take("COMMON")?, take("COUNTERS")?);
    let (crashes, forks) = (take("CRASHES")?, take("FORKS")?);
    Ok(Loaded {
        grave: grave.try_into().context("GRAVE is not a ring")?,
        crashes: crashes.try_into().context("CRASHES is not a ring")?,
        forks: Some(forks.try_into().context("FORKS is not a per-CPU hash map")?),
        common: common.try_into().context("COMMON is not a ring")?,
        counters: Some(counters.try_into().context("COUNTERS is not a per-CPU array")?),
        fallback,
        logger,
        attached: Some(ebpf),
    })
}

/// After a try to attach the program that tells all.
pub(super) fn delivery(attached: Result<()>) -> Delivery {
    match attached {
        Ok(()) => Delivery::Complete,
        Err(error) => Delivery::Absent(short(&format!("{error:#}"))),
    }
}

/// A verifier's log says in its last lines what it minded; the thousands before are not for people.
pub(super) fn short(reason: &str) -> String {
    let end = reason.char_indices().rev().nth(REASON_END).map_or(0, |(at, _)| at);
    let begin = reason.char_indices().nth(REASON_BEGIN).map_or(reason.len(), |(at, _)| at);
    if begin >= end { reason.to_owned() } else { format!("{} … {}", &reason[..begin], &reason[end..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_keeps_both_its_ends() {
        assert_eq!(short("no BTF"), "no BTF");
        let long = format!("refused: {}\nR2 min value is outside", "é".repeat(5000));
        let kept = short(&long);
        assert!(kept.starts_with("refused: é") && kept.ends_with("R2 min value is outside"), "{kept}");
        assert!(kept.chars().count() < REASON_BEGIN + REASON_END + 10);
    }
}
