//! Capabilities, which each thread has its own of: see capabilities(7).

use rustix::{
    io::Errno,
    thread::{
        CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
        capability_is_in_bounding_set, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    },
};

use super::Outcome;

/// Gives up all but these, for good: not even user id 0 brings others back.
pub(super) fn begin(needed: CapabilitySet) -> Outcome {
    // Without these it takes another program to get more, and `no_new_privs` and the filter of system calls
    // stand before that.
    let for_good = narrow_bounding_set(needed).and_then(|()| bind_root());
    // EINVAL where there is no such set.
    let _ = clear_ambient_capability_set();
    let mut outcome = keep(needed);
    if let (Outcome::On, Err(errno)) = (&outcome, for_good)
        && !is_empty()
    {
        outcome = Outcome::Partly(format!(
            "the bounding set stays, which takes CAP_SETPCAP: {}",
            Outcome::reason(errno)
        ));
    }
    outcome
}

/// Gives up all but these, in this thread.
pub(super) fn keep(needed: CapabilitySet) -> Outcome {
    let now = match capabilities(None) {
        Ok(sets) => sets.permitted,
        Err(errno) => return Outcome::Off(Outcome::reason(errno)),
    };
    let kept = now & needed;
    Outcome::of(set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    ))
}

/// Those that this thread has, as capabilities(7) names them. Empty also where it cannot be told.
pub(super) fn names() -> Vec<String> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    let name = |(name, _)| format!("CAP_{name}");
    held.iter_names().map(name).collect()
}

fn is_empty() -> bool {
    capabilities(None).is_ok_and(|sets| sets.permitted.is_empty())
}

/// What a program that is started could get back.
fn narrow_bounding_set(needed: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !needed.contains(capability) => {
                remove_capability_from_bounding_set(capability)?;
            }
            Ok(_) => {}
            // The last one that this kernel knows is behind us.
            Err(_) => break,
        }
    }
    Ok(())
}

/// User id 0 is nobody special from here on.
fn bind_root() -> Result<(), Errno> {
    set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )
}
