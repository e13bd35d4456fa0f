//! The binary: understand the command line, do it, say how it ended.

use std::process::ExitCode;
use std::time::Duration;

use ai_debugger::{children, cli, heap};
use anyhow::Context as _;

/// The work is in the kernel, on disk and on the network: two threads are plenty beside what is watched.
const WORKERS: usize = 2;
/// Threads for what blocks: the store, files, evidence. Reads of /proc may hang on a process's lock, twelve of them at a
/// time (eight for evidence, four for HTTP); the store has its own then.
const BLOCKING: usize = 14;
/// What blocks after the end of everything else is left behind.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    heap::tune();
    // Before all else: it starts a runtime, and reads a configuration, for nobody.
    if std::env::args_os().nth(1).is_some_and(|it| it == children::COMMAND) {
        return children::run();
    }
    let action = match cli::parse(std::env::args_os()) {
        Ok(action) => action,
        Err(said) => return cli::usage(&said),
    };
    if matches!(action, cli::Action::Run(_)) {
        cli::protect();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build();
    let runtime = match runtime.context("cannot start the runtime") {
        Ok(runtime) => runtime,
        Err(error) => return cli::exit_code(Err(error)),
    };
    // A command that is over soon keeps nothing.
    if matches!(action, cli::Action::Run(_)) {
        runtime.spawn(heap::give_back());
    }
    let result = runtime.block_on(cli::perform(action));
    runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
    cli::exit_code(result)
}
