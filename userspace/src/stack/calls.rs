//! Telling a return address from any other number: it is right behind a call.

/// The longest call instruction, without its prefixes.
pub(super) const CALL_BYTES: u64 = 7;

/// Whether these bytes of x86-64 code can end in a call: relative (E8), or through a register or memory
/// (FF /2) in any of its lengths.
pub(super) fn ends_in_call(bytes: &[u8]) -> bool {
    let back = |count: usize| bytes.len().checked_sub(count).and_then(|at| bytes.get(at).copied());
    let indirect = |length: usize| {
        let modrm = back(length - 1).filter(|_| back(length) == Some(0xff) && length >= 2)?;
        let (mode, kind, base) = (modrm >> 6, (modrm >> 3) & 7, modrm & 7);
        let scaled = usize::from(mode != 3 && base == 4);
        let displacement = match (mode, base) {
            (1, _) => 1,
            (2, _) | (0, 5) => 4,
            (0, 4) if back(length - 2).is_some_and(|sib| sib & 7 == 5) => 4,
            _ => 0,
        };
        Some(kind == 2 && 2 + scaled + displacement == length)
    };
    back(5) == Some(0xe8) || [2, 3, 4, 6, 7].into_iter().any(|length| indirect(length) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_from_other_code() {
        for (bytes, want) in [
            (&[0x90, 0x90, 0xe8, 1, 2, 3, 4][..], true),          // call rel32
            (&[0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xd0], true),  // call *%rax
            (&[0x90, 0x90, 0x90, 0x90, 0x41, 0xff, 0xd4], true),  // call *%r12
            (&[0x90, 0x90, 0x90, 0x90, 0xff, 0x50, 0x18], true),  // call *0x18(%rax)
            (&[0x90, 0x90, 0x90, 0xff, 0x54, 0x24, 0x08], true),  // call *8(%rsp)
            (&[0x90, 0xff, 0x15, 1, 2, 3, 4], true),              // call *x(%rip)
            (&[0xff, 0x14, 0xc5, 1, 2, 3, 4], true),              // call *x(,%rax,8)
            (&[0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0xe0], false), // jmp *%rax
            (&[0x90, 0xff, 0x25, 1, 2, 3, 4], false),             // jmp *x(%rip)
            (&[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3], false), // ret
            (&[0x90, 0x90, 0x90, 0x90, 0x90, 0xff, 0x14], false), // cut before its scale
            (&[0xff; 7], false),
            (&[0xff], false),
            (&[], false),
        ] {
            assert_eq!(ends_in_call(bytes), want, "{bytes:x?}");
        }
    }
}
