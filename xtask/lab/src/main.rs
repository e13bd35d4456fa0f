//! The lab: measures and judges the daemon from outside, with real kernels, real faults and others' programs. Started by
//! `cargo xtask bench`, `eval`, `hosts`, `oracles`, `soak` and `vm`; each lives in a folder of its name.

mod apt;
mod bench;
mod cgroup;
mod daemon;
mod emulator;
mod environment;
mod eval;
mod hosts;
mod http;
mod janitor;
mod metrics;
mod model;
mod oracles;
mod peers;
mod report;
mod running;
mod soak;
mod stats;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Measures and judges the daemon")]
enum Command {
    /// Measures the daemon beside other monitors, and against the figures it has to reach. As root.
    Bench(bench::BenchOptions),
    /// Judges the daemon on a corpus of real faults, their near misses and a busy machine's noise. As root.
    Eval(eval::EvalOptions),
    /// Boots a Debian host with systemd and podman in qemu, installs the daemon there and judges what it says. As root.
    Hosts(hosts::HostsOptions),
    /// Shows what the daemon sends and serves to programs and libraries that others wrote for it.
    Oracles,
    /// Keeps a daemon with little memory and CPU busy for long, and watches what it uses and loses. As root.
    Soak(soak::SoakOptions),
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
        Command::Bench(options) => bench::bench(&options),
        Command::Eval(options) => eval::eval(&options),
        Command::Hosts(options) => hosts::hosts(&options),
        Command::Oracles => oracles::oracles(),
        Command::Soak(options) => soak::soak(&options),
        Command::Vm { kernels, markdown } => vm::vm(&kernels, markdown),
    };
    done.unwrap_or_else(|error| xtask::failed(&error))
}
