//! One step up the stack by a file's unwinding rules (DWARF call frame information). All general registers are
//! carried along, so that frames found by a register other than the stack or frame pointer are found too.

use gimli::{
    BaseAddresses, CfaRule, DebugFrame, EhFrame, EhFrameHdr, EndianSlice, EvaluationResult, Expression,
    FrameDescriptionEntry, LittleEndian, RegisterRule, UnwindContext, UnwindExpression, UnwindSection,
    UnwindTableRow, Value, X86_64,
};

use super::capture::Registers;

/// A file's expressions may loop; honest ones have a dozen steps.
const EXPRESSION_STEPS_MAX: u32 = 1000;
/// Pointers of what we read have eight bytes.
const ADDRESS_BYTES: u8 = 8;
/// Registers that a function need not preserve (System V ABI for x86-64).
const VOLATILE: [gimli::Register; 9] = [
    X86_64::RAX,
    X86_64::RDX,
    X86_64::RCX,
    X86_64::RSI,
    X86_64::RDI,
    X86_64::R8,
    X86_64::R9,
    X86_64::R10,
    X86_64::R11,
];

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// A file's rules. The addresses are the file's own.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// `.eh_frame`, which is loaded with the program: exceptions are thrown by it.
    pub(super) loaded: Option<LoadedRules>,
    /// `.debug_frame`, for debuggers: all there is where code is compiled without the other.
    pub(super) debug: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct LoadedRules {
    index: Option<Vec<u8>>,
    frames: Vec<u8>,
    bases: BaseAddresses,
}

/// What one step came to.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives for one step")]
pub(super) enum Step {
    /// The caller's registers; `exact`: its instruction pointer is where it was interrupted, not where it will
    /// return to.
    Caller { registers: Registers, exact: bool },
    /// The rules say: nobody called this.
    Outermost,
    /// No rules for this address.
    NoRules,
    /// The stack was needed at this address, which isn't captured.
    Unreadable(u64),
    /// The rules make no sense, or need what isn't known.
    Broken,
}

impl LoadedRules {
    /// Where `.eh_frame` is, as its index says.
    pub(super) fn frames_address(index: &[u8], index_address: u64) -> Option<u64> {
        let bases = BaseAddresses::default().set_eh_frame_hdr(index_address);
        let parsed = EhFrameHdr::new(index, LittleEndian).parse(&bases, ADDRESS_BYTES).ok()?;
        parsed.eh_frame_ptr().direct().ok()
    }

    /// Index and rules with their addresses, and `.text`'s address.
    pub(super) fn new(index: Option<(u64, Vec<u8>)>, (address, frames): (u64, Vec<u8>), text: u64) -> Self {
        let mut bases = BaseAddresses::default().set_eh_frame(address).set_text(text);
        if let Some((address, _)) = &index {
            bases = bases.set_eh_frame_hdr(*address);
        }
        Self { index: index.map(|it| it.1), frames, bases }
    }

    fn step(&self, address: u64, registers: &Registers, read: &dyn Fn(u64) -> Option<u64>) -> Step {
        let mut section = EhFrame::new(&self.frames, LittleEndian);
        section.set_address_size(ADDRESS_BYTES);
        let index = self
            .index
            .as_ref()
            .and_then(|index| EhFrameHdr::new(index, LittleEndian).parse(&self.bases, ADDRESS_BYTES).ok());
        // An index without its table is some linkers' way to say "search".
        let Some(table) = index.as_ref().and_then(gimli::ParsedEhFrameHdr::table) else {
            return search(&section, &self.bases, address, registers, read);
        };
        // gimli's own `fde_for_address` subtracts the two unchecked: a file whose table points before its frames
        // would overflow it.
        let entry = table.lookup(address, &self.bases).and_then(gimli::Pointer::direct).ok().and_then(|it| {
            let offset = it.checked_sub(self.bases.eh_frame.section?)?;
            let offset = gimli::EhFrameOffset(usize::try_from(offset).ok()?);
            section.fde_from_offset(&self.bases, offset, EhFrame::cie_from_offset).ok()
        });
        match entry {
            Some(entry) if entry.contains(address) => {
                step(&section, &self.bases, &entry, address, registers, read)
            }
            _ => Step::NoRules,
        }
    }
}

impl Rules {
    pub(super) fn size_bytes(&self) -> usize {
        let loaded =
            self.loaded.as_ref().map_or(0, |it| it.frames.len() + it.index.as_ref().map_or(0, Vec::len));
        loaded + self.debug.as_ref().map_or(0, Vec::len)
    }

    /// From a frame to its caller. `address` is one of the frame's instructions, as the file counts them.
    pub(super) fn step(
        &self,
        address: u64,
        registers: &Registers,
        read: &dyn Fn(u64) -> Option<u64>,
    ) -> Step {
        let loaded = self.loaded.as_ref().map_or(Step::NoRules, |it| it.step(address, registers, read));
        match (&loaded, &self.debug) {
            (Step::NoRules, Some(frames)) => {
                let mut section = DebugFrame::new(frames, LittleEndian);
                section.set_address_size(ADDRESS_BYTES);
                search(&section, &BaseAddresses::default(), address, registers, read)
            }
            _ => loaded,
        }
    }
}

fn search<'a, S: UnwindSection<Bytes<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    address: u64,
    registers: &Registers,
    read: &dyn Fn(u64) -> Option<u64>,
) -> Step {
    section
        .fde_for_address(bases, address, S::cie_from_offset)
        .map_or(Step::NoRules, |entry| step(section, bases, &entry, address, registers, read))
}

fn step<'a, S: UnwindSection<Bytes<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    entry: &FrameDescriptionEntry<Bytes<'a>>,
    address: u64,
    registers: &Registers,
    read: &dyn Fn(u64) -> Option<u64>,
) -> Step {
    let mut context = UnwindContext::new();
    let Ok(row) = entry.unwind_info_for_address(section, bases, &mut context, address) else {
        return Step::NoRules;
    };
    let machine = Machine { section, encoding: entry.cie().encoding(), registers, read };
    match machine.caller(row, entry.cie().return_address_register()) {
        Ok(Some(caller)) => Step::Caller { registers: caller, exact: entry.is_signal_trampoline() },
        Ok(None) => Step::Outermost,
        Err(CfiFailure::Unreadable(at)) => Step::Unreadable(at),
        Err(CfiFailure::Broken) => Step::Broken,
    }
}

enum CfiFailure {
    Unreadable(u64),
    Broken,
}

struct Machine<'m, S> {
    section: &'m S,
    encoding: gimli::Encoding,
    registers: &'m Registers,
    read: &'m dyn Fn(u64) -> Option<u64>,
}

impl<'a, S: UnwindSection<Bytes<'a>>> Machine<'_, S> {
    /// `None`: there is no caller.
    fn caller(
        &self,
        row: &UnwindTableRow<usize>,
        return_register: gimli::Register,
    ) -> Result<Option<Registers>, CfiFailure> {
        let frame = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                self.register(*register)?.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(expression) => self.evaluate(expression, None)?,
        };
        let ip = match row.register(return_register) {
            None | Some(RegisterRule::Undefined) => return Ok(None),
            Some(rule) => self.restored(&rule, return_register, frame)?.ok_or(CfiFailure::Broken)?,
        };
        let mut caller = self.registers.clone();
        // What a function need not preserve is unknown in its caller, unless a rule below restores it.
        VOLATILE.iter().for_each(|register| caller.set_numbered(usize::from(register.0), None));
        // By the definition of the frame address; a rule below may say otherwise, as a signal's does.
        caller.set_numbered(usize::from(X86_64::RSP.0), Some(frame));
        for number in 0..Registers::GENERAL {
            let register = gimli::Register(u16::try_from(number).map_err(|_| CfiFailure::Broken)?);
            let Some(rule) = row.register(register) else { continue };
            // A register that can't be restored is unknown from here on: that ends the chain only if it is needed.
            let value = self.restored(&rule, register, frame).ok().flatten();
            caller.set_numbered(number, value);
        }
        caller.ip = ip;
        Ok(Some(caller))
    }

    fn restored(
        &self,
        rule: &RegisterRule<usize>,
        register: gimli::Register,
        frame: u64,
    ) -> Result<Option<u64>, CfiFailure> {
        Ok(match rule {
            RegisterRule::SameValue => self.registers.numbered(usize::from(register.0)),
            RegisterRule::Offset(offset) => Some(self.load(frame.wrapping_add_signed(*offset))?),
            RegisterRule::ValOffset(offset) => Some(frame.wrapping_add_signed(*offset)),
            RegisterRule::Register(other) => Some(self.register(*other)?),
            RegisterRule::Expression(expression) => Some(self.load(self.evaluate(expression, Some(frame))?)?),
            RegisterRule::ValExpression(expression) => Some(self.evaluate(expression, Some(frame))?),
            RegisterRule::Constant(value) => Some(*value),
            _ => None,
        })
    }

    fn register(&self, register: gimli::Register) -> Result<u64, CfiFailure> {
        let known = if register == X86_64::RA {
            Some(self.registers.ip)
        } else {
            self.registers.numbered(usize::from(register.0))
        };
        known.ok_or(CfiFailure::Broken)
    }

    fn load(&self, address: u64) -> Result<u64, CfiFailure> {
        (self.read)(address).ok_or(CfiFailure::Unreadable(address))
    }

    fn evaluate(
        &self,
        expression: &UnwindExpression<usize>,
        initial: Option<u64>,
    ) -> Result<u64, CfiFailure> {
        let broken = |_| CfiFailure::Broken;
        let expression: Expression<Bytes<'a>> = expression.get(self.section).map_err(broken)?;
        let mut evaluation = expression.evaluation(self.encoding);
        evaluation.set_max_iterations(EXPRESSION_STEPS_MAX);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut state = evaluation.evaluate().map_err(broken)?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    evaluation.resume_with_register(Value::Generic(self.register(register)?))
                }
                EvaluationResult::RequiresMemory { address, size: ADDRESS_BYTES, space: None, .. } => {
                    evaluation.resume_with_memory(Value::Generic(self.load(address)?))
                }
                _ => return Err(CfiFailure::Broken),
            }
            .map_err(broken)?;
        }
        let value = evaluation.value_result().ok_or(CfiFailure::Broken)?;
        value.to_u64(u64::MAX).map_err(broken)
    }
}
