//! The instruction at which a thread ended: one that is there to end programs, a breakpoint, or any other.

use serde::{Deserialize, Serialize};

/// How many bytes of code tell one from another: the longest of them has a prefix and an operand.
pub(super) const BYTES: u64 = 4;

/// What an instruction is there for, by its bytes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// `ud2` and its kin, which no CPU will ever run: `__builtin_trap()`, a check that a compiler put in, code that must
    /// never be reached.
    Undefined,
    /// `int3`: a breakpoint.
    Breakpoint,
    /// `hlt`, which user mode may not run: so musl ends a program.
    Halt,
    /// Another one, right behind a breakpoint: where the CPU is when it says that there was one.
    BehindBreakpoint,
    /// Any other.
    Other,
}

/// By the bytes that begin at the instruction pointer, and those that end there.
pub(super) fn at(before: &[u8], code: &[u8]) -> Option<Instruction> {
    // The prefixes with which compilers number their checks (`ud1` with an operand).
    let code = code.strip_prefix(&[0x67]).unwrap_or(code);
    Some(match code {
        [] => return None,
        // ud2, ud1, ud0 (Intel SDM, volume 2B).
        [0x0f, 0x0b | 0xb9 | 0xff, ..] => Instruction::Undefined,
        [0xcc, ..] | [0xcd, 0x03, ..] => Instruction::Breakpoint,
        [0xf4, ..] => Instruction::Halt,
        _ if before.ends_with(&[0xcc]) || before.ends_with(&[0xcd, 0x03]) => Instruction::BehindBreakpoint,
        _ => Instruction::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_told_from_other_code() {
        for (code, want) in [
            (&[0x0f, 0x0b][..], Some(Instruction::Undefined)),
            (&[0x67, 0x0f, 0xb9, 0x40], Some(Instruction::Undefined)),
            (&[0x0f, 0xff, 0xc0, 0x90], Some(Instruction::Undefined)),
            (&[0xcc, 0x90], Some(Instruction::Breakpoint)),
            (&[0xf4], Some(Instruction::Halt)),
            (&[0x0f, 0x04], Some(Instruction::Other)),
            (&[0x62, 0xf1, 0x7c, 0x48], Some(Instruction::Other)),
            (&[0x0f], Some(Instruction::Other)),
            (&[], None),
        ] {
            assert_eq!(at(&[0x90, 0x90], code), want, "{code:x?}");
        }
        for (before, want) in [
            (&[0x90, 0xcc][..], Instruction::BehindBreakpoint),
            (&[0xcd, 0x03], Instruction::BehindBreakpoint),
            (&[0xcc, 0x90], Instruction::Other),
            (&[], Instruction::Other),
        ] {
            assert_eq!(at(before, &[0x90]), Some(want), "{before:x?}");
        }
    }
}
