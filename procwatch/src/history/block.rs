//! Frames as columns, and columns as the bytes of a block.
//!
//! One column per figure, in the order of frames and, within a frame, of rows: those who want one figure read three
//! columns. What a row has not changed stands in no column but the mask. Frames are independent of where a block
//! begins, so that a block is what its frames are, one behind the other.

use std::{borrow::Cow, cell::OnceCell};

use super::{
    columns::{Column, Damaged, put, put_change},
    frame::{Began, Frame, Gauge, HostPart, Key, Row},
};
use crate::model::totals::{Counter, Totals, UNKNOWN};

/// What the first byte says. The next version gets the next number.
const VERSION: u8 = 1;

/// Times, and how many rows there are.
const FRAMES: usize = 0;
const HOST: usize = 1;
const KEYS: usize = 2;
const MASKS: usize = 3;
/// What rows build on that build on nothing before.
const BASES: usize = 4;
const GONE: usize = 5;
const COUNTERS: usize = 6;
const GAUGES: usize = COUNTERS + Counter::COUNT;
const COLUMNS: usize = GAUGES + Gauge::COUNT;

/// Of a mask: two bits for what the row builds on, one for each gauge, one for each counter.
const BEGAN_BITS: u32 = 2;
const COUNTER_BIT: u32 = BEGAN_BITS + Gauge::COUNT as u32;

/// Less than this is not worth the head that compressed bytes have.
const COMPRESS_MIN: usize = 64;
const LEVEL: i32 = 3;
/// More than any column of a block has, and less than would hurt.
const COLUMN_MAX: usize = 64 << 20;

/// Frames on their way into a block.
#[derive(Clone, Debug)]
pub struct Builder {
    columns: [Vec<u8>; COLUMNS],
    pub frames: u64,
    pub rows: u64,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            columns: std::array::from_fn(|_| Vec::new()),
            frames: 0,
            rows: 0,
        }
    }
}

impl Builder {
    pub fn push(&mut self, frame: &Frame) {
        self.frames += 1;
        self.rows += frame.rows.len() as u64;
        let times = &mut self.columns[FRAMES];
        put(times, frame.time_ns);
        put(
            times,
            frame
                .since_ns
                .map_or(0, |since_ns| frame.time_ns.saturating_sub(since_ns) + 1),
        );
        put(times, frame.boot_time_ns);
        put_change(times, frame.boot_time_ns, frame.began_ns);
        put(times, frame.rows.len() as u64);
        put(times, frame.gone.len() as u64);
        // A Vec takes all, and the structures have no maps whose length is unknown.
        let host = postcard::to_stdvec(&frame.host).unwrap_or_default();
        put(&mut self.columns[HOST], host.len() as u64);
        self.columns[HOST].extend_from_slice(&host);
        let mut before = 0;
        for row in &frame.rows {
            put_change(&mut self.columns[KEYS], before, row.key);
            before = row.key;
            self.push_row(row);
        }
        for key in &frame.gone {
            put_change(&mut self.columns[GONE], before, *key);
            before = *key;
        }
    }

    fn push_row(&mut self, row: &Row) {
        let mut mask = 0;
        for (position, value) in row.gauges.iter().enumerate() {
            if *value != 0 {
                mask |= 1 << (BEGAN_BITS as usize + position);
                put_change(&mut self.columns[GAUGES + position], 0, *value);
            }
        }
        for (position, value) in row.added.iter().enumerate() {
            if *value != 0 {
                mask |= 1 << (COUNTER_BIT as usize + position);
                put(&mut self.columns[COUNTERS + position], *value);
            }
        }
        let bases = &mut self.columns[BASES];
        match &row.began {
            Began::Before => {}
            Began::Now { unknown: 0 } => mask |= 1,
            Began::Now { unknown } => {
                mask |= 2;
                put(bases, u64::from(*unknown));
            }
            Began::Earlier { base } => {
                mask |= 3;
                let (mut unknown, mut some) = (0_u64, 0_u64);
                for (position, value) in base.raw().iter().enumerate() {
                    match *value {
                        UNKNOWN => unknown |= 1 << position,
                        0 => {}
                        _ => some |= 1 << position,
                    }
                }
                put(bases, unknown);
                put(bases, some);
                for value in base.raw() {
                    if ![0, UNKNOWN].contains(value) {
                        put_change(bases, 0, *value);
                    }
                }
            }
        }
        put(&mut self.columns[MASKS], mask);
    }

    /// Adds frames that were written before.
    ///
    /// # Errors
    /// When the bytes are none of a block.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let block = Block::parse(bytes)?;
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.extend_from_slice(block.bytes(index)?);
        }
        self.frames += block.frames;
        self.rows += block.rows;
        Ok(())
    }

    /// Bytes that it takes until it is compressed.
    pub fn size(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    /// As they are: for frames that will soon be in a block.
    pub fn plain(&self) -> Vec<u8> {
        self.encoded(false)
    }

    pub fn compressed(&self) -> Vec<u8> {
        self.encoded(true)
    }

    fn encoded(&self, is_compressed: bool) -> Vec<u8> {
        let mut head = vec![VERSION];
        put(&mut head, self.frames);
        put(&mut head, self.rows);
        let mut body = Vec::new();
        for column in &self.columns {
            let packed = (is_compressed && column.len() >= COMPRESS_MIN)
                .then(|| zstd::bulk::compress(column, LEVEL).ok())
                .flatten()
                .filter(|packed| packed.len() < column.len());
            put(&mut head, column.len() as u64);
            match packed {
                Some(packed) => {
                    put(&mut head, packed.len() as u64);
                    body.extend_from_slice(&packed);
                }
                None => {
                    if !column.is_empty() {
                        put(&mut head, 0);
                    }
                    body.extend_from_slice(column);
                }
            }
        }
        head.extend_from_slice(&body);
        head
    }
}

/// Frames as they were written. Columns are unpacked when somebody wants them.
#[derive(Debug)]
pub struct Block<'a> {
    pub frames: u64,
    pub rows: u64,
    columns: [(usize, usize, &'a [u8]); COLUMNS],
    unpacked: [OnceCell<Cow<'a, [u8]>>; COLUMNS],
}

impl<'a> Block<'a> {
    /// # Errors
    /// When the bytes are none of a block.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut head = Column(bytes);
        if head.take()? != u64::from(VERSION) {
            return Err(Damaged);
        }
        let (frames, rows) = (head.take()?, head.take()?);
        let mut lengths = [(0, 0); COLUMNS];
        for length in &mut lengths {
            let plain = usize::try_from(head.take()?).map_err(|_| Damaged)?;
            let packed = if plain == 0 { 0 } else { head.take()? };
            *length = (plain, usize::try_from(packed).map_err(|_| Damaged)?);
        }
        let mut columns = [(0, 0, &[][..]); COLUMNS];
        for (column, (plain, packed)) in columns.iter_mut().zip(lengths) {
            if plain > COLUMN_MAX {
                return Err(Damaged);
            }
            let len = if packed == 0 { plain } else { packed };
            *column = (plain, packed, head.take_bytes(len as u64)?);
        }
        if !head.is_empty() {
            return Err(Damaged);
        }
        Ok(Self {
            frames,
            rows,
            columns,
            unpacked: std::array::from_fn(|_| OnceCell::new()),
        })
    }

    fn bytes(&self, index: usize) -> Result<&[u8], Damaged> {
        let (plain, packed, bytes) = self.columns[index];
        if packed == 0 {
            return Ok(bytes);
        }
        if let Some(unpacked) = self.unpacked[index].get() {
            return Ok(unpacked);
        }
        let unpacked = unpack(bytes, plain as u64)?;
        if unpacked.len() != plain {
            return Err(Damaged);
        }
        Ok(self.unpacked[index].get_or_init(|| Cow::Owned(unpacked)))
    }

    fn column(&self, index: usize) -> Result<Column<'_>, Damaged> {
        Ok(Column(self.bytes(index)?))
    }

    /// Every frame, one behind the other.
    ///
    /// # Errors
    /// When a column cannot be unpacked.
    pub fn frames(&self) -> Result<Frames<'_>, Damaged> {
        let mut columns = [Column::default(); COLUMNS];
        for (index, column) in columns.iter_mut().enumerate() {
            *column = self.column(index)?;
        }
        Ok(Frames {
            left: self.frames,
            columns,
        })
    }

    /// Hands over the times of every frame and, of each of its rows, the key and what was added to some totals.
    ///
    /// # Errors
    /// When the bytes are none of a block.
    pub fn scan(
        &self,
        counters: &[Counter],
        mut wants: impl FnMut(&Times) -> bool,
        mut each: impl FnMut(&Times, Key, &[u64]),
    ) -> Result<(), Damaged> {
        let mut frames = self.column(FRAMES)?;
        let mut keys = self.column(KEYS)?;
        let mut masks = self.column(MASKS)?;
        let mut columns = Vec::with_capacity(counters.len());
        for counter in counters {
            let slot = *counter as usize;
            columns.push((
                1 << (COUNTER_BIT as usize + slot),
                self.column(COUNTERS + slot)?,
            ));
        }
        let mut values = vec![0; counters.len()];
        for _ in 0..self.frames {
            let times = Times::take(&mut frames)?;
            let is_wanted = wants(&times);
            let mut key = 0;
            for _ in 0..times.rows {
                key = keys.take_change(key)?;
                let mask = masks.take()?;
                for (value, (bit, column)) in values.iter_mut().zip(&mut columns) {
                    *value = if mask & *bit == 0 { 0 } else { column.take()? };
                }
                if is_wanted {
                    each(&times, key, &values);
                }
            }
        }
        Ok(())
    }

    /// The host at every frame.
    ///
    /// # Errors
    /// When the bytes are none of a block.
    pub fn hosts(&self) -> Result<Vec<(Times, HostPart)>, Damaged> {
        let mut frames = self.column(FRAMES)?;
        let mut hosts = self.column(HOST)?;
        (0..self.frames)
            .map(|_| Ok((Times::take(&mut frames)?, host(&mut hosts)?)))
            .collect()
    }
}

/// Never more than `most` bytes, whatever they claim to become.
///
/// # Errors
/// When they are not compressed, or do not become so few.
pub fn unpack(bytes: &[u8], most: u64) -> Result<Vec<u8>, Damaged> {
    use std::io::Read as _;
    let mut unpacked = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|_| Damaged)?;
    // Larger windows need more memory than any block of ours.
    decoder.window_log_max(27).map_err(|_| Damaged)?;
    let mut limited = decoder.take(most.saturating_add(1));
    limited.read_to_end(&mut unpacked).map_err(|_| Damaged)?;
    if unpacked.len() as u64 > most {
        return Err(Damaged);
    }
    Ok(unpacked)
}

/// When a frame is, and how much is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub time_ns: u64,
    pub since_ns: Option<u64>,
    pub boot_time_ns: u64,
    began_ns: u64,
    rows: u64,
    gone: u64,
}

impl Times {
    fn take(column: &mut Column<'_>) -> Result<Self, Damaged> {
        let time_ns = column.take()?;
        let since_ns = match column.take()? {
            0 => None,
            more => Some(time_ns.checked_sub(more - 1).ok_or(Damaged)?),
        };
        let boot_time_ns = column.take()?;
        Ok(Self {
            time_ns,
            since_ns,
            boot_time_ns,
            began_ns: column.take_change(boot_time_ns)?,
            rows: column.take()?,
            gone: column.take()?,
        })
    }
}

fn host(column: &mut Column<'_>) -> Result<HostPart, Damaged> {
    let len = column.take()?;
    postcard::from_bytes(column.take_bytes(len)?).map_err(|_| Damaged)
}

/// Reads frames whole.
#[derive(Debug)]
pub struct Frames<'a> {
    left: u64,
    columns: [Column<'a>; COLUMNS],
}

impl Frames<'_> {
    /// # Errors
    /// When the bytes are none of a block.
    pub fn read(&mut self) -> Result<Option<Frame>, Damaged> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let times = Times::take(&mut self.columns[FRAMES])?;
        let host = host(&mut self.columns[HOST])?;
        // Every row has a byte of its own at the least.
        if times.rows > self.columns[MASKS].0.len() as u64
            || times.gone > self.columns[GONE].0.len() as u64
        {
            return Err(Damaged);
        }
        let mut key = 0;
        let mut rows = Vec::with_capacity(times.rows as usize);
        for _ in 0..times.rows {
            key = self.columns[KEYS].take_change(key)?;
            rows.push(self.row(key)?);
        }
        let mut gone = Vec::with_capacity(times.gone as usize);
        for _ in 0..times.gone {
            key = self.columns[GONE].take_change(key)?;
            gone.push(key);
        }
        Ok(Some(Frame {
            since_ns: times.since_ns,
            time_ns: times.time_ns,
            boot_time_ns: times.boot_time_ns,
            began_ns: times.began_ns,
            host,
            rows,
            gone,
        }))
    }

    fn row(&mut self, key: Key) -> Result<Row, Damaged> {
        let mask = self.columns[MASKS].take()?;
        let mut gauges = [0; Gauge::COUNT];
        for (position, gauge) in gauges.iter_mut().enumerate() {
            if mask & (1 << (BEGAN_BITS as usize + position)) != 0 {
                *gauge = self.columns[GAUGES + position].take_change(0)?;
            }
        }
        let mut added = [0; Counter::COUNT];
        for (position, added) in added.iter_mut().enumerate() {
            if mask & (1 << (COUNTER_BIT as usize + position)) != 0 {
                *added = self.columns[COUNTERS + position].take()?;
            }
        }
        let bases = &mut self.columns[BASES];
        let began = match mask & 3 {
            0 => Began::Before,
            1 => Began::Now { unknown: 0 },
            2 => Began::Now {
                unknown: u32::try_from(bases.take()?).map_err(|_| Damaged)?,
            },
            _ => {
                let (unknown, some) = (bases.take()?, bases.take()?);
                let mut base = [0; Counter::COUNT];
                for (position, value) in base.iter_mut().enumerate() {
                    if unknown & (1 << position) != 0 {
                        *value = UNKNOWN;
                    } else if some & (1 << position) != 0 {
                        *value = bases.take_change(0)?;
                    }
                }
                Began::Earlier {
                    base: Box::new(Totals::from_raw(base)),
                }
            }
        };
        Ok(Row {
            key,
            began,
            added,
            gauges,
        })
    }
}
