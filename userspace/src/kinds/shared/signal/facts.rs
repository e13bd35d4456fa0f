//! What is stated of the signal that ended a process.

use crate::kinds::part::facts;
use crate::kinds::pieces::Sender;
use crate::model::SignalWay;

facts! {
    /// The statements on a signal.
    pub enum SignalFact {
        /// Another process sent the signal on purpose.
        SignalSent {
            /// The signal's number (signal(7)).
            signal: u8,
            /// The process that sent the signal.
            by: Sender,
            /// By which way; absent where an early version wrote the statement.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            way: Option<SignalWay>,
        },
        /// The signal came because another process had ended.
        SignalFollowed {
            /// The signal's number (signal(7)).
            signal: u8,
            /// The process that ended.
            of: Sender,
            /// What that process was to it.
            way: SignalWay,
        },
        /// Its thread took such a signal in a handler, which then sent it to the process once more, to end it. All that is
        /// told of the signal is of that first one.
        SignalAgain {
            /// The signal's number (signal(7)).
            signal: u8,
        },
        /// The process's own doing raised the signal.
        SignalRaised {
            /// The signal's number (signal(7)).
            signal: u8,
            /// What raised the signal, by its `si_code`.
            reason: SignalReason,
            /// Where: the address it accessed or the instruction it ran; absent where the kernel means no address.
            address: Option<u64>,
        },
        /// The signal came for another thread than the main one.
        OtherThread {
            /// The id of the thread that crashed.
            tid: u32,
        },
    }
}

facts! {
    /// What raised a signal, as the kernel's `si_code` says (sigaction(2)).
    pub choice SignalReason {
        /// It ended itself: abort(3), an assertion or a panic.
        Abort,
        /// It accessed the first page, where nothing is mapped (`SEGV_MAPERR`): a null pointer, or a field of one.
        NullPointer,
        /// It accessed an address where nothing is mapped (`SEGV_MAPERR`).
        NothingMapped,
        /// It accessed an address beside the stack pointer, where its stack had no more room.
        BeyondStack,
        /// It accessed memory in a way that is forbidden there (`SEGV_ACCERR`).
        ForbiddenAccess,
        /// It accessed an address that cannot exist (a general protection fault).
        ImpossibleAddress,
        /// It accessed a misaligned address (`BUS_ADRALN`).
        MisalignedAddress,
        /// It accessed what lies beyond the end of a mapped file (`BUS_ADRERR`).
        BeyondFile,
        /// The hardware found its memory damaged (`BUS_MCEERR_AR`, `BUS_MCEERR_AO`).
        HardwareMemoryError,
        /// It ran an instruction that the CPU refused: one that it does not have, or a trap.
        UnknownInstruction,
        /// It divided an integer by zero (`FPE_INTDIV`).
        DivisionByZero,
        /// An integer overflowed (`FPE_INTOVF`).
        IntegerOverflow,
        /// An arithmetic fault of another kind.
        ArithmeticFault,
        /// It ran into a trap or a breakpoint.
        Trap,
        /// It made a system call that its seccomp filter forbids.
        ForbiddenSystemCall,
        /// It sent the signal to itself: kill(2), raise(3).
        Itself,
        /// A timer of its own: alarm(2), setitimer(2), timer_create(2).
        Timer,
        /// It had used as much CPU time as RLIMIT_CPU allows.
        CpuLimit,
        /// It wrote more to a file than RLIMIT_FSIZE allows.
        FileSizeLimit,
        /// Its terminal sent it: a key, or a hang-up.
        Terminal,
        /// The kernel sent it, for a reason that is not known.
        Kernel,
    }
}
