//! What runs in a child: it makes sure that the daemon started it, gives up what it does not need, and works until the
//! daemon is gone.

use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::net::SocketType;
use rustix::net::sockopt::{socket_peercred, socket_type};
use rustix::process::{Pid, getppid};

use super::link::Link;
use super::message::{Begin, Ready};
use super::{opener, parser};
use crate::sandbox::{self, Work};
use crate::stack::Unwinder;

/// The word that tells a child from the daemon and from what users run.
pub const COMMAND: &str = "symbolise";

/// The daemon's first message comes at once.
const BEGIN_DEADLINE: Duration = Duration::from_secs(10);
/// Exit code of one that was started by somebody else.
const NOT_A_CHILD: u8 = 2;
/// Exit code of one that could not begin.
const NOT_BEGUN: u8 = 1;

/// The life of a child, `ai-debugger symbolise`.
pub fn run() -> ExitCode {
    let Some((link, parent)) = link() else {
        eprintln!("ai-debugger {COMMAND} is the daemon's own: it starts it itself, and nobody else can");
        return ExitCode::from(NOT_A_CHILD);
    };
    let (work, limits) = match link.receive(Some(Instant::now() + BEGIN_DEADLINE)) {
        Ok((Begin::Work { work, limits }, _)) => (work, limits),
        Ok((Begin::Trial, _)) => {
            // Whose the data folder is, and whether it is there yet, is another question.
            let (mut steps, no_helpers) = sandbox::confine_daemon(Path::new("/nonexistent"));
            no_helpers.now(&mut steps);
            let said = link.send(&Ready { steps }, None, None);
            return if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(NOT_BEGUN) };
        }
        Err(_) => return ExitCode::from(NOT_BEGUN),
    };
    sandbox::first_to_go();
    let unwinder = (work == Work::Parse).then(Unwinder::new);
    let steps = sandbox::confine(work, &limits, parent);
    if getppid() != Some(parent) || link.send(&Ready { steps }, None, None).is_err() {
        return ExitCode::from(NOT_BEGUN);
    }
    match unwinder {
        Some(unwinder) => parser::work(&link, unwinder, limits.cpu),
        None => opener::work(&link, limits.cpu),
    }
    ExitCode::SUCCESS
}

/// The daemon's socket, and the daemon: who made the pair is who started this process.
fn link() -> Option<(Link, Pid)> {
    let input = io::stdin();
    let parent = getppid()?;
    let ours = socket_type(&input) == Ok(SocketType::SEQPACKET)
        && socket_peercred(&input).is_ok_and(|it| it.pid == parent);
    let socket = input.as_fd().try_clone_to_owned().ok().filter(|_| ours)?;
    Some((Link::of(socket), parent))
}
