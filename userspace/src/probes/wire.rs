//! The unsafe island of userspace: bytes from a ring as the wire contract's structs, and the layout as bytes
//! for the object. Nothing of a record is trusted beyond its length.

use std::mem::{offset_of, size_of};

use ai_debugger_ebpf::counters::ForkParent;
use ai_debugger_ebpf::event::{
    CRASH, CrashEvent, CrashHeader, EXEC, EXIT, FLAG_CAPTURED, FRAMES_MAX, MODULES_MAX, Module, OOM_VICTIM,
    OomEvent, ProcessHeader, SIGNAL, SignalEvent, StackFrame,
};
use ai_debugger_ebpf::formats::Formats;
use ai_debugger_ebpf::layout::Layout;

/// One record of a ring.
pub(super) enum RingRecord<'a> {
    /// An exec with its argv and its executable's path, or an exit with its argv and the names of its cgroup's path.
    Process { header: ProcessHeader, argv: &'a [u8], path: &'a [u8] },
    /// The OOM killer chose a victim.
    Oom(OomEvent),
    /// A signal that ends a process, and who sent it.
    Signal(SignalEvent),
    /// A crash, with what was captured of its stack.
    Crash {
        header: CrashHeader,
        frames: Vec<StackFrame>,
        modules: Vec<Module>,
        /// The names of the executable's path, upwards.
        path: &'a [u8],
        stack: &'a [u8],
    },
}

/// The record in `bytes`; `None` where they are not one.
pub(super) fn parse(bytes: &[u8]) -> Option<RingRecord<'_>> {
    match u32::from_ne_bytes(*bytes.first_chunk()?) {
        EXEC | EXIT => {
            let header: ProcessHeader = plain(bytes)?;
            let data = bytes.get(size_of::<ProcessHeader>()..)?;
            let (argv, rest) = data.split_at_checked(usize::try_from(header.argv_len).ok()?)?;
            let path = rest.get(..usize::try_from(header.exe_len).ok()?)?;
            Some(RingRecord::Process { header, argv, path })
        }
        OOM_VICTIM => plain(bytes).map(RingRecord::Oom),
        SIGNAL => plain(bytes).map(RingRecord::Signal),
        CRASH => {
            let header: CrashHeader = plain(bytes)?;
            if header.signal.flags & FLAG_CAPTURED == 0 {
                let (frames, modules) = (Vec::new(), Vec::new());
                return Some(RingRecord::Crash { header, frames, modules, path: &[], stack: &[] });
            }
            let frames = usize::try_from(header.frames_len).ok()? / size_of::<StackFrame>();
            let modules = usize::try_from(header.modules_len).ok()?;
            let path = bytes.get(offset_of!(CrashEvent, path)..offset_of!(CrashEvent, stack))?;
            let stack = bytes.get(offset_of!(CrashEvent, stack)..)?;
            Some(RingRecord::Crash {
                header,
                frames: array(bytes, offset_of!(CrashEvent, frames), frames.min(FRAMES_MAX))?,
                modules: array(bytes, offset_of!(CrashEvent, modules), modules.min(MODULES_MAX))?,
                path: path.get(..usize::try_from(header.path_len).ok()?)?,
                stack: stack.get(..usize::try_from(header.stack_len).ok()?)?,
            })
        }
        _ => None,
    }
}

/// Structs of integers and integer arrays without padding: any bytes are a valid value.
///
/// # Safety
/// Only for types of which that is true.
unsafe trait Plain: Copy {}
// SAFETY: `repr(C)`, integers and byte arrays only; sizes asserted in the wire contract.
unsafe impl Plain for ProcessHeader {}
// SAFETY: as above.
unsafe impl Plain for OomEvent {}
// SAFETY: as above.
unsafe impl Plain for SignalEvent {}
// SAFETY: as above.
unsafe impl Plain for CrashHeader {}
// SAFETY: as above.
unsafe impl Plain for StackFrame {}
// SAFETY: as above.
unsafe impl Plain for Module {}

/// `count` of them, from `offset` on.
fn array<T: Plain>(bytes: &[u8], offset: usize, count: usize) -> Option<Vec<T>> {
    (0..count).map(|index| plain(bytes.get(offset + index * size_of::<T>()..)?)).collect()
}

/// The `T` that `bytes` begin with; `None` where they are too few.
fn plain<T: Plain>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: the slice has the size of T, any bytes are a valid T, and the read needs no alignment.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The layout as a global of the object.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct LayoutGlobal(pub(super) Layout);

// SAFETY: `repr(C)`, u32 fields only, no padding; its size is asserted in the wire contract.
unsafe impl aya::Pod for LayoutGlobal {}

/// The tracepoints' formats as a global of the object.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct FormatsGlobal(pub(super) Formats);

// SAFETY: as above.
unsafe impl aya::Pod for FormatsGlobal {}

/// A key of the map of fork counts.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct ForkKey(pub(super) ForkParent);

// SAFETY: `repr(C)`, integers only, its padding explicit; its size is asserted in the wire contract.
unsafe impl aya::Pod for ForkKey {}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exec record with this argv, as the kernel would lay it out.
    fn record(kind: u32, argv: &[u8], argv_len: u32) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<ProcessHeader>()];
        bytes[..4].copy_from_slice(&kind.to_ne_bytes());
        let at = std::mem::offset_of!(ProcessHeader, argv_len);
        bytes[at..at + 4].copy_from_slice(&argv_len.to_ne_bytes());
        bytes.extend_from_slice(argv);
        bytes
    }

    #[test]
    fn a_whole_record_is_taken_apart() {
        let bytes = record(EXEC, b"a\0b\0", 4);
        let Some(RingRecord::Process { header, argv, path }) = parse(&bytes) else { panic!("not a process") };
        assert_eq!((header.kind, argv, path), (EXEC, &b"a\0b\0"[..], &b""[..]));
    }

    #[test]
    fn what_is_cut_or_unknown_is_none() {
        let whole = record(EXEC, b"a\0b\0", 4);
        for len in 0..whole.len() {
            assert!(parse(&whole[..len]).is_none(), "{len} bytes");
        }
        assert!(parse(&record(99, b"", 0)).is_none());
        assert!(parse(&record(EXIT, b"ab", u32::MAX)).is_none());
        assert!(parse(&OOM_VICTIM.to_ne_bytes()).is_none());
        assert!(parse(&CRASH.to_ne_bytes()).is_none());
        assert!(parse(&SIGNAL.to_ne_bytes()).is_none());
    }

    /// A crash record with these counts and this much room for its parts.
    fn crash(flags: u32, counts: [u32; 3], stack: usize) -> Vec<u8> {
        let mut bytes = vec![0; offset_of!(CrashEvent, stack) + stack];
        bytes[..4].copy_from_slice(&CRASH.to_ne_bytes());
        bytes[4..8].copy_from_slice(&flags.to_ne_bytes());
        let at = offset_of!(CrashHeader, frames_len);
        for (index, count) in counts.into_iter().enumerate() {
            bytes[at + index * 4..][..4].copy_from_slice(&count.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn a_crash_has_what_it_says_and_never_more_than_there_is() {
        let shape = |bytes: &[u8]| match parse(bytes) {
            Some(RingRecord::Crash { frames, modules, stack, .. }) => {
                Some((frames.len(), modules.len(), stack.len()))
            }
            _ => None,
        };
        assert_eq!(shape(&crash(FLAG_CAPTURED, [64, 3, 100], 100)), Some((2, 3, 100)));
        assert_eq!(
            shape(&crash(FLAG_CAPTURED, [u32::MAX, u32::MAX, 0], 0)),
            Some((FRAMES_MAX, MODULES_MAX, 0))
        );
        assert_eq!(shape(&crash(FLAG_CAPTURED, [0, 0, 101], 100)), None, "a stack that is cut");
        let mut path = crash(FLAG_CAPTURED, [0; 3], 0);
        let at = offset_of!(CrashHeader, path_len);
        path[at..at + 4].copy_from_slice(&769_u32.to_ne_bytes());
        assert_eq!(shape(&path), None, "a path longer than its room");
        assert_eq!(shape(&crash(0, [64, 3, 100], 100)), Some((0, 0, 0)), "nothing was captured");
        let header = &crash(0, [0; 3], 0)[..size_of::<CrashHeader>()];
        assert_eq!(shape(header), Some((0, 0, 0)));
        assert_eq!(shape(&header[..header.len() - 1]), None);
    }
}
