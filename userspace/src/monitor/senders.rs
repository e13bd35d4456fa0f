//! Who sent the signal that ended a process: what the kernel said of it at that moment, with what the table knows.

use crate::host::users::Users;
use crate::model::{Ancestor, Login, SignalSender, SignalSource};
use crate::observation::FatalSignal;
use crate::state::Table;
use crate::state::process::lossy;

/// Most processes above the sender that are named.
const ANCESTORS: usize = 8;

/// Where the signal came from.
pub(super) fn source(signal: &FatalSignal, table: &Table, users: &Users) -> SignalSource {
    let way = signal.way();
    let by_another = way.is_sent() || way.follows_an_end();
    SignalSource { way, sender: by_another.then(|| sender(signal, table, users)) }
}

fn sender(signal: &FatalSignal, table: &Table, users: &Users) -> SignalSender {
    let task = &signal.sender;
    let user = |uid| users.name(uid).map(str::to_owned);
    let login = task.login_uid.map(|uid| Login { uid, user: user(uid), session: task.session_id });
    let told = SignalSender {
        pid: task.key.pid,
        start_ticks: task.key.start_ticks,
        name: lossy(&task.comm),
        uid: task.uid,
        user: user(task.uid),
        login,
        ..SignalSender::default()
    };
    let Some(known) = table.get(task.key) else { return told };
    let info = known.info();
    let above = table.above(known).take(ANCESTORS);
    SignalSender {
        // A thread may have a name of its own.
        name: if info.name.is_empty() { told.name } else { info.name },
        exe: info.exe,
        argv: info.argv,
        unit: info.unit,
        container_id: info.container_id,
        ancestors: above.map(|it| Ancestor { pid: it.key.pid, name: lossy(&it.comm) }).collect(),
        ..told
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{ProcessKey, SignalWay};
    use crate::observation::KernelProcess;

    fn exec(pid: u32, parent: u32, comm: &[u8], argv: &[u8]) -> KernelProcess {
        KernelProcess {
            parent: ProcessKey { pid: parent, start_ticks: 7 },
            comm: comm.into(),
            argv: argv.into(),
            ..KernelProcess::sample(ProcessKey { pid, start_ticks: 7 }, Duration::ZERO)
        }
    }

    #[test]
    fn a_sender_is_told_with_all_that_the_table_knows() {
        let mut table = Table::default();
        for event in [exec(1, 0, b"systemd", b""), exec(5, 1, b"sshd", b""), exec(6, 5, b"bash", b"-bash\0")]
        {
            table.exec(event, None);
        }
        table.exec(exec(7, 6, b"kill", b"kill\0-9\x0042\0"), Some("/user.slice/session-3.scope".into()));
        let mut signal = FatalSignal::sample(9, Some(0), 7);
        (signal.sender.login_uid, signal.sender.session_id) = (Some(1000), Some(3));
        let it = source(&signal, &table, &Users::default());
        assert_eq!(it.way, SignalWay::Kill);
        let sender = it.sender.unwrap();
        assert_eq!(
            (sender.name.as_str(), &sender.argv[..]),
            ("kill", &["kill", "-9", "42"].map(String::from)[..])
        );
        assert_eq!(sender.login, Some(Login { uid: 1000, user: None, session: Some(3) }));
        let above: Vec<_> = sender.ancestors.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(above, ["bash", "sshd", "systemd"]);
    }

    #[test]
    fn a_pid_that_was_given_anew_is_not_the_sender() {
        let mut table = Table::default();
        table.exec(exec(7, 1, b"innocent", b"innocent\0"), None);
        let mut signal = FatalSignal::sample(9, Some(0), 7);
        signal.sender.key.start_ticks = 6;
        let sender = source(&signal, &table, &Users::default()).sender.unwrap();
        assert_eq!((sender.name.as_str(), sender.argv.len()), ("gdb", 0));
    }

    #[test]
    fn what_nobody_sent_has_no_sender() {
        for (code, sender) in [(Some(1), 42), (Some(0), 42), (Some(-2), 7), (Some(-5), 7)] {
            let signal = FatalSignal::sample(6, code, sender);
            assert_eq!(source(&signal, &Table::default(), &Users::default()).sender, None, "{code:?}");
        }
    }
}
