//! The project's own commands. This file names them; each one lives in a file of its name.

mod bench;
mod bpf_object;
mod digest;
mod ebpf;
mod eval;
mod manifest;
mod oracles;
mod process;
mod run;
mod setup;
mod test;
mod tidy;
mod toolchain;
mod vm;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
enum Command {
    /// Installs what building the eBPF object needs; says what is missing for the rest.
    Setup(setup::Options),
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
    /// Measures the daemon beside other monitors, and against the figures it has to reach. As root.
    Bench(bench::Options),
    /// Judges the daemon on a corpus of real faults, their near misses and a busy machine's noise. As root.
    Eval(eval::Options),
    /// Shows what the daemon sends and serves to programs and libraries that others wrote for it.
    Oracles,
    /// Checks the rules of the repository that neither rustfmt nor clippy knows.
    Tidy,
    /// Boots other kernels in qemu with the daemon in them and compares what it captures with what is true.
    Vm {
        /// 5.10, 6.1, 6.12, newest; all of them when none is named.
        kernels: Vec<String>,
        /// Prints the table as Markdown.
        #[arg(long)]
        markdown: bool,
    },
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Setup(options) => setup::setup(&options),
        Command::Ebpf { check: false } => ebpf::build_dist(),
        Command::Ebpf { check: true } => ebpf::check_dist(),
        Command::Run { args } => run::run(&args),
        Command::Test { filters } => test::test(&filters),
        Command::Bench(options) => bench::bench(&options),
        Command::Eval(options) => eval::eval(&options),
        Command::Oracles => oracles::oracles(),
        Command::Tidy => tidy::tidy(),
        Command::Vm { kernels, markdown } => vm::vm(&kernels, markdown),
    };
    done.unwrap_or_else(|error| {
        // Not as `main` would print it: with RUST_BACKTRACE set, the reason drowns in frames.
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
