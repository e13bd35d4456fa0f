//! A capability that is kept, and in force only while it is used.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// The kernel's own stack of a thread, `/proc/PID/stack`, is shown to who was an administrator when it was opened
/// (kernel fs/proc/base.c, `proc_pid_stack`). Does `work` as one, where that may be; as it is, where not. `work` must
/// only open: it is done on this thread, with all that an administrator may do and the system calls allow.
pub fn as_admin<T>(work: impl FnOnce() -> T) -> T {
    let _raised = Raised::new(CapabilitySet::SYS_ADMIN);
    work()
}

/// Put back when dropped, by a panic, too.
struct Raised(Option<CapabilitySets>);

impl Raised {
    fn new(wanted: CapabilitySet) -> Self {
        let held = capabilities(None).ok();
        let lacks = held.filter(|it| it.permitted.contains(wanted) && !it.effective.contains(wanted));
        Self(lacks.filter(|it| {
            let more = CapabilitySets { effective: it.effective | wanted, ..*it };
            set_capabilities(None, more).is_ok()
        }))
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            set_capabilities(None, before).expect("a capability in force can be put down");
        }
    }
}
