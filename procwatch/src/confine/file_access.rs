//! No files written, no programs started, by landlock(7).
//!
//! Deliberately not in the collecting thread: the kernel takes a confined thread for a stranger to every process
//! that is not confined alike, and tells it no /proc/PID/exe or io of them, whatever its capabilities.

use landlock::{
    ABI, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};

use super::{Exemption, Needs, Outcome};

/// Rights to files up to this are given up; a kernel that knows fewer gives up those.
const NEWEST: ABI = ABI::V3;

/// Gives up writing and starting programs in this thread and those that it will start.
pub(super) fn refuse(needs: &Needs) -> Outcome {
    match try_refuse(needs) {
        Ok(RulesetStatus::FullyEnforced) => Outcome::On,
        Ok(RulesetStatus::PartiallyEnforced) => {
            Outcome::Partly("this kernel knows fewer kinds of access".to_owned())
        }
        Ok(RulesetStatus::NotEnforced) => Outcome::Off("this kernel has no Landlock".to_owned()),
        Err(error) => Outcome::Off(error.to_string()),
    }
}

fn try_refuse(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    let mut refused = AccessFs::from_write(NEWEST);
    if !needs.exemptions.contains(&Exemption::Exec) {
        refused |= AccessFs::Execute;
    }
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(refused)?
        .create()?;
    for path in &needs.writes {
        // One that is not there cannot be written to either.
        if let Ok(path) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(path, AccessFs::from_write(NEWEST)))?;
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}
