//! What is stated of open descriptors.

use crate::kinds::part::facts;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum DescriptorFact {
        /// How many the process has open.
        OpenDescriptors {
            /// Descriptors that are open now.
            open: u64,
        },
        /// How many it may have open.
        DescriptorLimit {
            /// The soft limit of open files (RLIMIT_NOFILE).
            limit: u64,
        },
        /// Scan after scan it was close to that.
        DescriptorsNearLimit {
            /// At least so much of the limit was in use, in percent.
            percent: u64,
            /// So many scans in a row.
            scans: u64,
        },
        /// How many inotify instances a user has, of whom the process has the most.
        InotifyInstances {
            /// The user's id.
            uid: u32,
            /// Instances of all the user's processes.
            used: u64,
            /// How many a user may have (fs.inotify.max_user_instances).
            limit: u64,
            /// Those of this process.
            own: u64,
        },
        /// What its newest descriptors are.
        NewestDescriptors {
            /// How many were looked at.
            looked_at: u64,
            /// How many are open.
            open: u64,
            /// Of each kind, the most frequent first; only so many kinds.
            kinds: Vec<DescriptorCount>,
        },
    }
}

facts! {
    /// Descriptors of one kind.
    pub struct DescriptorCount {
        /// What the descriptors refer to.
        pub kind: DescriptorKind,
        /// The folder of files, the device's path, or the kernel's name for what is something else.
        pub name: Option<Name>,
        /// How many of the listed descriptors are of this kind.
        pub count: u64,
    }
}

facts! {
    /// What a descriptor is.
    pub choice DescriptorKind {
        /// A socket of any family.
        Socket,
        /// An end of a pipe.
        Pipe,
        /// An epoll instance, made by epoll_create(2).
        Epoll,
        /// An inotify instance, made by inotify_init(2).
        Inotify,
        /// A file in memory (memfd_create).
        Memfd,
        /// A file that was deleted.
        DeletedFile,
        /// A file in the folder that is named.
        File,
        /// A device file below /dev.
        Device,
        /// Something else, by the kernel's name for it.
        Other,
    }
}
