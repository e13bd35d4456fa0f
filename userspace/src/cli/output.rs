//! Writing to the terminal or a pipe. A reader that has seen enough (`| head`) is no error.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};

use crate::text;

/// Writes to stdout as it is.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Says on stderr what went wrong. Errors repeat what others sent, so they are cleaned.
pub fn complain(error: &str) {
    // With stderr gone there is nobody left to tell.
    drop(writeln!(io::stderr(), "ai-debugger: {}", text::printable_lines(error)));
}

/// As wide as a line may be; `None` when stdout is no terminal.
pub(super) fn columns() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let from_terminal = || rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
    let from_variable = || std::env::var("COLUMNS").ok()?.parse().ok();
    from_terminal().filter(|n| *n > 0).or_else(from_variable)
}
