//! The project's own commands. This file names them; each one lives in a file of its name.

mod bpf_object;
mod digest;
mod ebpf;
mod manifest;
mod process;
mod run;
mod setup;
mod test;
mod tidy;
mod toolchain;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
enum Command {
    /// Installs what building the eBPF object needs; says what is missing for the rest.
    Setup,
    /// Builds the eBPF object and its manifest into ebpf/dist.
    Ebpf {
        /// Changes nothing: rebuilds under target/ and compares with what is committed.
        #[arg(long)]
        check: bool,
    },
    /// Builds the daemon and runs it as root: `cargo xtask run -- --listen 127.0.0.1:9000`.
    Run {
        /// Passed on to `ai-debugger run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Runs all tests, as root where it can, and says what was skipped and why.
    Test {
        /// Only tests whose name contains one of these.
        filters: Vec<String>,
    },
    /// Checks the rules of the repository that neither rustfmt nor clippy knows.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Setup => setup::setup(),
        Command::Ebpf { check: false } => ebpf::build_dist(),
        Command::Ebpf { check: true } => ebpf::check_dist(),
        Command::Run { args } => run::run(&args),
        Command::Test { filters } => test::test(&filters),
        Command::Tidy => tidy::tidy(),
    };
    done.unwrap_or_else(|error| {
        // Not as `main` would print it: with RUST_BACKTRACE set, the reason drowns in frames.
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
