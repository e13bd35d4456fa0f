//! What coverage is told by: hooks, ways, kinds and reasons, with the names that programs know them by.

use serde::Serialize;

/// Names as they stand in JSON and as labels of metrics.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order they are shown.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As programs know it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named! {
    /// A kernel tracepoint that a program is attached to, by the kernel's name for it.
    Hook {
        /// A process replaced its program.
        Exec = "sched_process_exec",
        /// The last thread of a process ended.
        Exit = "sched_process_exit",
        /// The OOM killer chose a victim.
        OomVictim = "mark_victim",
        /// A signal was generated, of which the fatal ones are taken.
        Signal = "signal_generate",
        /// A process started a child.
        Fork = "sched_process_fork",
    }
}

named! {
    /// The way an event comes.
    Way {
        /// Execs and exits by status.
        CommonRing = "common",
        /// The ring for captures of crashes.
        CrashRing = "crash",
        /// The urgent ring: deaths by signal and OOM kills.
        UrgentRing = "grave",
        /// The kernel's log, /dev/kmsg.
        KernelLog = "kmsg",
        /// A scan of /proc.
        Scan = "scan",
        /// The system's D-Bus.
        SystemBus = "dbus",
    }
}

named! {
    /// What an event tells of.
    EventKind {
        /// It could not be read, so nobody knows.
        Any = "any",
        /// A crash with its capture.
        Crash = "crash",
        /// A program was replaced.
        Exec = "exec",
        /// The last thread of a process ended.
        Exit = "exit",
        /// A record of the kernel's log.
        LogRecord = "kmsg",
        /// A victim was chosen.
        OomKill = "oom_kill",
        /// A process that a scan saw.
        Process = "process",
        /// A signal that ends a process without a core dump, and who sent it.
        Signal = "signal",
        /// What systemd said of a unit.
        Unit = "unit",
    }
}

named! {
    /// Why an event, or a part of it, was lost.
    LossReason {
        /// The page with argv was not resident, or the process was gone.
        ArgvUnreadable = "argv_unreadable",
        /// The bytes are no event.
        Malformed = "malformed",
        /// Newer records took its place before it was read.
        Overwritten = "overwritten",
        /// The process table has no room.
        ProcessTable = "process_table",
        /// The ring had no room.
        RingFull = "ring_full",
        /// The program was interrupted by itself on the same CPU.
        ScratchBusy = "scratch_busy",
    }
}
