//! What has to be looked at before an exec can be judged, by the kernel's record of it alone: decided for each exec, so
//! without allocating.

use super::executed::poses;
use super::operands::{self, Operands};
use super::signs;
use crate::config::ExecLimits;
use crate::programs::{self, Roles, roles_of};

/// What has to be looked at before an exec can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Whether its executable has to be read.
    pub exe: bool,
    /// The executable again, after a moment.
    pub exe_later: bool,
    /// Whether its standard input (descriptor 0) has to be read, and where that leads.
    pub stdin: bool,
    /// Whether it is told to treat its standard input as a person's.
    pub interactive: bool,
    /// Whose rights it has, beside its user's own.
    pub rights: bool,
    /// Whether it is told to keep the rights that its file gives.
    pub keeps_rights: bool,
    /// The folder that its relative operand is in.
    pub folder: bool,
    /// What its environment has the dynamic linker load.
    pub preload: bool,
    /// The executable, because the process has a kernel thread's name.
    pub posing: bool,
    /// Nothing but the place it was run from asks for the look.
    pub place_only: bool,
}

impl Wanted {
    /// Whether there is anything to look at, beside what may be looked at of every program.
    pub const fn any(self) -> bool {
        self.exe || self.stdin || self.rights
    }
}

/// What to look at for a program with these names.
pub fn wanted(comm: &[u8], argv: &[u8], exe: Option<&[u8]>, uid: Option<u32>, limits: &ExecLimits) -> Wanted {
    let exe = exe.unwrap_or_default();
    let descriptor =
        exe.starts_with(b"/dev/fd/") || exe.starts_with(b"/proc/") || exe.starts_with(b"/memfd:");
    let is_open = |path: &[u8]| limits.exec_folders.iter().any(|root| path.starts_with(root.as_bytes()));
    // A relative path may lead there.
    let relative = !exe.is_empty() && !exe.starts_with(b"/");
    let first = argv.split(|byte| *byte == 0).next().unwrap_or_default();
    let posing = poses(comm) || poses(first);
    let name = std::str::from_utf8(comm).unwrap_or_default();
    let shell = programs::is_shell_name(name);
    let reads = shell || roles_of(name).contains(Roles::INTERPRETER);
    let operand = match operands::of(argv) {
        _ if !reads && !operands::is_loader(exe) => None,
        Operands::First(path) => Some(path),
        Operands::None | Operands::Inline => None,
    };
    let temporary = is_open(exe) || operand.is_some_and(is_open);
    // Its owner's rights in spite of who runs it: `-p` is how a shell is told to keep them.
    let keeps_rights = uid != Some(0) && operands::has_flag(argv, b'p');
    // The kernel's record is suspicious by itself.
    let path = operand.unwrap_or(exe);
    let signs = temporary && (operands::in_shared_memory(path) || signs::is_hidden(path));
    let stdin = reads && operands::reads_stdin(name, argv);
    let folder = operand.is_some_and(|path| !path.starts_with(b"/"));
    let place_only = (temporary || relative || folder) && !(descriptor || posing || stdin || signs);
    Wanted {
        exe: descriptor || temporary || relative || posing || stdin || folder || keeps_rights,
        exe_later: temporary || keeps_rights,
        stdin,
        interactive: stdin && operands::has_flag(argv, b'i'),
        rights: keeps_rights || shell && uid != Some(0),
        keeps_rights,
        folder,
        preload: false,
        posing,
        place_only,
    }
}
