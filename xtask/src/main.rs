//! The project's own commands. This file names them; each one lives in a file of its name, and those that measure
//! and judge the daemon in the crate `lab`.

mod bpf_object;
mod ebpf;
mod fuzz;
mod lab;
mod manifest;
mod run;
mod setup;
mod test;
mod tidy;
mod toolchain;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser};
use xtask::{digest, oracle_tools, process};

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "The project's own commands")]
enum Command {
    /// Installs what building the eBPF object needs; says what is missing for the rest.
    Setup(setup::SetupOptions),
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
    #[command(disable_help_flag = true)]
    Bench(Passed),
    /// Judges the daemon on a corpus of real faults, their near misses and a busy machine's noise. As root.
    #[command(disable_help_flag = true)]
    Eval(Passed),
    /// Boots a Debian host with systemd and podman in qemu, installs the daemon there and judges what it says. As root.
    #[command(disable_help_flag = true)]
    Hosts(Passed),
    /// Shows what the daemon sends and serves to programs and libraries that others wrote for it.
    #[command(disable_help_flag = true)]
    Oracles(Passed),
    /// Keeps a daemon with little memory and CPU busy for long, and watches what it uses and loses. As root.
    #[command(disable_help_flag = true)]
    Soak(Passed),
    /// Runs the fuzzer on all that parses what others wrote.
    Fuzz(fuzz::FuzzOptions),
    /// Checks the rules of the repository that neither rustfmt nor clippy knows.
    Tidy,
    /// Boots other kernels in qemu with the daemon in them and compares what it captures with what is true.
    #[command(disable_help_flag = true)]
    Vm(Passed),
}

/// Read by the lab, `--help` included.
#[derive(Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Setup(options) => setup::setup(&options),
        Command::Ebpf { check: false } => ebpf::build_dist(),
        Command::Ebpf { check: true } => ebpf::check_dist(),
        Command::Run { args } => run::run(&args),
        Command::Test { filters } => test::test(&filters),
        Command::Bench(it) => lab::lab("bench", &it.args),
        Command::Eval(it) => lab::lab("eval", &it.args),
        Command::Hosts(it) => lab::lab("hosts", &it.args),
        Command::Oracles(it) => lab::lab("oracles", &it.args),
        Command::Soak(it) => lab::lab("soak", &it.args),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Tidy => tidy::tidy(),
        Command::Vm(it) => lab::lab("vm", &it.args),
    };
    done.unwrap_or_else(|error| xtask::failed(&error))
}
