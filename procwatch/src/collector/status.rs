//! What collection stands on.

use serde::{Deserialize, Serialize};

use crate::{
    kernel::{PROBES, Probe, ProbeState},
    model::{
        sample::{Losses, Sources},
        shed::Shed,
    },
};

/// What the collector stands on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Every probe and what became of it.
    #[serde(with = "by_name")]
    pub probes: Vec<(&'static Probe, ProbeState)>,
    pub sources: Sources,
    pub loss: Losses,
    /// Set when collection runs on /proc alone, and why.
    pub degraded: Option<String>,
    /// What is left out, to stay within limits.
    pub shed: Shed,
}

/// Probes are the same in every procwatch of a version: their names say which.
mod by_name {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    use super::{PROBES, Probe, ProbeState};

    pub(super) fn serialize<S: Serializer>(
        probes: &[(&'static Probe, ProbeState)],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        let named: Vec<(&str, &ProbeState)> = probes
            .iter()
            .map(|(probe, state)| (probe.program, state))
            .collect();
        named.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(&'static Probe, ProbeState)>, D::Error> {
        Vec::<(String, ProbeState)>::deserialize(from)?
            .into_iter()
            .map(|(name, state)| {
                let probe = PROBES.iter().find(|probe| probe.program == name);
                let probe = probe.ok_or_else(|| D::Error::custom("a probe that is not here"))?;
                Ok((probe, state))
            })
            .collect()
    }
}

impl Status {
    /// Whether something is missing: a source, a hook, a record, or detail.
    pub fn is_degraded(&self) -> bool {
        self.degraded.is_some()
            || self.loss.total() > 0
            || !self.shed.is_nothing()
            || !self.probes.iter().all(|(_, state)| state.is_measuring())
    }
}
