//! What a recorder that did not come to its end has left behind, made into blocks.

use rusqlite::params;

use super::{Filling, Open, Store, StoreError, TIERS, unsigned};
use crate::history::{
    assemble::Assembler,
    block::{Block, Builder},
    rollup::Rollup,
};

impl Store {
    /// Puts what an earlier recorder left in the tail into blocks, in every tier.
    pub(super) fn finish_earlier_sessions(&mut self) -> Result<(), StoreError> {
        let sessions: Vec<(i64, i64)> = self
            .connection
            .prepare("SELECT id, boot FROM session ORDER BY id DESC LIMIT 1")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let current = self.boot;
        for (session, boot) in sessions {
            (self.session, self.boot) = (session, boot);
            self.pack_tail()?;
            self.pack_events()?;
            for tier in 1..TIERS.len() {
                self.catch_up(tier)?;
            }
            self.tiers = std::array::from_fn(Open::new);
        }
        self.boot = current;
        Ok(())
    }

    fn pack_tail(&mut self) -> Result<(), StoreError> {
        let mut builder = Builder::default();
        {
            let mut select = self
                .connection
                .prepare("SELECT data FROM tail WHERE session = ?1 ORDER BY id")?;
            let mut rows = select.query([self.session])?;
            while let Some(row) = rows.next()? {
                builder.append(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
            }
        }
        let bytes = builder.plain();
        let block = Block::parse(&bytes)?;
        let mut frames = block.frames()?;
        let (mut from_ns, mut to_ns) = (None, 0);
        while let Some(frame) = frames.read()? {
            from_ns.get_or_insert(frame.time_ns);
            to_ns = frame.time_ns;
        }
        self.tiers[0].block = from_ns.map(|from_ns| Filling {
            builder,
            from_ns,
            to_ns,
        });
        self.close(0)
    }

    /// Makes a tier of the one below it, from where it ends.
    fn catch_up(&mut self, tier: usize) -> Result<(), StoreError> {
        let reached: Option<i64> = self.connection.query_row(
            "SELECT max(to_ns) FROM block WHERE tier = ?1 AND session = ?2",
            params![tier as i64, self.session],
            |row| row.get(0),
        )?;
        let ids: Vec<i64> = self
            .connection
            .prepare("SELECT id FROM block WHERE tier = ?1 AND session = ?2 AND to_ns > ?3 ORDER BY to_ns")?
            .query_map(
                params![tier as i64 - 1, self.session, reached.unwrap_or(0)],
                |row| row.get(0),
            )?
            .collect::<Result<_, _>>()?;
        let reached = reached.map_or(0, unsigned);
        let mut rollup = Rollup::new(TIERS[tier].frame_ns);
        let mut standing = Assembler::default();
        for id in ids {
            let data: Vec<u8> =
                self.connection
                    .query_row("SELECT data FROM block WHERE id = ?1", [id], |row| {
                        row.get(0)
                    })?;
            let block = Block::parse(&data)?;
            let mut frames = block.frames()?;
            while let Some(frame) = frames.read()? {
                let open = &mut self.tiers[tier];
                // How things stood where the tier ends is what it goes on from.
                if frame.time_ns <= reached {
                    standing.push(&frame);
                    open.go_on_from(&standing, &frame);
                    continue;
                }
                // The beginning of every block after that says nothing new.
                if frame.since_ns.is_none() && (open.last.is_some() || rollup.is_pending()) {
                    continue;
                }
                if let Some(coarser) = rollup.push(&frame) {
                    self.tiers[tier].push(&coarser);
                    if self.tiers[tier]
                        .block
                        .as_ref()
                        .is_some_and(|block| block.is_full(tier))
                    {
                        self.close(tier)?;
                    }
                }
            }
        }
        if let Some(coarser) = rollup.finish() {
            self.tiers[tier].push(&coarser);
        }
        self.close(tier)
    }
}
