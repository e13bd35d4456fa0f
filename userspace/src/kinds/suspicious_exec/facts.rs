//! What is stated of a program that began in an unusual way.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum ExecFact {
        /// It runs from memory: its executable is no file.
        ExecFromMemory {
            /// The name that its memfd was given.
            memfd: Name,
        },
        /// Its executable was deleted right after it started, and nothing took its place.
        ExecFileDeleted {
            /// The path the deleted file had.
            path: Name,
        },
        /// A program of user space is named as only kernel threads are.
        ExecNamedAsKernelThread {
            /// Its `comm`: at most 15 bytes that the process chose.
            name: Name,
            /// What it was told that its name is; absent where that is not known.
            argv0: Option<Name>,
        },
        /// It is a shell that takes its commands from a socket.
        ExecShellOnSocket {
            /// What its standard input is.
            socket: Socket,
        },
        /// It was run from a folder where everybody may write.
        ExecFromOpenFolder {
            /// The world-writable folder it was run from.
            folder: Name,
        },
        /// The file is another user's, who can change what root runs.
        ExecFileOwner {
            /// The user id of the file's owner.
            uid: u32,
        },
        /// The file, or a folder that it is in, has a name that `ls` does not show.
        ExecNameHidden {},
        /// It was run from /dev/shm, where nothing is kept over a boot.
        ExecFromSharedMemory {},
        /// A program that serves the network and seldom starts others started it.
        ExecByNetworkService {
            /// The name of the network service.
            service: Name,
        },
        /// How it was started.
        ExecStarted {
            /// The path of the executable that started it.
            path: Option<Name>,
            /// The user it runs as.
            uid: Option<u32>,
            /// The process that started it.
            parent: Who,
        },
        /// It was gone before it could be looked at: only the kernel's record of the exec is known.
        ExecUnseen {},
    }
}

facts! {
    /// A kind of socket.
    pub choice Socket {
        /// Of the internet's families.
        Network,
        /// Of this host (unix(7)).
        Local,
        /// A socket that is neither local nor an internet socket.
        OtherFamily,
    }
}
