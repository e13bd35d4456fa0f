//! No file at all, by landlock: what is open already and what is only in memory can be read on.

use anyhow::{Context as _, Result, bail};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetStatus, Scope,
};

/// The newest rules asked for; an older kernel takes those it knows.
const NEWEST: ABI = ABI::V6;

pub(super) fn none() -> Result<()> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|it| it.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|it| it.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .context("landlock cannot be set up")?;
    let status = rules.restrict_self().context("landlock cannot be put in force")?;
    if status.ruleset == RulesetStatus::NotEnforced {
        bail!("this kernel has no landlock");
    }
    Ok(())
}
