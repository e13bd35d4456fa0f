//! What a command line gives a shell or an interpreter to run: a script, commands of its own, or nothing, so that it
//! takes them from its standard input. By the raw bytes, for each exec.

use crate::programs::base;

/// What stands on a command line beside options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands<'a> {
    /// Nothing.
    None,
    /// What to run stands on the command line itself (`-c`, `-e`), or in a module of a library (`-m`).
    Inline,
    /// The first operand: a script, as a rule.
    First(&'a [u8]),
}

/// Options of shells and interpreters, and of the dynamic linker, that take the next argument as their value.
const WITH_VALUE: [&[u8]; 13] = [
    b"--rcfile",
    b"--init-file",
    b"--library-path",
    b"--preload",
    b"--argv0",
    b"--inhibit-rpath",
    b"--audit",
    b"-o",
    b"+o",
    b"-O",
    b"+O",
    b"-W",
    b"-X",
];

fn arguments(argv: &[u8]) -> impl Iterator<Item = &[u8]> {
    argv.strip_suffix(b"\0").unwrap_or(argv).split(|byte| *byte == 0)
}

/// The operands of this command line.
pub(super) fn of(argv: &[u8]) -> Operands<'_> {
    let mut rest = arguments(argv).skip(1);
    while let Some(argument) = rest.next() {
        match argument {
            b"--" => return rest.next().map_or(Operands::None, Operands::First),
            b"-" | b"-s" => return Operands::None,
            b"-jar" => return rest.next().map_or(Operands::None, Operands::First),
            option if WITH_VALUE.contains(&option) => drop(rest.next()),
            option if option.starts_with(b"--") => {}
            [b'-', letters @ ..] if letters.iter().any(|it| matches!(it, b'c' | b'e' | b'm' | b'r')) => {
                // `-e` of a shell ends it at the first error, and `-m` is job control: neither brings commands.
                if letters.contains(&b'c') || !is_shell(argv) {
                    return Operands::Inline;
                }
            }
            [b'-' | b'+', ..] => {}
            operand => return Operands::First(operand),
        }
    }
    Operands::None
}

fn first(argv: &[u8]) -> &str {
    let first = arguments(argv).next().unwrap_or_default();
    base(std::str::from_utf8(first).unwrap_or_default())
}

fn is_shell(argv: &[u8]) -> bool {
    crate::programs::is_shell_name(first(argv))
}

/// Whether a program of this name, of which it is known that it is a shell or an interpreter, takes its commands from
/// its standard input. busybox(1) is what its first argument says.
pub(super) fn reads_stdin(name: &str, argv: &[u8]) -> bool {
    const SHELLS: [&str; 3] = ["ash", "sh", "hush"];
    if name == "busybox" && !SHELLS.contains(&first(argv)) {
        let mut rest = arguments(argv).skip(1);
        let applet = rest.next().and_then(|it| std::str::from_utf8(it).ok()).unwrap_or_default();
        let options = rest.all(|it| it.starts_with(b"-") && !it.contains(&b'c'));
        return SHELLS.contains(&applet) && options;
    }
    of(argv) == Operands::None
}

/// Whether one of its first options is this letter, by itself or among others.
pub(super) fn has_flag(argv: &[u8], letter: u8) -> bool {
    let options = arguments(argv).skip(1).take_while(|it| it.starts_with(b"-"));
    options.into_iter().any(|it| !it.starts_with(b"--") && it.contains(&letter))
}

/// Whether the program is the dynamic linker, which runs the program that it is told to (ld.so(8)).
pub(super) fn is_loader(exe: &[u8]) -> bool {
    let name = exe.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_linker = name.starts_with(b"ld-") || name.starts_with(b"ld.so") || name.starts_with(b"ld64");
    is_linker && name.windows(3).any(|it| it == b".so")
}

/// Whether this is a place where nothing is kept over a boot, and no program belongs.
pub(super) fn in_shared_memory(path: &[u8]) -> bool {
    path.starts_with(b"/dev/shm/") || path.starts_with(b"/run/shm/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_line_gives_to_run() {
        for (argv, want) in [
            (&b"sh\0"[..], Operands::None),
            (b"bash\0--norc\0-i\0", Operands::None),
            (b"bash\0--rcfile\0/tmp/x\0-i\0", Operands::None),
            (b"bash\0-eil\0", Operands::None),
            (b"sh\0-c\0date\0", Operands::Inline),
            (b"bash\0-lic\0date\0", Operands::Inline),
            (b"sh\0-s\0a\0", Operands::None),
            (b"sh\0/dev/shm/x\0", Operands::First(b"/dev/shm/x")),
            (b"sh\0-e\0/dev/shm/x\0-c\0", Operands::First(b"/dev/shm/x")),
            (b"python3\0-\0", Operands::None),
            (b"python3\0-m\0venv\0", Operands::Inline),
            (b"python3\0-u\0e.py\0", Operands::First(b"e.py")),
            (b"perl\0-e\0print\0", Operands::Inline),
            (b"java\0-jar\0/tmp/x.jar\0", Operands::First(b"/tmp/x.jar")),
            (b"/lib64/ld-linux-x86-64.so.2\0--argv0\0sshd\0/dev/shm/x\0", Operands::First(b"/dev/shm/x")),
            (b"sh\0--\0/x\0", Operands::First(b"/x")),
            (b"", Operands::None),
        ] {
            assert_eq!(of(argv), want, "{}", String::from_utf8_lossy(argv));
        }
    }

    #[test]
    fn who_reads_its_commands() {
        for (name, argv, want) in [
            ("sh", &b"sh\0-i\0"[..], true),
            ("bash", b"-bash\0", true),
            ("bash", b"bash\0-c\0id\0", false),
            ("sh", b"sh\0/srv/handler.sh\0", false),
            ("busybox", b"busybox\0sh\0", true),
            ("busybox", b"busybox\0sh\0-i\0", true),
            ("busybox", b"busybox\0sh\0-c\0id\0", false),
            ("busybox", b"busybox\0httpd\0-i\0", false),
            ("busybox", b"busybox\0cat\0", false),
            ("busybox", b"/bin/sh\0", true),
            ("python3", b"python3\0", true),
            ("python3", b"python3\0/usr/bin/serve\0", false),
        ] {
            assert_eq!(reads_stdin(name, argv), want, "{}", String::from_utf8_lossy(argv));
        }
    }

    #[test]
    fn names_of_the_dynamic_linker() {
        for (name, want) in [
            ("/lib64/ld-linux-x86-64.so.2", true),
            ("/lib/ld-musl-x86_64.so.1", true),
            ("/usr/bin/ld.so", true),
            ("/usr/bin/ld.bfd", false),
            ("/usr/bin/ld", false),
            ("/lib/ld-decoy", false),
        ] {
            assert_eq!(is_loader(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn flags_stand_before_operands() {
        assert!(has_flag(b"rootbash\0-p\0", b'p') && has_flag(b"sh\0-ip\0", b'p'));
        assert!(!has_flag(b"sh\0--posix\0x\0-p\0", b'p') && !has_flag(b"mkdir\0a\0-p\0", b'p'));
    }
}
