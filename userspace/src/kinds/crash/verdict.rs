//! Crashes: what ended the program, and how to get from there to the line of code.
//!
//! | facts | verdict | how sure |
//! |---|---|---|
//! | its own parent sent SIGABRT | it hung, as it seems: what it did then is the question | medium |
//! | another process sent the signal | ended on purpose | high |
//! | none of these | as its end proves: the table in `shared/cause` | as there |

use super::facts::CrashFact;
use super::words::aborted_by_parent;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, quote, step, window};
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::kinds::shared::stack::facts::InstructionKind;
use crate::kinds::shared::{cause, ending, signal, stack};
use crate::kinds::words;
use crate::model::{Confidence, ExitCause, NextStep, signal_name};

const SIGILL: u8 = 4;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let number = match ending::cause(file, finding) {
        Some((ExitCause::Signal(signal), _)) => signal,
        _ => 0,
    };
    let (cause, confidence, hypotheses) = match (
        aborted_by_parent(file, finding),
        signal::sent_by(file, finding),
    ) {
        (Some(parent), _) => {
            let cause = format!(
                "hung, as it seems: its parent {} aborted it, as servers and service managers do with a process \
                     that has not answered for too long. What it was doing then is the question",
                words::who(parent)
            );
            (cause, Confidence::Medium, Vec::new())
        }
        (None, Some(sender)) => {
            let signal = match number {
                0 => "the signal".to_owned(),
                signal => signal_name(signal),
            };
            let cause = format!(
                "was ended on purpose: {} sent it {signal}. This is not a fault of the program itself",
                signal::words::sender(sender)
            );
            (cause, Confidence::High, Vec::new())
        }
        (None, None) => {
            let cause = cause::of_crash(file, finding, number);
            let build = format!(
                "A new build of {} or of a library it loads introduced the fault; compare with its last update",
                name(file)
            );
            let otherwise = cause.otherwise.map(|it| hypothesis(file, finding, &["kernel:"], it));
            let build = hypothesis(file, finding, &["proc:", "kernel:"], build);
            let meant =
                meant(file, finding).map(|it| hypothesis(file, finding, &["kernel:", "monitor:"], it));
            (cause.clause, cause.confidence, meant.into_iter().chain(otherwise).chain([build]).collect())
        }
    };
    let cause = format!("{} {cause}.{}", who(file), stack::words::place(file, finding));
    let next_steps = next_steps(file, finding, number);
    Opinion { cause, confidence, sources: &["kernel:"], hypotheses, next_steps }
}

/// Who may have wanted it to crash.
fn meant(file: &CaseFile, finding: &Finding) -> Option<String> {
    file.cited(finding).find_map(|fact| match fact.data.as_crash()? {
        CrashFact::BelowTestRunner { runner } => {
            Some(format!("A test wanted it to end so: {} above it runs tests", runner.shown()))
        }
        CrashFact::EndedAtOnce { parent } => {
            Some(format!("A test wanted it to end so: {} made it, and goes on", words::who(parent)))
        }
        CrashFact::AbortedByParent { .. } => None,
    })
}

fn next_steps(file: &CaseFile, finding: &Finding, signal: u8) -> Vec<NextStep> {
    let pid = file.process.pid;
    let core = format!("coredumpctl info --no-pager {pid}");
    let all = format!("coredumpctl debug -A '-batch -ex \"thread apply all bt full\"' {pid}");
    let kernel = step(
        "What the kernel logged: faulting address and instruction, or a seccomp record",
        format!("journalctl -k --no-pager {} | grep -E '\\[{pid}\\]|pid={pid} '", window(file)),
    );
    let is_trap = stack::instruction(file, finding) == Some(InstructionKind::Undefined);
    let last = match file.process.exe.as_deref().map(quote) {
        Some(exe) if signal == SIGILL && !is_trap => step(
            "Which CPU features the program requires",
            format!("readelf -n -- {exe}; lscpu | grep -i flags"),
        ),
        _ => logs(file),
    };
    if stack::stated(file, finding).is_some() {
        return vec![
            last,
            step("Its variables and other threads, if a core dump was kept", all),
            step("Whether systemd kept a core dump, and of which build", core),
        ];
    }
    let all = all.replace(" full", "");
    vec![
        step("The crash as systemd recorded it: signal, stack, core dump", core),
        step("Every thread's stack, from the core dump", all),
        kernel,
        last,
    ]
}

#[cfg(test)]
pub(super) mod tests;
