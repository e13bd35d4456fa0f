//! A stack for people and programs: frames, the crashing one first, and why the chain ends where it does.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::BuildId;
use super::notes::{Notes, clean};

/// The function of a frame that the kernel made to call a signal's handler, as gdb has it. The next frame is
/// what the signal interrupted.
pub(super) const SIGNAL_FRAME: &str = "<signal handler called>";

/// The stack of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The frames, the crashing instruction first.
    pub frames: Vec<Frame>,
    /// Where and why the chain ends, what was doubted, what was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The instruction at which the thread was, as its file has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<super::Instruction>,
}

/// Frames of one stack, those of inlined functions included.
const FRAMES_MAX: usize = 200;
/// A build-id in hex.
const BUILD_ID_LENGTH_MAX: usize = 2 * BuildId::LENGTH_MAX;

/// The note on names that were not looked for.
pub(super) const NO_TIME: &str = "out of time: the remaining frames have no names";
/// How the note begins that stands for unwinding and names.
const BARE: &str = "no unwinding and no names";

impl Stack {
    /// What the kernel walked, and nothing made of it, for this reason.
    pub fn bare(frames: Vec<Frame>, why: &str) -> Self {
        Self { frames, notes: vec![format!("{BARE}: {why}")], instruction: None }
    }

    /// What may be kept of a stack that another process made: as many frames, as long and as clean words as ours have.
    #[must_use]
    pub fn checked(mut self) -> Self {
        let word = |it: &mut Option<String>| *it = it.take().map(|it| clean(&it));
        self.frames.truncate(FRAMES_MAX);
        for frame in &mut self.frames {
            [&mut frame.module, &mut frame.function, &mut frame.file].into_iter().for_each(word);
            let hex =
                |it: &String| it.len() <= BUILD_ID_LENGTH_MAX && it.bytes().all(|it| it.is_ascii_hexdigit());
            frame.build_id = frame.build_id.take().filter(hex);
        }
        let mut notes = Notes::default();
        self.notes.into_iter().for_each(|note| notes.add(note));
        Self { frames: self.frames, notes: notes.into_inner(), instruction: self.instruction }
    }

    /// With one more thing to say of it.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.notes.insert(0, note.into());
        self
    }

    /// Whether there was no time to find names: its site is another word than with them.
    pub fn is_bare(&self) -> bool {
        let noted = |what| self.notes.iter().any(|note| note.starts_with(what));
        noted(BARE) || noted(NO_TIME) && self.top_symbol().is_none()
    }
}

/// One frame. What isn't known for certain is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The file, as the process named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The file's build-id, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Where in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Where in the process: of the crashing frame the instruction, of the others the return address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u64>,
    /// The function's name, demangled; `None` without symbols.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source file by the debug information; `None` without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether the compiler put this function's body into the next frame's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
    /// How it was found.
    pub found_by: FoundBy,
}

/// How a frame was found, the surest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// The instruction pointer itself.
    #[default]
    Registers,
    /// By the unwinding rules in the file.
    Cfi,
    /// By the chain of frame pointers in the captured stack.
    FramePointer,
    /// By the return address on top of the stack, after a jump to what is no code.
    ReturnAddress,
    /// By the kernel's walk alone.
    KernelWalk,
}

impl fmt::Display for Stack {
    /// As gdb's `bt` has it; notes follow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in self.frames.iter().enumerate() {
            writeln!(f, "{:<3} {frame}", format!("#{number}"))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.inlined, self.address) {
            (true, _) => write!(f, "         (inlined) in ")?,
            (false, Some(address)) => write!(f, "{address:#018x} in ")?,
            (false, None) => write!(f, "                ?? in ")?,
        }
        write!(f, "{}", self.function.as_deref().unwrap_or("??"))?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " at {file}:{line}")?,
            (Some(file), None) => write!(f, " at {file}")?,
            _ => {}
        }
        match (&self.module, &self.build_id, self.offset) {
            (Some(module), _, Some(offset)) => write!(f, " ({module}+{offset:#x})"),
            (Some(module), _, None) => write!(f, " ({module})"),
            (None, Some(build_id), Some(offset)) => write!(f, " (build-id {build_id}+{offset:#x})"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_stack_reads_like_a_backtrace() {
        let named = |function: &str, address| Frame {
            module: Some("/usr/bin/app".to_owned()),
            build_id: Some("abcd".to_owned()),
            offset: Some(0x1139),
            address: Some(address),
            function: Some(function.to_owned()),
            ..Frame::default()
        };
        let source =
            Frame { file: Some("/src/app.c".to_owned()), line: Some(7), ..named("leaf", 0x5555_5555_5139) };
        let stack = Stack {
            frames: vec![
                Frame { address: Some(0), ..Frame::default() },
                Frame { inlined: true, ..source.clone() },
                source,
                Frame { function: None, module: None, address: None, ..named("", 1) },
            ],
            notes: vec!["the chain ends here".to_owned()],
            instruction: None,
        };
        expect![[r"
            #0  0x0000000000000000 in ??
            #1           (inlined) in leaf at /src/app.c:7 (/usr/bin/app+0x1139)
            #2  0x0000555555555139 in leaf at /src/app.c:7 (/usr/bin/app+0x1139)
            #3                  ?? in ?? (build-id abcd+0x1139)
            note: the chain ends here
        "]]
        .assert_eq(&stack.to_string());
        let json = serde_json::to_string(&stack).unwrap();
        assert_eq!(serde_json::from_str::<Stack>(&json).unwrap(), stack);
    }

    #[test]
    fn a_stack_without_names_for_want_of_time_is_bare() {
        let frame = |function: Option<&str>| Frame {
            module: Some("/usr/bin/app".to_owned()),
            function: function.map(str::to_owned),
            ..Frame::default()
        };
        let noted = |function, note: &str| Stack {
            frames: vec![frame(function)],
            notes: vec![note.to_owned()],
            ..Stack::default()
        };
        for (stack, bare) in [
            (Stack::bare(vec![frame(None)], "too many crashes at once"), true),
            (noted(None, NO_TIME), true),
            (noted(Some("main"), NO_TIME), false),
            (noted(None, "app gives no names: it is stripped"), false),
        ] {
            assert_eq!(stack.is_bare(), bare, "{stack:?}");
        }
    }
}
