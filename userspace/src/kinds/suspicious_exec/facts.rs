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
        /// Whoever holds the other end of what it reads passes on what comes over a connection.
        ExecCommandsCarried {
            /// How the commands get to it.
            by: Carriage,
            /// Who has the connection.
            carrier: Who,
        },
        /// The connection that its commands come over.
        ExecConnection {
            /// This host's address.
            local_address: Name,
            /// This host's port.
            local_port: u16,
            /// The other end's address; absent where it has none.
            peer_address: Option<Name>,
            /// The other end's port.
            peer_port: Option<u16>,
        },
        /// It is a shell that a person types at.
        ExecShellOnTerminal {},
        /// It runs below a program that serves the network.
        ExecBelowService {
            /// That program.
            service: Who,
            /// The address that it listens on, where that was found.
            address: Option<Name>,
            /// The port that it listens on.
            port: Option<u16>,
        },
        /// It runs in the cgroup of a program that serves the network.
        ExecBesideService {
            /// That program.
            service: Who,
        },
        /// It acts as root, though it is another user's.
        ExecRightsKept {
            /// The user who started it.
            uid: Option<u32>,
        },
        /// Its file gives root's rights to whoever runs it, and no program is installed like that.
        ExecFileGivesRights {
            /// The path of the file.
            path: Name,
        },
        /// It loads a library from a folder where everybody may write, before all others.
        ExecPreload {
            /// The path of the library.
            path: Name,
        },
        /// What it runs is not its executable but a script, or a program that it loads.
        ExecRunsFile {
            /// The path of that file.
            path: Name,
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

facts! {
    /// How what comes over a connection gets to a shell.
    pub choice Carriage {
        /// By a terminal.
        Terminal,
        /// By pipes, or a FIFO, there and back.
        Pipes,
        /// By a socket of this host.
        LocalSocket,
    }
}
