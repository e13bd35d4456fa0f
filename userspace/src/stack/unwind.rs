//! From the registers and the captured stack to the chain of callers: by the files' own rules as far as they
//! go, then by frame pointers, then by the kernel's walk where it agrees. A frame that can't be true is left
//! out, and the chain ends there.

mod walk;

use std::time::Instant;

use super::calls::{CALL_BYTES, ends_in_call};
use super::capture::{BuildId, Capture, CapturedFrame, Register, Registers};
use super::cfi::Step;
use super::contents::ReadBudget;
use super::frame::SIGNAL_FRAME;
use super::image::read_at;
use super::load_map::{LoadMap, Module};
use super::notes::Notes;
use super::{FoundBy, Frame};

/// Deeper is recursion; what matters is near the crash.
const FRAMES_MAX: usize = 64;
/// Further up is another stack: of another thread, or of a signal's handler.
const STACK_BYTES_MAX: u64 = 64 << 20;

/// One frame, and the module it is in.
#[derive(Default)]
pub(super) struct FoundFrame<'m> {
    address: Option<u64>,
    /// An address inside the instruction that is at work: a return address is behind it.
    within: Option<u64>,
    module: Option<&'m Module>,
    captured: Option<(BuildId, u64)>,
    found_by: FoundBy,
    /// Whether it is the frame between a signal's handler and what it interrupted.
    signal: bool,
}

/// The chain of callers, the crashing instruction first.
pub(super) fn chain<'m>(
    capture: &Capture,
    map: &'m LoadMap,
    budget: &ReadBudget,
    deadline: Instant,
    notes: &mut Notes,
) -> Vec<FoundFrame<'m>> {
    let mut chain = Chain { capture, map, budget, notes, found: vec![] };
    let complete = match &capture.registers {
        Some(registers) => chain.follow(registers.clone(), deadline),
        None => {
            chain.notes.add("no registers were captured: only the kernel's own stack trace");
            false
        }
    };
    if !complete {
        chain.extend_by_walk();
    }
    if map.is_empty() {
        chain.notes.add("no module of the process could be opened");
    }
    chain.found
}

/// What needs no files: the crashing instruction itself.
pub fn bare(capture: &Capture) -> Vec<Frame> {
    let captured = file_frame(capture.frames.first());
    let address = capture.registers.as_ref().map(|it| it.ip);
    if captured.is_none() && address.is_none() {
        return vec![];
    }
    vec![
        FoundFrame {
            address,
            within: None,
            module: None,
            captured,
            found_by: FoundBy::Registers,
            ..FoundFrame::default()
        }
        .frame(),
    ]
}

impl FoundFrame<'_> {
    pub(super) fn frame(&self) -> Frame {
        let on_disk = self.module.filter(|it| it.usable().is_some());
        let offset =
            self.place().zip(self.address.zip(self.within)).and_then(|((module, within), (address, at))| {
                module.usable()?.known.image.offset_of(within)?.checked_add(address.checked_sub(at)?)
            });
        Frame {
            module: self.module.map(|it| it.name.clone()),
            build_id: on_disk
                .and_then(Module::build_id)
                .or(self.captured.as_ref().map(|it| &it.0))
                .map(ToString::to_string),
            offset: offset.or(self.captured.as_ref().map(|it| it.1)),
            address: self.address,
            function: self.signal.then(|| SIGNAL_FRAME.to_owned()),
            found_by: self.found_by,
            ..Frame::default()
        }
    }

    /// The module, and where in it, as its file counts; `None` where the file isn't what was loaded.
    pub(super) fn place(&self) -> Option<(&Module, u64)> {
        let module = self.module.filter(|it| it.usable().is_some())?;
        Some((module, self.within?.wrapping_sub(module.bias)))
    }
}

/// How one step went.
#[expect(clippy::large_enum_variant, reason = "it lives for one step")]
enum NextFrame {
    Caller {
        registers: Registers,
        exact: bool,
        found_by: FoundBy,
    },
    Outermost,
    /// Nobody knows the caller: why.
    Lost(String),
}

struct Chain<'c, 'm, 'n> {
    capture: &'c Capture,
    map: &'m LoadMap,
    budget: &'c ReadBudget,
    notes: &'n mut Notes,
    found: Vec<FoundFrame<'m>>,
}

impl<'m> Chain<'_, 'm, '_> {
    /// Whether it reached the outermost frame.
    fn follow(&mut self, mut registers: Registers, deadline: Instant) -> bool {
        let (mut exact, mut found_by) = (true, FoundBy::Registers);
        loop {
            let within = if exact { registers.ip } else { registers.ip.wrapping_sub(1) };
            let captured = if self.found.is_empty() { file_frame(self.capture.frames.first()) } else { None };
            let module =
                self.map.find(within).or_else(|| captured.as_ref().and_then(|_| self.map.nearest(within)));
            self.found.push(FoundFrame {
                address: Some(registers.ip),
                within: Some(within),
                module,
                captured,
                found_by,
                ..FoundFrame::default()
            });
            let lost = if self.found.len() >= FRAMES_MAX {
                format!("the stack is deeper than {FRAMES_MAX} frames: the rest is omitted")
            } else if Instant::now() >= deadline {
                "out of time: the stack may go on".to_owned()
            } else {
                match self.next(&registers, within, exact, module) {
                    NextFrame::Caller { registers: caller, exact: interrupted, found_by: by } => {
                        (registers, exact, found_by) = (caller, interrupted, by);
                        self.found.last_mut().expect("pushed above").signal = interrupted;
                        continue;
                    }
                    NextFrame::Outermost => return true,
                    NextFrame::Lost(why) => why,
                }
            };
            self.notes.add(format!("the stack ends at #{}: {lost}", self.found.len() - 1));
            return false;
        }
    }

    fn next(&self, registers: &Registers, within: u64, exact: bool, module: Option<&Module>) -> NextFrame {
        let Some(module) = module else {
            let lost = || {
                format!(
                    "{:#x} is not code of a known module, and nothing on the stack shows what jumped there",
                    registers.ip
                )
            };
            let caller = self.by_top_of_stack(registers).or_else(|| self.by_frame_pointer(registers));
            return caller.filter(|_| exact).unwrap_or_else(|| NextFrame::Lost(lost()));
        };
        let name = &module.name;
        let Some(file) = module.usable() else {
            return NextFrame::Lost(format!("{name} on disk is not the file that was loaded"));
        };
        let read = |address| self.read(address);
        let why = match file.known.rules(&file.opened, self.budget).step(
            within.wrapping_sub(module.bias),
            registers,
            &read,
        ) {
            Step::Outermost => return NextFrame::Outermost,
            Step::Caller { registers: caller, exact } => return self.checked(registers, caller, exact),
            Step::Unreadable(address) => return NextFrame::Lost(self.unreadable(address)),
            Step::NoRules => format!("{name} has no unwinding rules there"),
            Step::Broken => format!("the unwinding rules of {name} make no sense there"),
        };
        let leaf = || if exact { self.by_top_of_stack(registers) } else { None };
        let caller = self.by_frame_pointer(registers).or_else(leaf);
        caller.unwrap_or_else(|| NextFrame::Lost(format!("{why}, and there is no frame pointer to follow")))
    }

    /// A caller by the rules: it must be code, and further up. After a signal it may be anything, anywhere.
    fn checked(&self, registers: &Registers, caller: Registers, exact: bool) -> NextFrame {
        if caller.ip == 0 && !exact {
            return NextFrame::Outermost;
        }
        if !exact && self.map.find(caller.ip.wrapping_sub(1)).is_none() {
            return NextFrame::Lost(format!(
                "its return address, {:#x}, is not code of a known module",
                caller.ip
            ));
        }
        if !exact && caller.sp() <= registers.sp() {
            return NextFrame::Lost("its caller's frame would be below its own".to_owned());
        }
        NextFrame::Caller { registers: caller, exact, found_by: FoundBy::Cfi }
    }

    /// A call pushed the return address, and went nowhere.
    fn by_top_of_stack(&self, registers: &Registers) -> Option<NextFrame> {
        let ip = self.read(registers.sp()).filter(|it| self.is_behind_call(*it))?;
        let mut caller = registers.clone().with(Register::Rsp, registers.sp().wrapping_add(8));
        caller.ip = ip;
        Some(NextFrame::Caller { registers: caller, exact: false, found_by: FoundBy::ReturnAddress })
    }

    fn by_frame_pointer(&self, registers: &Registers) -> Option<NextFrame> {
        let frame =
            registers.get(Register::Rbp).filter(|it| *it >= registers.sp() && it.is_multiple_of(8))?;
        let ip = self.read(frame.checked_add(8)?)?;
        if !self.is_behind_call(ip) && !self.is_interrupted(ip, frame) {
            return None;
        }
        let caller = Registers::new(ip, frame.checked_add(16)?).with(Register::Rbp, self.read(frame)?);
        Some(NextFrame::Caller { registers: caller, exact: false, found_by: FoundBy::FramePointer })
    }

    /// Whether this may be an instruction that faulted, behind which a runtime's handler put a call of its own, as Go's does
    /// for sigpanic: it is code, and the frame above it was called as any other.
    fn is_interrupted(&self, ip: u64, frame: u64) -> bool {
        let above = self.read(frame).filter(|it| *it > frame && it.is_multiple_of(8));
        let caller = above.and_then(|it| self.read(it.checked_add(8)?));
        self.map.find(ip).is_some_and(|it| it.usable().is_some())
            && caller.is_some_and(|it| self.is_behind_call(it))
    }

    fn read(&self, address: u64) -> Option<u64> {
        let sp = self.capture.registers.as_ref()?.sp();
        let at = address
            .checked_sub(self.capture.stack_address.unwrap_or(sp))
            .and_then(|it| usize::try_from(it).ok());
        let bytes = at.and_then(|at| self.capture.stack.get(at..at.checked_add(8)?));
        match bytes {
            Some(bytes) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
            None => self.capture.top_of_stack.filter(|_| address == sp),
        }
    }

    fn unreadable(&self, address: u64) -> String {
        let sp = self.capture.registers.as_ref().map_or(0, Registers::sp);
        let captured = self.capture.stack.len();
        match address.checked_sub(sp) {
            Some(above) if captured > 0 && above < STACK_BYTES_MAX => {
                format!("its caller is {above} bytes up the stack, of which {captured} bytes were captured")
            }
            Some(_) if captured == 0 => "the stack could not be captured".to_owned(),
            _ => format!("its caller is at {address:#x}, which is not on the captured stack"),
        }
    }

    /// Whether a call could have put this return address there. What can't be checked passes, if it is code.
    fn is_behind_call(&self, address: u64) -> bool {
        let within = address.wrapping_sub(1);
        let Some(module) = self.map.find(within) else { return false };
        let Some(file) = module.usable() else { return true };
        let Some(last) = file.known.image.offset_of(within.wrapping_sub(module.bias)) else { return false };
        let Some(start) = last.checked_add(1).and_then(|end| end.checked_sub(CALL_BYTES)) else {
            return false;
        };
        read_at(&file.opened.file, start, CALL_BYTES).is_ok_and(|bytes| ends_in_call(&bytes))
    }
}

fn file_frame(frame: Option<&CapturedFrame>) -> Option<(BuildId, u64)> {
    match frame {
        Some(CapturedFrame::File { build_id, offset }) => Some((build_id.clone(), *offset)),
        _ => None,
    }
}
