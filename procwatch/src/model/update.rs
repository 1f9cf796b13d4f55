//! A sample as what is new since another one: what a viewer of a running recorder is told.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::{
    facts::Facts,
    identity::ProcessId,
    sample::{ProcessSample, Sample},
};

/// Stands for facts that are as they were.
static UNCHANGED: LazyLock<Arc<Facts>> = LazyLock::new(Arc::default);

/// What turns one sample into a later one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Update {
    /// The later sample, with only those processes that are not as they were.
    sample: Sample,
    /// Of each of those: whether its facts are told, and are not those it had.
    has_facts: Vec<bool>,
    /// Those that are not there any more.
    gone: Vec<ProcessId>,
    /// Of the sample that this is to be applied to, nanoseconds since boot. `None` when it needs none.
    since_ns: Option<u64>,
}

/// An update that is not for the sample at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an update is not for the sample before it")]
pub struct Mismatch;

impl Update {
    /// A sample as it stands, for somebody who knows none before it.
    pub fn whole(sample: &Sample) -> Self {
        Self {
            sample: sample.clone(),
            has_facts: vec![true; sample.processes.len()],
            gone: Vec::new(),
            since_ns: None,
        }
    }

    /// What is not in `before` as it is in `after`.
    pub fn between(before: &Sample, after: &Sample) -> Self {
        let mut changed = Vec::new();
        let mut has_facts = Vec::new();
        let mut gone = Vec::new();
        let mut earlier = before.processes.iter().peekable();
        for process in &after.processes {
            while let Some(lost) = earlier.next_if(|one| one.id < process.id) {
                gone.push(lost.id);
            }
            match earlier.next_if(|one| one.id == process.id) {
                Some(same) if same == process => {}
                Some(known) if known.facts == process.facts => {
                    changed.push(ProcessSample {
                        facts: Arc::clone(&UNCHANGED),
                        ..process.clone()
                    });
                    has_facts.push(false);
                }
                _ => {
                    changed.push(process.clone());
                    has_facts.push(true);
                }
            }
        }
        gone.extend(earlier.map(|lost| lost.id));
        Self {
            sample: Sample {
                processes: changed,
                cores: after.cores.clone(),
                devices: after.devices.clone(),
                interfaces: after.interfaces.clone(),
                sources: after.sources.clone(),
                ..*after
            },
            has_facts,
            gone,
            since_ns: Some(before.boot_time_ns),
        }
    }

    /// The later sample.
    ///
    /// # Errors
    /// When `before` is not the sample that the update was made for, or the update is none that was made.
    pub fn apply(self, before: Option<&Sample>) -> Result<Sample, Mismatch> {
        let Self {
            mut sample,
            has_facts,
            gone,
            since_ns,
        } = self;
        let is_sorted = sample.processes.is_sorted_by(|one, next| one.id < next.id);
        let fits = before.map(|before| before.boot_time_ns) == since_ns || since_ns.is_none();
        if !fits || !is_sorted || !gone.is_sorted() || has_facts.len() != sample.processes.len() {
            return Err(Mismatch);
        }
        let known: &[ProcessSample] = match before {
            Some(before) if since_ns.is_some() => &before.processes,
            _ => &[],
        };
        let told = std::mem::take(&mut sample.processes)
            .into_iter()
            .zip(has_facts);
        let mut told = told.peekable();
        let mut processes = Vec::with_capacity(known.len() + told.len());
        for process in known {
            while let Some((one, has_facts)) = told.next_if(|(one, _)| one.id < process.id) {
                if !has_facts {
                    return Err(Mismatch);
                }
                processes.push(one);
            }
            match told.next_if(|(one, _)| one.id == process.id) {
                Some((one, true)) => processes.push(one),
                Some((one, false)) => processes.push(ProcessSample {
                    facts: Arc::clone(&process.facts),
                    ..one
                }),
                None if gone.binary_search(&process.id).is_ok() => {}
                None => processes.push(process.clone()),
            }
        }
        for (one, has_facts) in told {
            if !has_facts {
                return Err(Mismatch);
            }
            processes.push(one);
        }
        sample.processes = processes;
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::made_up::{samples, steps};

    fn sent(update: &Update) -> Update {
        postcard::from_bytes(&postcard::to_stdvec(update).unwrap()).unwrap()
    }

    fn told(sample: &Sample) -> String {
        format!("{sample:?}")
    }

    proptest! {
        #[test]
        fn a_viewer_has_what_the_recorder_has(steps in steps(), joins in 0_usize..40) {
            let samples = samples(&steps);
            let first = joins % samples.len();
            let mut known = sent(&Update::whole(&samples[first])).apply(None).unwrap();
            prop_assert_eq!(told(&known), told(&samples[first]));
            for pair in samples[first..].windows(2) {
                let update = sent(&Update::between(&pair[0], &pair[1]));
                known = update.apply(Some(&known)).unwrap();
                prop_assert_eq!(told(&known), told(&pair[1]));
            }
        }

        #[test]
        fn an_update_for_another_sample_is_refused(steps in steps()) {
            let samples = samples(&steps);
            let update = Update::between(&samples[0], &samples[1]);
            prop_assert!(update.clone().apply(None).is_err());
            prop_assert!(update.apply(Some(&samples[1])).is_err());
        }
    }

    #[test]
    fn what_did_nothing_takes_no_room() {
        let step = |pid| crate::model::made_up::Step {
            pid,
            cpu_ns: 7,
            read: None,
            rss: 4096,
            ends: false,
            execs: false,
        };
        let samples = samples(&[(1..12).map(step).collect(), vec![step(3)]]);
        let whole = Update::whole(&samples[1]);
        let update = Update::between(&samples[0], &samples[1]);
        assert_eq!(update.sample.processes.len(), 1);
        let size = |update: &Update| postcard::to_stdvec(update).unwrap().len();
        assert!(
            size(&update) < size(&whole) / 2,
            "{} of {}",
            size(&update),
            size(&whole)
        );
    }
}
