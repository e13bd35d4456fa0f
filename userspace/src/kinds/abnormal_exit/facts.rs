//! What is stated of abnormal exits alone.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum AbnormalExitFact {
        /// It was a service: meant to run on, and no person reads its exit status.
        Service {
            /// Why it counts as one.
            role: ServiceRole,
            /// Its parent when it ended.
            parent: Who,
        },
        /// SIGKILL ended it, the OOM killer had not chosen it, and the kernel's word on who sent it is missing.
        KilledByUnknown {},
        /// systemd was asked to end its unit, and it took SIGKILL to do so.
        StoppedByKill {
            /// The unit's name.
            unit: Name,
            /// Whether the unit was to be started again after that.
            restart: bool,
            /// From the beginning of the stop to the end, in milliseconds.
            after_ms: u64,
        },
    }
}

facts! {
    /// Why something is a service, the strongest reason first.
    pub choice ServiceRole {
        /// A supervisor started it: init, a service manager, a container's runtime.
        Supervised,
        /// It is what its container was started for.
        FirstOfContainer,
        /// Whoever started it is gone, and it has no terminal.
        Daemon,
        /// A program that is no shell started it, without a terminal, and it mostly waited.
        Unattended,
    }
}
