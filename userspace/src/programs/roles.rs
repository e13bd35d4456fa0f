//! The roles that a program can have. A name in the data file and in the configuration is one of these in lower case.

use bitflags::bitflags;

bitflags! {
    /// What a program is; it can be several things.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Roles: u32 {
        /// Runs commands that a person or a script gives it.
        const SHELL = 1;
        /// Takes the program to run as an argument.
        const INTERPRETER = 1 << 1;
        /// Its status 1 is an answer and no failure, as its manual page says.
        const ANSWER = 1 << 2;
        /// People and scripts run it for a result, again and again until they have it: clients and probes, the tools
        /// of builds and tests, package managers. It is no service.
        const COMMAND = 1 << 3;
        /// Builds programs: it runs what anybody wrote, in temporary folders, and removes it.
        const BUILDER = 1 << 4;
        /// Installs programs: what it starts in temporary folders, as root, is its trade.
        const PACKAGE_MANAGER = 1 << 5;
        /// Runs tests, of which some want a program to crash.
        const TEST_RUNNER = 1 << 6;
        /// Runs tests where it is told to.
        const TEST_CAPABLE = 1 << 7;
        /// Does little but start another program, as timeout(1).
        const STARTER = 1 << 8;
        /// Starts a program again when it ends.
        const SUPERVISOR = 1 << 9;
        /// Runs containers: the parent of a container's first process and of the commands run beside it; some run a
        /// sealed copy of themselves (CVE-2019-5736).
        const CONTAINER_RUNTIME = 1 << 10;
        /// Gives one command, or a tab, a pid namespace of its own.
        const SANDBOX = 1 << 11;
        /// Waits for its child and ends with the child's status, so that its own end tells nothing new.
        const RELAY = 1 << 12;
        /// Process 1 of ordinary hosts and containers.
        const INIT = 1 << 13;
        /// Serves the network and seldom starts others.
        const NETWORK_SERVICE = 1 << 14;
        /// Starts programs on a connection's socket, as it is configured to.
        const SOCKET_STARTER = 1 << 15;
        /// Ends processes when memory runs short, before the kernel has to.
        const MEMORY_GUARD = 1 << 19;
        /// How a kernel thread's name begins; up to a `/`, a `_` or digits, or the whole of it.
        const KERNEL_THREAD = 1 << 16;
        /// Looks for its operands: `password` is a word to find, and what follows it is no secret.
        const SEARCH = 1 << 17;
        /// Its operands are names and values in turn: what follows `password` is one.
        const SETTER = 1 << 18;
    }
}

/// Roles that hold for a program whose name has a version at its end, too: `python3.11`, `php-fpm8.2`, not `test2`.
pub(super) const VERSIONED: Roles = Roles::INTERPRETER
    .union(Roles::BUILDER)
    .union(Roles::PACKAGE_MANAGER)
    .union(Roles::CONTAINER_RUNTIME)
    .union(Roles::INIT)
    .union(Roles::NETWORK_SERVICE)
    .union(Roles::SOCKET_STARTER);

impl Roles {
    /// The role of this name.
    pub fn named(name: &str) -> Result<Self, ExtendError> {
        let all = || Self::all().iter_names();
        let found = all().find(|(known, _)| known.to_lowercase() == name).map(|(_, role)| role);
        found.ok_or_else(|| ExtendError::UnknownRole {
            role: name.to_owned(),
            known: all().map(|(known, _)| known.to_lowercase()).collect(),
        })
    }
}

/// Why programs of a site's own are not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtendError {
    /// There is no such role.
    UnknownRole {
        /// The one that was given.
        role: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No program can have this name.
    NoName(String),
    /// Others were given before.
    Twice,
}

impl std::error::Error for ExtendError {}

impl std::fmt::Display for ExtendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownRole { role, known } => {
                write!(
                    f,
                    "`{}` is no role of programs; give one of {}",
                    role.escape_debug(),
                    known.join(", ")
                )
            }
            Self::NoName(name) => write!(f, "`{}` is not a program's name", name.escape_debug()),
            Self::Twice => f.write_str("the programs of the site's own were given before"),
        }
    }
}
