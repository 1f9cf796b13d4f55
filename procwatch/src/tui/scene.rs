//! Which lines there are to draw: what data and state come to, worked out once for each frame.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{
    data::Data,
    state::{Seek, State, View},
};
use crate::model::{
    field::Field,
    identity::ProcessId,
    lineage::Lineage,
    selection::Arrangement,
    snapshot::{ProcessView, Snapshot},
    subtree::{self, Subtree},
    totals::Totals,
};

/// The snapshot that is shown, and the processes of it in order.
pub struct Scene<'a> {
    pub position: u64,
    pub snapshot: &'a Arc<Snapshot>,
    pub rows: Vec<(usize, ProcessView<'a>)>,
    /// Sums over each process and all below it, in a tree.
    pub sums: HashMap<ProcessId, Subtree>,
}

impl<'a> Scene<'a> {
    /// `None` before there are two samples.
    pub fn of(state: &State, data: &'a Data) -> Option<Self> {
        let newest = data.timeline.newest()?;
        let position = state
            .held
            .map_or(newest, |held| held.clamp(data.timeline.oldest(), newest));
        let snapshot = data.timeline.at(position)?;
        let mut scene = Self {
            position,
            snapshot,
            rows: Vec::new(),
            sums: HashMap::new(),
        };
        if state.view == View::Processes {
            let dead = data.timeline.afterglow(position);
            let shown = snapshot.processes().chain(dead);
            let is_tree = state.layout.arrangement == Arrangement::Tree;
            scene.rows = match &data.recording {
                Some(recording) if is_tree => {
                    with_ancestors(state, &recording.lineage, snapshot, shown)
                }
                _ => state.selection().among(shown),
            };
            if is_tree {
                scene.sums = subtree::sums(&scene.rows);
            }
        }
        Some(scene)
    }

    /// Where a process stands.
    pub fn line_of(&self, id: ProcessId) -> Option<usize> {
        self.rows.iter().position(|(_, view)| view.process.id == id)
    }

    /// The line that a search leads to; round the end if need be.
    pub fn found(&self, word: &str, from: usize, seek: Seek) -> Option<usize> {
        let count = self.rows.len();
        if word.is_empty() || count == 0 {
            return None;
        }
        let word = word.to_lowercase();
        let from = from.min(count - 1);
        let line = |step: usize| match seek {
            Seek::Here => (from + step) % count,
            Seek::Next => (from + 1 + step) % count,
            Seek::Previous => (from + 2 * count - 1 - step) % count,
        };
        (0..count)
            .map(line)
            .find(|line| has_word(&self.rows[*line].1, &word))
    }
}

/// The processes of a snapshot below those that bore them, the dead ones too.
fn with_ancestors<'a>(
    state: &State,
    lineage: &'a Lineage,
    snapshot: &'a Snapshot,
    shown: impl Iterator<Item = ProcessView<'a>>,
) -> Vec<(usize, ProcessView<'a>)> {
    const NO_RATES: &Totals = &Totals::UNKNOWN;
    let selection = state.selection();
    let is_wanted = |view: &ProcessView<'_>| {
        let filter = selection.filter.as_ref();
        filter.is_none_or(|filter| filter.matches(view))
    };
    // Those that are filtered out have no ancestors to show.
    let mut views: Vec<_> = shown.filter(is_wanted).collect();
    let ids: Vec<_> = views.iter().map(|view| view.process.id).collect();
    let ancestors = lineage.dead_ancestors(ids.into_iter(), snapshot.sample.boot_time_ns);
    views.extend(ancestors.into_iter().map(|process| ProcessView {
        process,
        delta: NO_RATES,
        interval_ns: snapshot.interval_ns,
    }));
    selection.among_kin(views.into_iter(), |id| lineage.parents.get(&id).copied())
}

/// In its name, command line, user or pid; the word in lower case.
pub fn has_word(view: &ProcessView<'_>, word: &str) -> bool {
    let facts = &view.process.facts;
    let texts = [
        Some(&*facts.comm),
        facts.argv.as_deref(),
        facts.user.as_deref(),
        facts.container.as_deref(),
    ];
    texts
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().replace('\0', " ").contains(word))
        || view.process.id.pid.to_string() == word
}

/// Whether a column is sorted by.
pub fn is_sorted_by(state: &State, field: Field) -> bool {
    state.layout.sort == field
}
