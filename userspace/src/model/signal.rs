//! Signals by number, as signal(7) lists them for x86 and ARM Linux.

/// The name of a signal; real-time signals by their number.
pub fn signal_name(number: u8) -> String {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    match usize::from(number).checked_sub(1).and_then(|index| NAMES.get(index)) {
        Some(name) => (*name).to_owned(),
        None => format!("signal {number}"),
    }
}

/// Whether dying of it means the program did something wrong: the signals whose default is to dump core
/// (signal(7)), without SIGQUIT, which a person sends with Ctrl-\ on purpose.
pub const fn is_crash_signal(number: u8) -> bool {
    matches!(number, 4 | 5 | 6 | 7 | 8 | 11 | 24 | 25 | 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_manual_page() {
        for (number, want, crash) in [
            (1, "SIGHUP", false),
            (3, "SIGQUIT", false),
            (6, "SIGABRT", true),
            (9, "SIGKILL", false),
            (11, "SIGSEGV", true),
            (13, "SIGPIPE", false),
            (15, "SIGTERM", false),
            (31, "SIGSYS", true),
            (0, "signal 0", false),
            (34, "signal 34", false),
        ] {
            assert_eq!((signal_name(number).as_str(), is_crash_signal(number)), (want, crash));
        }
    }
}
