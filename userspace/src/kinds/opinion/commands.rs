//! The commands of next steps: for this pid, this cgroup, this program. Names are hostile, so whatever a process
//! chose is quoted for the shell, and control characters never appear as themselves.

use jiff::{SignedDuration, Timestamp};

use super::frozen::Frozen;
use crate::cgroup::{self, Runtime};
use crate::kinds::case::CaseFile;
use crate::kinds::shared::ending::facts::EndFact;
use crate::model::NextStep;
use crate::redact;

/// The kernel's log is shown from so long before the observation …
const LOG_BEFORE: SignedDuration = SignedDuration::from_secs(120);
/// … to so long after it.
const LOG_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Docker and its kin know containers by this much of their id.
const CONTAINER_ID_CHARS: usize = 12;

/// A next step: what it will show, and the command.
pub fn step(why: impl Into<String>, command: impl Into<String>) -> NextStep {
    NextStep { why: why.into(), command: command.into() }
}

/// The text as one word for bash, zsh and ksh. Secrets in it are masked before: a mask that came later could take
/// a closing quote with it.
pub fn quote(text: &str) -> String {
    let text = &redact::text(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if crate::text::printable(text) == *text {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let bytes: String = text.bytes().map(ansi_c).collect();
    format!("$'{bytes}'")
}

/// One byte inside `$'…'`.
fn ansi_c(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// `--since … --until …` around the observation.
pub fn window(file: &CaseFile) -> String {
    let at = |moment: Timestamp| moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let since = file.observed_at.checked_sub(LOG_BEFORE).unwrap_or(file.observed_at);
    let until = file.observed_at.checked_add(LOG_AFTER).unwrap_or(file.observed_at);
    format!("--since '{}' --until '{}'", at(since), at(until))
}

/// What the program itself said last: from its container, its supervisor, its unit, or by its pid.
pub fn logs(file: &CaseFile) -> NextStep {
    let why = "Recent log output";
    if let Some(it) = own_supervisor(file) {
        return step(why, it.logs);
    }
    let command = match (runtime(file), unit(file)) {
        (Some((tool, id)), _) => format!("{tool} logs --tail 100 {id}"),
        (None, Some(Unit::System(unit))) => {
            format!("journalctl --no-pager -n 100 {} -u {unit}", window(file))
        }
        (None, Some(Unit::User(unit))) => {
            format!("journalctl --no-pager -n 100 {} _SYSTEMD_USER_UNIT={unit}", window(file))
        }
        (None, None) => format!("journalctl --no-pager -n 100 {} _PID={}", window(file), file.process.pid),
    };
    step(why, command)
}

/// How its supervisor sees it, where there is one.
pub fn supervisor(file: &CaseFile) -> Option<NextStep> {
    let why = "What its supervisor reports: result, restarts, limits";
    if let Some(it) = own_supervisor(file) {
        return Some(step(why, it.status));
    }
    Some(match (runtime(file), unit(file)) {
        (Some(("crictl", id)), _) => step(why, format!("crictl inspect {id}")),
        (Some((tool, id)), _) => step(
            why,
            format!("{tool} inspect --format '{{{{json .State}}}} restarts={{{{.RestartCount}}}}' {id}"),
        ),
        (None, Some(Unit::System(unit))) => step(why, format!("systemctl status --no-pager -l {unit}")),
        (None, Some(Unit::User(_)) | None) => return None,
    })
}

/// The memory numbers of its cgroup, on either version of cgroups; the host's where it has none.
pub fn cgroup_memory(file: &CaseFile) -> NextStep {
    let why = "The cgroup's limit, use and OOM count";
    let Some(cgroup) = file.process.cgroup.as_deref().filter(|path| !path.trim_matches('/').is_empty())
    else {
        return step("How much memory the host has left, and which processes use the rest", free());
    };
    let path = quote(cgroup.trim_end_matches('/'));
    let v2 = "max,high,current,peak,events";
    let v1 = "limit_in_bytes,usage_in_bytes,max_usage_in_bytes,failcnt,oom_control";
    let (root, files) = match Frozen(file).is_cgroup_v2() {
        Some(true) => ("/sys/fs/cgroup", v2.to_owned()),
        Some(false) => ("/sys/fs/cgroup/memory", v1.to_owned()),
        None => ("/sys/fs/cgroup{,/memory}", format!("{v2},{v1}")),
    };
    step(why, format!("grep -sH '' {root}{path}/memory.{{{files}}}"))
}

/// The host's memory and its largest users.
pub fn free() -> String {
    "free -m; ps -eo pid,rss,comm --sort=-rss | head".to_owned()
}

/// A larger memory limit for its unit or container, once that is known to be right.
pub fn raise_memory_limit(file: &CaseFile) -> Option<NextStep> {
    let limit = Frozen(file).memory_limit()?;
    let wanted_mib = limit.saturating_mul(2) >> 20;
    let command = match (runtime(file), unit(file)) {
        (Some((tool @ ("docker" | "podman"), id)), _) => {
            format!("{tool} update --memory {wanted_mib}m --memory-swap {wanted_mib}m {id}")
        }
        (None, Some(Unit::System(unit))) => {
            format!("systemctl set-property --runtime {unit} MemoryMax={wanted_mib}M")
        }
        _ => return None,
    };
    Some(step("If it really needs this much: double its limit until the next restart", command))
}

/// Which pod that is, by the names that `kubectl` takes.
pub fn pod(file: &CaseFile) -> Option<NextStep> {
    let uid = file.process.pod_uid.as_deref()?;
    let columns = "UID:.metadata.uid,NAMESPACE:.metadata.namespace,POD:.metadata.name,NODE:.spec.nodeName";
    let command = format!("kubectl get pods -A -o custom-columns={columns} | grep {}", quote(uid));
    Some(step("Which pod it is; then kubectl describe and kubectl logs --previous", command))
}

/// The container's runtime and its id, where it runs in one.
fn runtime(file: &CaseFile) -> Option<(&'static str, String)> {
    let id = file.process.container_id.as_deref().filter(|id| cgroup::is_hex_id(id))?;
    let id = id.get(..CONTAINER_ID_CHARS)?.to_owned();
    let runtime = file.process.cgroup.as_deref().and_then(cgroup::runtime);
    Some((runtime.unwrap_or(Runtime::Docker).command(), id))
}

/// A supervisor that keeps what its programs print itself, and how it is asked.
struct Supervisor {
    /// Its `comm`.
    name: &'static str,
    status: &'static str,
    logs: &'static str,
}

/// supervisorctl(1), sv(8), s6-svstat(1), pm2(1), perpls(8): with the folders that their packages use.
const SUPERVISORS: [Supervisor; 5] = [
    Supervisor {
        name: "supervisord",
        status: "supervisorctl status",
        logs: "tail -n 50 /var/log/supervisor/*",
    },
    Supervisor {
        name: "runsv",
        status: "sv status /etc/service/*",
        logs: "tail -n 100 /etc/service/*/log/main/current /var/log/*/current",
    },
    Supervisor {
        name: "s6-supervise",
        status: "for it in /run/service/*; do echo $it; s6-svstat $it; done",
        logs: "tail -n 100 /run/uncaught-logs/current /var/log/*/current",
    },
    Supervisor { name: "pm2", status: "pm2 list", logs: "pm2 logs --nostream --lines 100" },
    Supervisor { name: "perpd", status: "perpls", logs: "tail -n 100 /var/log/*/current" },
];

/// Who started the process of a case, where that is such a supervisor. In a container it is the runtime that is asked.
fn own_supervisor(file: &CaseFile) -> Option<&'static Supervisor> {
    if runtime(file).is_some() {
        return None;
    }
    let parent = file.facts.iter().find_map(|fact| match fact.data.as_ending()? {
        EndFact::Parent { name, .. } => Some(name.raw()),
        _ => None,
    })?;
    SUPERVISORS.iter().find(|it| parent == it.name || parent.starts_with("PM2 ") && it.name == "pm2")
}

/// A systemd unit, quoted for the shell.
enum Unit {
    System(String),
    /// Of a user's own manager, which root's systemctl does not ask.
    User(String),
}

/// The innermost service that its cgroup's path names.
fn unit(file: &CaseFile) -> Option<Unit> {
    let path = file.process.cgroup.as_deref()?;
    let unit = quote(cgroup::unit(path)?);
    Some(if cgroup::is_of_user_manager(path) { Unit::User(unit) } else { Unit::System(unit) })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::kinds::case::{Statement, cite};
    use crate::kinds::fixture;

    #[test]
    fn a_supervisor_that_keeps_the_logs_is_asked_for_them() {
        for (parent, status, logs) in [
            ("supervisord", Some("supervisorctl status"), "/var/log/supervisor/"),
            ("runsv", Some("sv status"), "/log/main/current"),
            ("s6-supervise", Some("s6-svstat"), "/run/uncaught-logs/current"),
            ("PM2 v5.3.0: God", Some("pm2 list"), "pm2 logs"),
            ("systemd", None, "journalctl"),
            ("supervisord.sh", None, "journalctl"),
        ] {
            let mut file = fixture::healthy();
            let fact = EndFact::Parent { name: parent.into(), pid: 5, starts_it_again: true };
            cite(&mut file.facts, Statement::new("kernel:sched_process_exit", fact));
            let step = supervisor(&file).map(|it| it.command);
            assert_eq!(step.is_some(), status.is_some(), "{parent} {step:?}");
            assert!(step.iter().all(|step| step.contains(status.unwrap())), "{parent} {step:?}");
            assert!(logs_command(&file).contains(logs), "{parent}");
            // A container's own log is its runtime's to give.
            file.process.container_id = Some("ab".repeat(32));
            assert!(logs_command(&file).starts_with("docker logs"), "{parent}");
        }
    }

    fn logs_command(file: &CaseFile) -> String {
        logs(file).command
    }

    #[test]
    fn quoted_words_come_out_as_they_were() {
        for word in [
            "plain-1.2/x",
            "",
            "two words",
            "it's",
            "$(reboot)",
            "`reboot`; rm -rf / && x",
            "a\nb\x1b[31m\\'\"",
            "-rf",
            "na\u{200b}me \u{202e}x",
            "日本 !!",
        ] {
            let quoted = quote(word);
            let shell = Command::new("bash").args(["-c", &format!("printf %s {quoted}x")]).output().unwrap();
            assert_eq!(String::from_utf8(shell.stdout).unwrap(), format!("{word}x"), "{quoted}");
            assert_eq!(crate::text::printable(&quoted), quoted, "shown as it is");
        }
    }
}
