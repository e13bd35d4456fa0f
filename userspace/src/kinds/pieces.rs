//! Pieces of statements that several rooms share.

use serde::{Deserialize, Serialize};

use super::part::{Part, facts};
use crate::model::{Name, SignalSender};
use crate::observation::ThreadLook;
use crate::redact;

facts! {
    /// A process, as a statement names it.
    pub struct Who {
        /// Its `comm`: at most 15 bytes that the process chose.
        pub name: Name,
        /// Its pid, in the host's pid namespace.
        pub pid: u32,
    }
}

facts! {
    /// A thread of the process, as a statement names it.
    pub struct Thread {
        /// Its `comm`: at most 15 bytes that the process chose.
        pub name: Name,
        /// Its id; that of the main thread is the pid.
        pub tid: u32,
        /// Whether it is the main thread.
        pub is_main: bool,
    }
}

impl Thread {
    /// The thread of a look at the process with this pid.
    pub fn of(look: &ThreadLook, pid: u32) -> Self {
        let name = String::from_utf8_lossy(&look.comm).into_owned().into();
        Self { name, tid: look.tid, is_main: look.tid == pid }
    }
}

/// Another process that had to do with a signal, as a statement names it. Only its name tells one fault from another:
/// whoever sends the signal the next time has another pid, and other arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Its `comm`: at most 15 bytes that the process chose.
    pub name: Name,
    /// Its pid, in the host's pid namespace.
    pub pid: u32,
    /// Its command line, secrets masked; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Name>,
    /// Its real user id; absent where an early version wrote the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// That user's name on this host, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Name>,
    /// The user id of who logged in and started it, at whatever remove; absent for services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// The name of who logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_user: Option<Name>,
    /// The session of that login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u32>,
    /// The unit it ran in, where its cgroup names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Name>,
    /// The container it ran in, where its cgroup names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_id: Option<Name>,
    /// The processes above it, its parent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Who>,
}

impl Part for Sender {
    fn each_name(&mut self, act: &mut dyn FnMut(&mut Name)) {
        let Self {
            name,
            pid: _,
            command,
            uid: _,
            user,
            login_uid: _,
            login_user,
            session: _,
            unit,
            container_id,
            above,
        } = self;
        act(name);
        [command, user, login_user, unit, container_id].into_iter().flatten().for_each(&mut *act);
        above.iter_mut().for_each(|it| it.each_name(act));
    }

    fn identify(&self, add: &mut dyn FnMut(&[u8])) {
        self.name.identify(add);
    }
}

impl From<&SignalSender> for Sender {
    fn from(it: &SignalSender) -> Self {
        let name = |text: &Option<String>| text.as_deref().map(Name::from);
        let login = it.login.as_ref();
        Self {
            name: it.name.as_str().into(),
            pid: it.pid,
            // Argument by argument: what one of them is may depend on the one before.
            command: (!it.argv.is_empty()).then(|| redact::argv(&it.argv).join(" ").into()),
            uid: Some(it.uid),
            user: name(&it.user),
            login_uid: login.map(|it| it.uid),
            login_user: login.and_then(|it| name(&it.user)),
            session: login.and_then(|it| it.session),
            unit: name(&it.unit),
            container_id: name(&it.container_id),
            above: it.ancestors.iter().map(|it| Who { name: it.name.as_str().into(), pid: it.pid }).collect(),
        }
    }
}
