//! How a figure of one process went lately: the curve beside an alert.

use rusqlite::{OptionalExtension as _, params};

use super::{History, HistoryError, signed, unsigned};
use crate::{
    history::frame::Key,
    model::{
        field::Field,
        identity::ProcessId,
        series::{Added, levels, rates},
        totals::Counter,
    },
};

impl History {
    /// A figure of a process, or a rate of all together, in `steps` equal parts of a window: the end of each,
    /// nanoseconds since the epoch, and the value; parts of which nothing is known are left out. Empty for a field that
    /// is no figure.
    ///
    /// # Errors
    /// SQLite's.
    pub fn recent(
        &mut self,
        id: Option<ProcessId>,
        field: Field,
        (from_ns, to_ns): (u64, u64),
        steps: usize,
    ) -> Result<Vec<(u64, f64)>, HistoryError> {
        let key = match id {
            Some(id) => match self.key_of(id, from_ns)? {
                Some(key) => Some(key),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        let recorded_ns = self.bounds()?.map_or(to_ns, |(from_ns, _)| from_ns);
        let from_ns = recorded_ns.clamp(from_ns, to_ns);
        let span_ns = u128::from(to_ns - from_ns);
        let end_of = |step: usize| {
            let into = span_ns * (step as u128 + 1) / steps.max(1) as u128;
            from_ns + u64::try_from(into).unwrap_or(0)
        };
        let counter = match field {
            Field::CpuPct => Some((Counter::CpuTime, 1e-7)),
            Field::Rate(counter) => Some((counter, 1.0)),
            _ => None,
        };
        let values: Vec<Option<f64>> = match (counter, key) {
            (Some((counter, scale)), key) => {
                let curve = self.curve(key, counter, from_ns, to_ns, steps as u64)?;
                let points: Vec<_> = curve.iter().map(Added::from).collect();
                let rates = rates(&points, from_ns, to_ns, steps);
                rates.into_iter().map(|rate| Some(rate * scale)).collect()
            }
            (None, Some(key)) => match self.course(key, from_ns, to_ns, field)? {
                Some(course) => levels(&course, from_ns, to_ns, steps),
                None => Vec::new(),
            },
            (None, None) => Vec::new(),
        };
        let points = values.into_iter().enumerate();
        Ok(points
            .filter_map(|(step, value)| Some((end_of(step), value?)))
            .collect())
    }

    /// Of who lived at a time or later.
    fn key_of(&self, id: ProcessId, since_ns: u64) -> Result<Option<Key>, HistoryError> {
        let mut select = self.connection.prepare_cached(
            "SELECT key FROM process WHERE (ended_ns IS NULL OR ended_ns >= ?1) AND pid = ?2 AND start_time_ns = ?3 \
             ORDER BY key DESC LIMIT 1",
        )?;
        let of = params![signed(since_ns), id.pid, signed(id.start_time_ns)];
        let key: Option<i64> = select.query_row(of, |row| row.get(0)).optional()?;
        Ok(key.map(unsigned))
    }
}
