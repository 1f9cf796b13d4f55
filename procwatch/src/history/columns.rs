//! Numbers as bytes: seven bits a byte, the least significant first (LEB128), and signed ones folded (ZigZag).

use thiserror::Error;

/// The bytes are not what an encoder writes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a block of the recording is damaged")]
pub struct Damaged;

pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The difference of two numbers, either way round.
pub fn put_change(out: &mut Vec<u8>, from: u64, to: u64) {
    let change = to.wrapping_sub(from) as i64;
    put(out, ((change << 1) ^ (change >> 63)) as u64);
}

/// Reads a column from its start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Column<'a>(pub &'a [u8]);

impl<'a> Column<'a> {
    #[inline]
    pub fn take(&mut self) -> Result<u64, Damaged> {
        // Most are of one byte.
        if let [first @ 0..=0x7f, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*first));
        }
        let mut value = 0;
        for (index, byte) in self.0.iter().enumerate().take(10) {
            let part = u64::from(byte & 0x7f);
            let shift = 7 * index as u32;
            if index == 9 && part > 1 {
                return Err(Damaged);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Damaged)
    }

    pub fn take_change(&mut self, from: u64) -> Result<u64, Damaged> {
        let folded = self.take()?;
        let change = (folded >> 1) as i64 ^ -((folded & 1) as i64);
        Ok(from.wrapping_add(change as u64))
    }

    pub fn take_bytes(&mut self, len: u64) -> Result<&'a [u8], Damaged> {
        let len = usize::try_from(len).map_err(|_| Damaged)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(values in proptest::collection::vec(any::<u64>(), 0..50)) {
            let mut bytes = Vec::new();
            let mut before = 0;
            for value in &values {
                put(&mut bytes, *value);
                put_change(&mut bytes, before, *value);
                before = *value;
            }
            let mut column = Column(&bytes);
            let mut before = 0;
            for value in &values {
                prop_assert_eq!(column.take(), Ok(*value));
                prop_assert_eq!(column.take_change(before), Ok(*value));
                before = *value;
            }
            prop_assert!(column.is_empty());
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut column = Column(&bytes);
            while column.take().is_ok() {}
        }
    }

    #[test]
    fn what_is_small_is_short() {
        let len = |value| {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            bytes.len()
        };
        assert_eq!([0, 127, 128, u64::MAX].map(len), [1, 1, 2, 10]);
        let mut bytes = Vec::new();
        put_change(&mut bytes, 5, 3);
        assert_eq!(bytes, [3]);
    }
}
