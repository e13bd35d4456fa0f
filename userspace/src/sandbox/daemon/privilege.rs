//! The daemon's capabilities: a few in force, one for moments, and three for the thread alone that starts and ends the
//! helpers.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
};

use super::super::Step;
use super::super::privilege::LOOKING;

/// To read the counters of its programs: before kernel 5.18 or so, where bpf(2) is for the privileged, that needs it
/// (kernel kernel/bpf/syscall.c, `__sys_bpf`). Which calls of bpf(2) are left, the system calls say.
const COUNTERS: CapabilitySet = CapabilitySet::BPF;
/// For [`super::as_admin`].
const MOMENTS: CapabilitySet = CapabilitySet::SYS_ADMIN;
/// For root's daemon, whose helpers are nobody: to make them that, and to end them.
const HELPERS: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::KILL);

/// What the thread that starts the helpers keeps, and others give up.
#[must_use]
pub struct NoHelpers(CapabilitySet);

impl NoHelpers {
    /// This thread, and those that it starts, start no helpers.
    pub fn now(self, steps: &mut [Step]) {
        if let Err(error) = keep(self.0, CapabilitySet::empty())
            && let Some(step) = steps.iter_mut().find(|it| it.name == "capabilities")
        {
            *step = Step::of("capabilities", Err(error));
        }
    }
}

pub(super) fn drop_capabilities(data_dir: &Path) -> (Step, NoHelpers) {
    let had = capabilities(None).map_or_else(|_| CapabilitySet::empty(), |it| it.permitted);
    let user = geteuid();
    let wanted = wanted(had, user.as_raw(), owner(data_dir));
    let helpers = if user.is_root() { had & HELPERS } else { CapabilitySet::empty() };
    let result = keep(wanted, helpers);
    let step = Step::of("capabilities", result).saying(said(wanted, helpers));
    (step, NoHelpers(wanted))
}

/// Pure: of what it has, what it goes on needing.
fn wanted(had: CapabilitySet, uid: u32, folders_owner: Option<u32>) -> CapabilitySet {
    let mut wanted = LOOKING | COUNTERS | MOMENTS;
    // A folder of another user's, as that of the unit when root starts it by hand, is written by force or not at all.
    if uid == 0 && folders_owner.is_some_and(|owner| owner != uid) {
        wanted |= CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER;
    }
    had & wanted
}

fn owner(data_dir: &Path) -> Option<u32> {
    fs::metadata(data_dir).ok().map(|it| it.uid())
}

/// From now on these alone, and no program that is started gets others.
fn keep(wanted: CapabilitySet, helpers: CapabilitySet) -> Result<()> {
    let now = capabilities(None).context("capabilities cannot be read")?;
    let permitted = wanted | helpers;
    // Without CAP_SETPCAP the set stays as it is, and no_new_privs keeps programs from gaining anything by it.
    for bit in CapabilitySet::all().difference(permitted).iter() {
        remove_capability_from_bounding_set(bit).ok();
    }
    // What is not inheritable is not ambient either: a helper of a user's daemon gets what it looks with.
    let inheritable = now.inheritable & LOOKING;
    let effective = permitted.difference(moments(wanted));
    set_capabilities(None, CapabilitySets { effective, permitted, inheritable })
        .context("cannot drop capabilities")
}

/// What is kept and not in force. Before kernel 5.8 there is no CAP_BPF, and an administrator reads the counters.
fn moments(wanted: CapabilitySet) -> CapabilitySet {
    if wanted.contains(COUNTERS) { MOMENTS } else { CapabilitySet::empty() }
}

/// What is kept, by the names of capabilities(7).
fn said(wanted: CapabilitySet, helpers: CapabilitySet) -> String {
    let names = |set: CapabilitySet| {
        let names: Vec<_> = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
        names.join(", ")
    };
    let moments = wanted & moments(wanted);
    let mut said = match names(wanted.difference(moments)) {
        none if none.is_empty() => "none is kept".to_owned(),
        kept => format!("keeps {kept}"),
    };
    if !moments.is_empty() {
        said.push_str("; CAP_SYS_ADMIN only while a kernel stack is opened");
    }
    if !helpers.is_empty() {
        said.push_str(&format!("; {} only in the thread that starts and ends the helpers", names(helpers)));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_everything_little_is_kept_and_nothing_is_made_up() {
        let (all, none) = (CapabilitySet::all(), CapabilitySet::empty());
        for (had, uid, owner, want) in [
            (all, 0, Some(0), LOOKING | COUNTERS | MOMENTS),
            (all, 0, None, LOOKING | COUNTERS | MOMENTS),
            (CapabilitySet::SYS_PTRACE, 1000, Some(1000), CapabilitySet::SYS_PTRACE),
            (none, 1000, Some(0), none),
            (all, 1000, Some(0), LOOKING | COUNTERS | MOMENTS),
            (LOOKING | CapabilitySet::DAC_OVERRIDE, 0, Some(7), LOOKING | CapabilitySet::DAC_OVERRIDE),
            (LOOKING, 0, Some(7), LOOKING),
        ] {
            assert_eq!(wanted(had, uid, owner), want, "{had:?} {uid} {owner:?}");
        }
    }

    #[test]
    fn what_is_kept_is_said() {
        assert_eq!(said(CapabilitySet::empty(), CapabilitySet::empty()), "none is kept");
        assert_eq!(said(MOMENTS, CapabilitySet::empty()), "keeps CAP_SYS_ADMIN", "before kernel 5.8");
        let said = said(LOOKING | COUNTERS | MOMENTS, HELPERS);
        assert_eq!(
            said,
            "keeps CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_BPF; CAP_SYS_ADMIN only while a kernel stack is opened; \
             CAP_KILL, CAP_SETGID, CAP_SETUID only in the thread that starts and ends the helpers"
        );
    }
}
