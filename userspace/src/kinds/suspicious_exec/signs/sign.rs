//! One reason to suspect an exec, and what softens several.

use crate::kinds::case::Statement;
use crate::kinds::suspicious_exec::executed::Executed;
use crate::kinds::suspicious_exec::facts::ExecFact;
use crate::model::Severity;
use crate::programs::{Roles, roles_of};

/// From this user id on, accounts are those of people (login.defs(5), `UID_MIN`).
pub(super) const PERSONS: u32 = 1000;

/// One reason to suspect an exec.
pub(in crate::kinds::suspicious_exec) struct Sign {
    pub(in crate::kinds::suspicious_exec) severity: Severity,
    pub(in crate::kinds::suspicious_exec) facts: Vec<Statement>,
    pub(in crate::kinds::suspicious_exec) site: String,
    /// Whether it is one only because of the service above, and that can't make it worse.
    pub(in crate::kinds::suspicious_exec) is_of_service: bool,
}

impl Sign {
    pub(super) fn new(severity: Severity, source: &str, fact: ExecFact, site: &str) -> Self {
        let facts = vec![Statement::new(source, fact)];
        Self { severity, facts, site: site.to_owned(), is_of_service: false }
    }
}

/// Whether a program of this role is above.
pub(super) fn is_below(executed: &Executed<'_>, role: Roles) -> bool {
    executed.ancestors.iter().any(|above| roles_of(above).contains(role))
}
