//! The system call a thread is in, as `/proc/PID/syscall` shows it.

/// One call: equal for a thread that is still in the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Its number on this architecture; negative for a thread that waits in a page fault.
    pub number: i64,
    /// Its arguments; zero outside a call.
    pub args: [u64; 6],
    /// The stack pointer and the program counter in user mode.
    pub user: [u64; 2],
}

/// Calls whose first argument is a descriptor of what they wait for.
const ON_DESCRIPTORS: [&str; 34] = [
    "read",
    "write",
    "pread64",
    "pwrite64",
    "readv",
    "writev",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "fsync",
    "fdatasync",
    "syncfs",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "getdents",
    "getdents64",
    "ioctl",
    "fstat",
    "fstatfs",
    "flock",
    "fcntl",
    "sendfile",
    "copy_file_range",
    "splice",
    "close",
    "lseek",
    "fchmod",
    "fchown",
    "fsetxattr",
    "fgetxattr",
    "recvfrom",
    "sendmsg",
];

impl SystemCall {
    /// `NUMBER ARG… SP PC`, or `-1 SP PC` in a page fault (proc_pid_syscall(5)); `None` for `running`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let number = words.next()?.parse().ok()?;
        let hex = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        let values: Vec<u64> = words.map_while(hex).take(8).collect();
        let (args, user) = match *values.as_slice() {
            [a, b, c, d, e, f, sp, pc] => ([a, b, c, d, e, f], [sp, pc]),
            [sp, pc] => ([0; 6], [sp, pc]),
            _ => return None,
        };
        Some(Self { number, args, user })
    }

    /// Its name. `None` in a page fault, and in a 32-bit program, whose numbers are others.
    pub fn name(&self) -> Option<&'static str> {
        let narrow = self.user.iter().all(|address| u32::try_from(*address).is_ok());
        let number = usize::try_from(self.number).ok().filter(|_| !narrow)?;
        Some(syscalls::Sysno::new(number)?.name())
    }

    /// The descriptor it waits for, where its first argument is one.
    pub fn descriptor(&self) -> Option<u32> {
        self.name().filter(|name| ON_DESCRIPTORS.contains(name))?;
        u32::try_from(self.args[0]).ok().filter(|fd| i32::try_from(*fd).is_ok())
    }

    /// Whether the thread waits for a page of its memory to be read.
    pub const fn is_page_fault(&self) -> bool {
        self.number < 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let fsync = syscalls::Sysno::fsync as i64;
        let in_fsync = format!("{fsync} 0x3 0x7f 0x0 0x0 0x0 0xffffffff 0x7ffe3ae878c8 0x7fea62c592ad");
        let narrow = format!("{fsync} 0x3 0x7f 0x0 0x0 0x0 0xffffffff 0xffc592ad 0xf7fea62c");
        let no_descriptor = format!("{fsync} 0xffffff9c 0x0 0x0 0x0 0x0 0x0 0x7ffe3ae878c8 0x7fea62c592ad");
        for (line, name, descriptor) in [
            (&*in_fsync, Some("fsync"), Some(3)),
            (&*narrow, None, None),
            (&*no_descriptor, Some("fsync"), None),
            ("-1 0x7ffe3ae878c8 0x7fea62c592ad", None, None),
            ("999999 0x3 0x7f 0x0 0x0 0x0 0x0 0x7ffe3ae878c8 0x7fea62c592ad", None, None),
        ] {
            let call = SystemCall::parse(line).expect(line);
            assert_eq!((call.name(), call.descriptor()), (name, descriptor), "{line}");
        }
        for line in ["running", "", "0", "0 0x1", "x 0x1 0x2", "0 1 2 3 4 5 6 7 8"] {
            assert_eq!(SystemCall::parse(line), None, "{line}");
        }
    }
}
