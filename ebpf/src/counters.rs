//! How the kernel side counts what it sent and what it could not send: one slot per stream and outcome, in a
//! per-CPU array, so that `sent + lost` is exact whatever the reader does.

/// What is sent where. The discriminant is the slot's row.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Execs, on the common ring.
    Exec = 0,
    /// Exits by status, on the common ring.
    Exit = 1,
    /// Deaths by signal and OOM kills, on the grave ring.
    Death = 2,
    /// OOM victims, on the grave ring.
    Oom = 3,
    /// Crash captures, on the ring of their own.
    Crash = 4,
    /// Who sent the signals that end processes without a core dump, on the common ring.
    Signal = 5,
}

/// What became of one event. The discriminant is the slot's column.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On the ring.
    Sent = 0,
    /// The ring had no room: lost.
    RingFull = 1,
    /// The CPU's scratch record was in use, by the same program interrupted on this CPU: lost.
    ScratchBusy = 2,
    /// Sent, but its argv could not be read: the page was not resident.
    ArgvUnreadable = 3,
}

/// Every stream, in slot order.
pub const STREAMS: [Stream; 6] =
    [Stream::Exec, Stream::Exit, Stream::Death, Stream::Oom, Stream::Crash, Stream::Signal];
/// Every outcome, in slot order.
pub const OUTCOMES: [Outcome; 4] =
    [Outcome::Sent, Outcome::RingFull, Outcome::ScratchBusy, Outcome::ArgvUnreadable];
/// Slots of the counter array.
pub const SLOTS: u32 = 24;

const _: () = assert!(STREAMS.len() * OUTCOMES.len() == SLOTS as usize);

/// The slot of one counter.
pub const fn slot(stream: Stream, outcome: Outcome) -> u32 {
    stream as u32 * 4 + outcome as u32
}

/// A parent in the map of fork counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkParent {
    /// Its `start_boottime`, in nanoseconds.
    pub start_ns: u64,
    /// Its thread group id.
    pub tgid: u32,
    /// Explicit padding: keys are compared byte by byte.
    pub reserved: u32,
}

/// Most parents whose forks are counted at a time.
pub const FORK_PARENTS: u32 = 4096;

const _: () = assert!(size_of::<ForkParent>() == 16);
