//! The binary: understand the command line, do it, say how it ended.

use std::process::ExitCode;
use std::time::Duration;

use ai_debugger::{children, cli, heap};
use anyhow::{Context as _, Result};

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
    let result = match action {
        // Before there is a runtime: what it gives up, each thread has to, and a thread gets what the one has that
        // starts it.
        cli::Action::Run(sources) => {
            cli::begin(&sources).and_then(|begun| in_runtime(serve(begun)).map(|()| true))
        }
        cli::Action::Ask(question) => in_runtime(cli::answer(question)),
    };
    cli::exit_code(result)
}

async fn serve(begun: cli::Service) -> Result<()> {
    // A command that is over soon keeps nothing, and has nothing to give back.
    tokio::spawn(heap::give_back());
    begun.serve().await
}

fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
    result
}
