//! What is stated of a crash's stack.

use serde::{Deserialize, Serialize};

use crate::kinds::part::{Part, facts};
use crate::model::Name;

/// Frames by which two stacks of one fault are known for the same: deeper, callers differ.
const IDENTIFYING: usize = 6;

facts! {
    /// The statements on a stack.
    pub enum StackFact {
        /// The stack of the thread that crashed.
        CrashStack {
            /// The innermost frames, the crashing one first.
            frames: Frames,
            /// How many frames were found in all.
            depth: u32,
            /// Which of `frames`, counted from 0, is the fault's: the first one past the functions through which a
            /// program ends itself; in a recursion that filled the stack, the one after which it is named. Absent where
            /// none of the program's own is known.
            fault_frame: Option<u32>,
            /// The functions that call each other in turn and fill the stack: recursion.
            recursion: Vec<Name>,
        },
        /// What kind of instruction the thread was at, as the file of its code has it.
        AtInstruction {
            /// What it is there for.
            instruction: InstructionKind,
        },
    }
}

facts! {
    /// What an instruction is there for.
    pub choice InstructionKind {
        /// No CPU will ever run it (`ud2`): a trap that the compiler or the author put there.
        Undefined,
        /// A breakpoint (`int3`).
        Breakpoint,
        /// User mode may not run it (`hlt`): so some C libraries end a program.
        Halt,
        /// It is an ordinary one.
        Ordinary,
    }
}

impl InstructionKind {
    /// Whether it is there to end programs.
    pub const fn ends_programs(self) -> bool {
        !matches!(self, Self::Ordinary)
    }
}

facts! {
    /// One frame. What is not known for certain is absent.
    pub struct StackFrame {
        /// The function's name, demangled; `None` without symbols.
        pub function: Option<Name>,
        /// The source file by the debug information; `None` without.
        pub file: Option<Name>,
        /// The line in it.
        pub line: Option<u32>,
        /// The executable or library, as the process named it.
        pub module: Option<Name>,
        /// Where in the module, in bytes.
        pub offset: Option<u64>,
        /// Where in the process: of the crashing frame the instruction, of the others the return address.
        pub address: Option<u64>,
    }
}

/// Frames, the innermost first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frames(pub Vec<StackFrame>);

impl Part for Frames {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        self.0.each_name(act);
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        self.0.iter().take(IDENTIFYING).for_each(|frame| frame.identify(add));
    }
}
