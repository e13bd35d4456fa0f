//! The unsafe island of userspace: bytes from a ring as the wire contract's structs, and the layout as bytes
//! for the object. Nothing of a record is trusted beyond its length.

use std::mem::size_of;

use ai_debugger_ebpf::event::{EXEC, EXIT, OOM_VICTIM, OomEvent, ProcessHeader};
use ai_debugger_ebpf::layout::Layout;

/// One record of a ring.
pub(super) enum Record<'a> {
    /// An exec or exit, with its argv and its executable's path.
    Process { header: ProcessHeader, argv: &'a [u8], exe: &'a [u8] },
    /// An OOM victim.
    Oom(OomEvent),
}

/// The record in `bytes`; `None` where they are not one.
pub(super) fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    match u32::from_ne_bytes(*bytes.first_chunk()?) {
        EXEC | EXIT => {
            let header: ProcessHeader = plain(bytes)?;
            let data = bytes.get(size_of::<ProcessHeader>()..)?;
            let (argv, rest) = data.split_at_checked(usize::try_from(header.argv_len).ok()?)?;
            let exe = rest.get(..usize::try_from(header.exe_len).ok()?)?;
            Some(Record::Process { header, argv, exe })
        }
        OOM_VICTIM => plain(bytes).map(Record::Oom),
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
        let Some(Record::Process { header, argv, exe }) = parse(&bytes) else { panic!("not a process") };
        assert_eq!((header.kind, argv, exe), (EXEC, &b"a\0b\0"[..], &b""[..]));
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
    }
}
