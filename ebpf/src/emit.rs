//! Sending: two rings that never take each other's room, and exact counts of what was sent and what was not.

use ai_debugger_ebpf::counters::{Outcome, SLOTS, Stream, slot};
use ai_debugger_ebpf::event::{CrashEvent, OomEvent, ProcessEvent, ProcessHeader, SignalEvent};
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{PerCpuArray, RingBuf};

use crate::kernel::at;

/// OOM kills and deaths by signal: rare, each one wakes the reader. Userspace sets the size.
#[map]
static GRAVE: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// Execs, exits by status and senders of signals: many, drained in batches. Userspace sets the size.
#[map]
static COMMON: RingBuf = RingBuf::with_byte_size(8 * 1024 * 1024, 0);

/// Crash captures: large, so that they never take the room of a death. Userspace sets the size.
#[map]
static CRASHES: RingBuf = RingBuf::with_byte_size(1024 * 1024, 0);

/// One crash record per CPU.
#[map]
static CRASH_SCRATCH: PerCpuArray<CrashScratch> = PerCpuArray::with_max_entries(1, 0);

/// One record per CPU and program, too large for the stack.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// See [`ai_debugger_ebpf::counters`].
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(SLOTS, 0);

/// A record and whether a program on this CPU is in the middle of writing it.
#[repr(C)]
struct Scratch {
    busy: u64,
    event: ProcessEvent,
}

/// As [`Scratch`], for a crash.
#[repr(C)]
struct CrashScratch {
    busy: u64,
    event: CrashEvent,
    /// Never sent: makes every length that [`CRASH_LEN_MASK`] lets through a length within the value.
    padding: [u8; CRASH_LEN_MASK + 1 - size_of::<CrashEvent>()],
}

/// A mask that bounds a crash's length: every verifier follows a mask, and not every one a comparison that the
/// compiler has moved to another register.
const CRASH_LEN_MASK: usize = 16 * 1024 - 1;

/// The largest record: the header and everything `data` can hold.
const PROCESS_LEN_MAX: usize = size_of::<ProcessEvent>();

/// This CPU's record for the program of `stream`; `None`, counted, when it is in use.
/// Whoever borrows it sends it: sending gives it back.
#[inline(always)]
pub(crate) fn borrow_process(stream: Stream) -> Option<&'static mut ProcessEvent> {
    let scratch = SCRATCH.get_ptr_mut(u32::from(!matches!(stream, Stream::Exec)))?;
    // SAFETY: a map value of this CPU; only a program that interrupts this one could write it, and that one
    // sees `busy`.
    unsafe {
        if (*scratch).busy != 0 {
            count(stream, Outcome::ScratchBusy);
            return None;
        }
        (*scratch).busy = 1;
        Some(&mut (*scratch).event)
    }
}

/// This CPU's crash record; `None`, counted, when it is in use. Whoever borrows it sends it.
#[inline(always)]
pub(crate) fn borrow_crash() -> Option<&'static mut CrashEvent> {
    let scratch = CRASH_SCRATCH.get_ptr_mut(0)?;
    // SAFETY: as in `borrow_process`.
    unsafe {
        if (*scratch).busy != 0 {
            count(Stream::Crash, Outcome::ScratchBusy);
            return None;
        }
        (*scratch).busy = 1;
        Some(&mut (*scratch).event)
    }
}

/// Sends a crash and wakes the reader: the process may take long to dump its core before it ends.
#[inline(always)]
pub(crate) fn crash(event: &mut CrashEvent, len: usize) {
    // SAFETY: a local variable. Volatile, or the compiler would find the mask superfluous and drop it.
    let len = unsafe { core::ptr::read_volatile(&raw const len) } & CRASH_LEN_MASK;
    let event: *mut CrashEvent = event;
    // SAFETY: `event` lies in a CrashScratch, which has room for any masked length behind it.
    unsafe {
        let ring = core::ptr::from_ref(&CRASHES).cast_mut().cast();
        let failed = bpf_ringbuf_output(ring, event.cast(), len as u64, 0);
        count(Stream::Crash, if failed == 0 { Outcome::Sent } else { Outcome::RingFull });
    }
    give_back_crash(event);
}

/// Ends the borrow of [`borrow_crash`] where nothing is sent.
#[inline(always)]
pub(crate) fn give_back_crash(event: *mut CrashEvent) {
    // SAFETY: every CrashEvent lent out lies in a CrashScratch, behind its `busy`.
    unsafe {
        let scratch = event.cast::<u8>().sub(core::mem::offset_of!(CrashScratch, event));
        (*scratch.cast::<CrashScratch>()).busy = 0;
    }
}

/// Sends an exec or an exit by status; wakes the reader only when much is waiting.
#[inline(always)]
pub(crate) fn common(event: &mut ProcessEvent, len: usize, stream: Stream) {
    output(&COMMON, event, len, common_flags(), stream);
}

/// Sends who sent a signal, ahead of the end that it leads to: that one wakes the reader. Whether there was room.
#[inline(always)]
pub(crate) fn common_signal(event: &SignalEvent) -> bool {
    COMMON.output::<SignalEvent>(event, common_flags()).is_ok()
}

#[inline(always)]
fn common_flags() -> u64 {
    let waiting = COMMON.query(u64::from(BPF_RB_AVAIL_DATA));
    let wakes = waiting >= u64::from(at!(common_wake_bytes));
    u64::from(if wakes { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP })
}

/// Sends a death and wakes the reader.
#[inline(always)]
pub(crate) fn grave_process(event: &mut ProcessEvent, len: usize) {
    output(&GRAVE, event, len, 0, Stream::Death);
}

/// Sends an OOM victim and wakes the reader; whether there was room.
#[inline(always)]
pub(crate) fn grave_oom(event: &OomEvent) -> bool {
    GRAVE.output::<OomEvent>(event, 0).is_ok()
}

/// Adds one to a counter of this CPU.
#[inline(always)]
pub(crate) fn count(stream: Stream, outcome: Outcome) {
    if let Some(counter) = COUNTERS.get_ptr_mut(slot(stream, outcome)) {
        // SAFETY: a map value of this CPU.
        unsafe { *counter += 1 };
    }
}

#[inline(always)]
fn output(ring: &RingBuf, event: &mut ProcessEvent, len: usize, flags: u64, stream: Stream) {
    let len = if len > PROCESS_LEN_MAX { size_of::<ProcessHeader>() } else { len };
    let event: *mut ProcessEvent = event;
    // SAFETY: `event` is a whole ProcessEvent and `len` at most its size; the helper takes a ring's address.
    let failed = unsafe {
        bpf_ringbuf_output(core::ptr::from_ref(ring).cast_mut().cast(), event.cast(), len as u64, flags)
    };
    count(stream, if failed == 0 { Outcome::Sent } else { Outcome::RingFull });
    give_back(event);
}

/// Ends the borrow of [`borrow_process`].
#[inline(always)]
fn give_back(event: *mut ProcessEvent) {
    // SAFETY: every ProcessEvent lent out lies in a Scratch, behind its `busy`.
    unsafe {
        let scratch = event.cast::<u8>().sub(core::mem::offset_of!(Scratch, event)).cast::<Scratch>();
        (*scratch).busy = 0;
    }
}
