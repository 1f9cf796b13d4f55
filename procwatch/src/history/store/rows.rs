//! What goes into the tables, row by row.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Filling, StoreError, signed, unsigned};
use crate::{
    history::{
        differ::{Differ, Difference},
        events::{self, Kept},
        frame::Image,
    },
    model::{
        facts::Facts,
        identity::ProcessId,
        sample::{ProcessSample, Sample, TotalsAt},
        totals::Counter,
    },
};

pub(super) fn boot_number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.execute("INSERT OR IGNORE INTO boot (name) VALUES (?1)", [name])?;
    connection.query_row("SELECT id FROM boot WHERE name = ?1", [name], |row| {
        row.get(0)
    })
}

/// Goes on with the numbers of a recording, and with those processes of this boot whose end it has not seen.
pub(super) fn differ(connection: &Connection, boot: i64) -> rusqlite::Result<Differ> {
    let last = |sql| -> rusqlite::Result<u64> {
        let number: Option<i64> = connection
            .query_row(sql, [], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(number.map_or(0, unsigned))
    };
    let key = last("SELECT max(key) FROM process")?;
    let image = last("SELECT max(image) FROM facts")?;
    let mut select = connection.prepare(
        "SELECT key, pid, start_time_ns FROM process WHERE boot = ?1 AND ended_ns IS NULL",
    )?;
    let living = select.query_map([boot], |row| {
        let id = ProcessId::new(row.get(1)?, unsigned(row.get(2)?));
        Ok((id, unsigned(row.get(0)?)))
    })?;
    let living: Vec<_> = living.collect::<Result<_, _>>()?;
    Ok(Differ::new(living, (key, image)))
}

pub(super) fn insert_processes(
    transaction: &Transaction<'_>,
    boot: i64,
    sample: &Sample,
    difference: &Difference,
) -> rusqlite::Result<()> {
    let wall = |boot_ns: u64| (sample.time_ns + boot_ns).saturating_sub(sample.boot_time_ns);
    for (facts, image) in &difference.images {
        insert_facts(transaction, *image, facts, sample.time_ns)?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO process (key, boot, pid, start_time_ns, started_ns, parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for birth in &difference.births {
        insert.execute(params![
            signed(birth.key),
            boot,
            birth.id.pid,
            signed(birth.id.start_time_ns),
            signed(wall(birth.id.start_time_ns)),
            birth.parent.map(signed)
        ])?;
    }
    let mut was = transaction.prepare_cached(
        "INSERT OR REPLACE INTO earlier SELECT key, ?2, image FROM process WHERE key = ?1 AND image IS NOT NULL \
         AND image != ?3",
    )?;
    let mut is = transaction.prepare_cached("UPDATE process SET image = ?2 WHERE key = ?1")?;
    for (key, image) in &difference.changes {
        was.execute(params![
            signed(*key),
            signed(sample.time_ns),
            signed(*image)
        ])?;
        is.execute(params![signed(*key), signed(*image)])?;
    }
    for (key, position) in &difference.ends {
        end_process(
            transaction,
            *key,
            &sample.processes[*position],
            &wall,
            sample.time_ns,
        )?;
    }
    let mut lost = transaction.prepare_cached(
        "UPDATE process SET ended_ns = ?2, totals_at = 2 WHERE key = ?1 AND ended_ns IS NULL",
    )?;
    for key in &difference.frame.gone {
        lost.execute(params![signed(*key), signed(sample.time_ns)])?;
    }
    Ok(())
}

fn end_process(
    transaction: &Transaction<'_>,
    key: u64,
    process: &ProcessSample,
    wall: &impl Fn(u64) -> u64,
    now_ns: u64,
) -> rusqlite::Result<()> {
    use std::sync::LazyLock;
    static UPDATE: LazyLock<String> = LazyLock::new(|| {
        let totals: String = Counter::ALL
            .iter()
            .enumerate()
            .map(|(slot, counter)| format!(", {} = ?{}", counter.name(), slot + 6))
            .collect();
        format!(
            "UPDATE process SET ended_ns = ?2, status = ?3, totals_at = ?4, peak_rss_bytes = ?5{totals} WHERE key = ?1"
        )
    });
    let Some(ending) = process.state.ending() else {
        return Ok(());
    };
    let mut update = transaction.prepare_cached(&UPDATE)?;
    update.raw_bind_parameter(1, signed(key))?;
    update.raw_bind_parameter(2, signed(ending.time_ns.map_or(now_ns, wall)))?;
    update.raw_bind_parameter(3, ending.status.map(|status| status.0))?;
    let totals_at = match ending.totals {
        TotalsAt::Final => 0,
        TotalsAt::Exit => 1,
        TotalsAt::LastSeen => 2,
    };
    update.raw_bind_parameter(4, totals_at)?;
    update.raw_bind_parameter(5, process.peak_rss_bytes.map(signed))?;
    for (slot, (_, value)) in process.totals.iter().enumerate() {
        update.raw_bind_parameter(slot + 6, value.map(signed))?;
    }
    update.raw_execute()?;
    Ok(())
}

pub(super) fn insert_facts(
    transaction: &Transaction<'_>,
    image: Image,
    facts: &Facts,
    now_ns: u64,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO facts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    insert.execute(params![
        signed(image),
        facts.comm,
        facts.exe,
        facts.argv,
        facts.argv_truncated,
        facts.uid,
        facts.user,
        facts.cgroup,
        facts.container,
        facts.is_kernel_thread,
        signed(now_ns)
    ])?;
    Ok(())
}

/// Returns how many bytes they take.
pub(in crate::history) fn insert_events(
    transaction: &Transaction<'_>,
    table: &str,
    boot: i64,
    kept: &[Kept],
) -> Result<usize, StoreError> {
    let bytes = events::encode(kept);
    let data = match table {
        "event_block" => zstd::bulk::compress(&bytes, 3)?,
        _ => bytes,
    };
    let times = || kept.iter().map(|event| event.wall_ns);
    let sql = format!(
        "INSERT INTO {table} (boot, from_ns, to_ns, events, data) VALUES (?1, ?2, ?3, ?4, ?5)"
    );
    transaction.prepare_cached(&sql)?.execute(params![
        boot,
        signed(times().min().unwrap_or(0)),
        signed(times().max().unwrap_or(0)),
        kept.len() as i64,
        data
    ])?;
    Ok(data.len())
}

pub(super) fn insert_block(
    transaction: &Transaction<'_>,
    tier: usize,
    session: i64,
    block: &Filling,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO block (tier, session, from_ns, to_ns, frames, rows, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        tier as i64,
        session,
        signed(block.from_ns),
        signed(block.to_ns),
        signed(block.builder.frames),
        signed(block.builder.rows),
        block.builder.compressed()
    ])?;
    Ok(())
}
