//! What a line of the corpus says: a fault, its near miss, or noise; how it is made and whom it is to be blamed on.

pub(super) use crate::model::IncidentKind as Kind;

/// Whether a kernel event tells of it at once; the others are states that a scan of /proc finds.
pub(super) const fn is_event(kind: Kind) -> bool {
    !ai_debugger::kinds::room(kind).lasts()
}

/// What a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// To be found, as this.
    Fault(Kind),
    /// Like this kind, and no fault.
    NearMiss(Kind),
    /// A busy, healthy machine: nothing may be found.
    Noise,
    /// Nothing at all; whatever is raised anywhere on the host is a false alarm.
    Idle,
}

/// Whom the incident is to be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A process that the program called `culprit`.
    Culprit,
    /// Any process of this program: where it is started by something that tells no pid.
    Program(&'static str),
    /// Any process of the case: where all of them have a part in it.
    Any,
}

/// For how long a state must have lasted before it is a fault, beyond the moment that the program told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held {
    /// It is one at once.
    No,
    /// So many times as long as this flag of the daemon says.
    Times(u32, &'static str),
    /// As long as these two of its flags say together.
    Both(&'static str, &'static str),
    /// So large a part of what this flag of the daemon says: a third, a half.
    Part(u32, &'static str),
    /// From the first of so many scans in a row, as the daemon's limits say, to the last.
    Walks(u32),
}

/// One line of the corpus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// The name: `kind/what`, or `noise/what`.
    pub(super) name: &'static str,
    pub(super) role: Role,
    /// What happens in the case, for the report.
    pub(super) about: &'static str,
    /// A script for /bin/sh; see [`super::shell`] for what it finds.
    pub(super) run: &'static str,
    pub(super) named: Named,
    /// Kinds that tell the truth about the same fault.
    pub(super) also: &'static [Kind],
    pub(super) held: Held,
    /// The fault is real from the so-manyth `crossed` on.
    pub(super) nth: usize,
    pub(super) memory_mib: Option<u64>,
    pub(super) pids: Option<u64>,
    /// Programs that must be installed.
    pub(super) needs: &'static [&'static str],
    /// Measured with nothing else of the corpus going on.
    pub(super) alone: bool,
    /// One of the cases that `--quick` runs.
    pub(super) quick: bool,
    /// A fault that is not real by then, or a near miss that goes on, is a broken case.
    pub(super) within_s: u64,
}

impl Case {
    pub(super) const fn fault(
        kind: Kind,
        name: &'static str,
        about: &'static str,
        run: &'static str,
    ) -> Self {
        Self::new(Role::Fault(kind), name, about, run)
    }

    pub(super) const fn near_miss(
        kind: Kind,
        name: &'static str,
        about: &'static str,
        run: &'static str,
    ) -> Self {
        Self::new(Role::NearMiss(kind), name, about, run)
    }

    pub(super) const fn noise(name: &'static str, about: &'static str, run: &'static str) -> Self {
        Self { within_s: 300, alone: true, ..Self::new(Role::Noise, name, about, run) }
    }

    pub(super) const fn new(role: Role, name: &'static str, about: &'static str, run: &'static str) -> Self {
        Self {
            name,
            role,
            about,
            run,
            named: Named::Culprit,
            also: &[],
            held: Held::No,
            nth: 1,
            memory_mib: None,
            pids: None,
            needs: &[],
            alone: false,
            quick: false,
            within_s: 60,
        }
    }

    pub(super) const fn blames(self, program: &'static str) -> Self {
        Self { named: Named::Program(program), ..self }
    }

    pub(super) const fn blames_any(self) -> Self {
        Self { named: Named::Any, ..self }
    }

    pub(super) const fn also(self, kinds: &'static [Kind]) -> Self {
        Self { also: kinds, ..self }
    }

    pub(super) const fn held(self, held: Held) -> Self {
        Self { held, ..self }
    }

    pub(super) const fn nth(self, nth: usize) -> Self {
        Self { nth, ..self }
    }

    pub(super) const fn memory_mib(self, mib: u64) -> Self {
        Self { memory_mib: Some(mib), ..self }
    }

    pub(super) const fn pids(self, count: u64) -> Self {
        Self { pids: Some(count), ..self }
    }

    pub(super) const fn needs(self, programs: &'static [&'static str]) -> Self {
        Self { needs: programs, ..self }
    }

    pub(super) const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    pub(super) const fn quick(self) -> Self {
        Self { quick: true, ..self }
    }

    pub(super) const fn within_s(self, seconds: u64) -> Self {
        Self { within_s: seconds, ..self }
    }

    /// The kind that it is a fault or a near miss of.
    pub(super) const fn kind(&self) -> Option<Kind> {
        match self.role {
            Role::Fault(kind) | Role::NearMiss(kind) => Some(kind),
            Role::Noise | Role::Idle => None,
        }
    }

    pub(super) const fn is_fault(&self) -> bool {
        matches!(self.role, Role::Fault(_))
    }

    /// The name of its folder and its cgroup.
    pub(super) fn slug(&self) -> String {
        self.name.replace('/', "-")
    }
}
