//! Classic tracepoints in place of the BTF tracepoints that could not be had: less is known of each event, and it is
//! said which hook has come to that, and why.

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::programs::TracePoint;
use tracing::warn;

use super::object::{
    Fallback, LoadOutcome, ProbeOptions, attach, delivery, load_program, maps, object, short,
};
use super::{formats, tracefs};
use crate::coverage::{Delivery, Hook};

/// A classic tracepoint and the program on it.
struct Classic {
    category: &'static str,
    name: &'static str,
    program: &'static str,
}

const fn classic(category: &'static str, name: &'static str, program: &'static str) -> Classic {
    Classic { category, name, program }
}

/// What stands in for each hook, and what it still gives.
const STAND_INS: [(Hook, &[Classic], &str); 5] = [
    (
        Hook::Exec,
        &[classic("sched", "sched_process_exec", "fallback_exec")],
        "argv is read from /proc, too late for very short-lived processes",
    ),
    (
        Hook::Exit,
        &[
            classic("sched", "sched_process_exit", "fallback_exit"),
            classic("signal", "signal_deliver", "fallback_deliver"),
            classic("signal", "signal_generate", "fallback_generate"),
        ],
        "exit status and resource use are not known; a fatal signal is",
    ),
    (
        Hook::OomVictim,
        &[classic("oom", "mark_victim", "fallback_victim")],
        "start times are looked up by pid",
    ),
    (Hook::Signal, &[], ""),
    (
        Hook::Fork,
        &[classic("sched", "sched_process_fork", "fallback_fork")],
        "only start times: forks are not counted",
    ),
];

/// Loads anew, with classic tracepoints for the hooks that `states` lacks. `None` where that brings no more.
pub(super) fn load(options: &ProbeOptions, states: &[(Hook, Delivery)]) -> Option<LoadOutcome> {
    match tracefs::with(|tracefs| load_at(options, states, formats::read(tracefs))) {
        Ok(outcome) => Some(outcome),
        Err(error) => {
            warn!("classic tracepoints do not work either: {error:#}");
            None
        }
    }
}

fn load_at(
    options: &ProbeOptions,
    states: &[(Hook, Delivery)],
    formats: ai_debugger_ebpf::formats::Formats,
) -> Result<LoadOutcome> {
    let (mut ebpf, types) = object(options, formats, |_| {})?;
    let mut used = 0;
    let mut now = Vec::new();
    for hook in Hook::ALL.iter().copied() {
        let before = states.iter().find(|(it, _)| *it == hook).map(|(_, state)| state);
        let state = match before {
            Some(Delivery::Absent(reason)) => {
                let state = stand_in(&mut ebpf, hook, reason);
                used += usize::from(state.is_attached());
                state
            }
            _ => delivery(attach(&mut ebpf, hook, types.as_ref())),
        };
        now.push((hook, state));
    }
    anyhow::ensure!(used > 0, "none could be attached");
    let ends_are_certain = formats.exit_group_dead != ai_debugger_ebpf::layout::MISSING;
    Ok((maps(ebpf, options.log, Some(Fallback { ends_are_certain })), now))
}

/// The state of a hook whose stand-ins were tried.
fn stand_in(ebpf: &mut Ebpf, hook: Hook, why: &str) -> Delivery {
    let (classics, gives) = STAND_INS
        .iter()
        .find(|(name, ..)| *name == hook)
        .map_or((&[][..], ""), |(_, classics, gives)| (*classics, *gives));
    if classics.is_empty() {
        return Delivery::Absent(why.to_owned());
    }
    match classics.iter().try_for_each(|classic| attach_classic(ebpf, classic)) {
        Ok(()) => {
            Delivery::Reduced(format!("uses the fallback to classic tracepoints ({gives}), because: {why}"))
        }
        Err(error) => Delivery::Absent(format!("{why}; and no fallback: {}", short(&format!("{error:#}")))),
    }
}

fn attach_classic(ebpf: &mut Ebpf, classic: &Classic) -> Result<()> {
    let Classic { category, name, program } = classic;
    let program =
        ebpf.program_mut(program).with_context(|| format!("the object has no program {program}"))?;
    let program: &mut TracePoint = program.try_into()?;
    load_program(|| program.load())
        .with_context(|| format!("the kernel refused the program on {category}:{name}"))?;
    program.attach(category, name).with_context(|| format!("cannot attach to {category}:{name}"))?;
    Ok(())
}
