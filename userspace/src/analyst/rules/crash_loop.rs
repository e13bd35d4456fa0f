//! Crash loops: the same program dies again and again. Something that is there at every start is the cause.

use super::commands::{logs, pod, quote, step, supervisor};
use super::fault::{Ending, Fault};
use super::{Opinion, hypothesis, name};
use crate::kinds::shared::stack;
use crate::model::{CaseFile, Confidence, Finding};

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let name = name(file);
    let fault = Fault::of(file, finding);
    let (cause, confidence) = match fault.ending() {
        Ending::OomKill => {
            let cause = format!(
                "{name} is restarted and killed for memory again: each start needs more than its limit or the host \
                 gives it. Restarting will not mend that."
            );
            (cause, Confidence::High)
        }
        Ending::Crash(signal) => {
            let place = stack::words::place(file, finding);
            let cause = format!(
                "{name} crashes with {signal} after each start: the fault is in the program, or in data it reads \
                 each time, not in one unlucky request.{place}"
            );
            (cause, Confidence::Medium)
        }
        Ending::Other => {
            let starter = fault.started_again_by().unwrap_or("its supervisor");
            let ending = fault.cause().and_then(|it| it.split(" after ").next());
            let ending = ending.map(|it| format!(" with {it}")).unwrap_or_default();
            let cause = format!(
                "{name} ends{ending} after each start and {starter} starts it again. Most often that is its \
                 configuration, or something it needs at the start: a port, a file, a database, a permission."
            );
            (cause, Confidence::Medium)
        }
    };
    let mut next_steps = vec![logs(file)];
    next_steps.extend(supervisor(file));
    next_steps.extend(pod(file));
    if fault.started_again_by().is_some() {
        let ppid = file.process.ppid;
        next_steps.push(step(
            "What starts it again, and since when",
            format!("ps -o pid,ppid,lstart,args -p {ppid}; pstree -sp {ppid}"),
        ));
    }
    next_steps.push(match file.process.exe.as_deref() {
        Some(exe) => {
            step("Earlier crashes of the same program", format!("coredumpctl list --no-pager {}", quote(exe)))
        }
        None => step("Recent crashes on this host", "coredumpctl list --no-pager -n 20"),
    });
    next_steps.push(step(
        "Whether it or what it needs was changed just before: files in /etc younger than a day",
        "find /etc -xdev -type f -mtime -1 -ls",
    ));
    let hypotheses = vec![
        hypothesis(file, finding, &["kernel:"], "A deployment or a change of configuration broke it"),
        hypothesis(
            file,
            finding,
            &["kernel:"],
            "Something it depends on at the start is down or unreachable",
        ),
    ];
    Opinion { cause, confidence, sources: &["kernel:sched_process_exit"], hypotheses, next_steps }
}
