//! Histograms that programs and the agent put values into alike: of each doubling as many buckets, each as wide.

/// The bucket of a value, of so many; each doubling has 2 to the power of `bits`. What is more than all of them is in the
/// last.
#[inline(always)]
pub const fn bucket(value: u64, bits: u32, buckets: usize) -> usize {
    let per_doubling = 1usize << bits;
    if value < per_doubling as u64 {
        return value as usize;
    }
    let doubling = 63 - value.leading_zeros() - bits;
    let within = (value >> doubling) as usize - per_doubling;
    let bucket = (doubling as usize + 1) * per_doubling + within;
    if bucket < buckets {
        bucket
    } else {
        buckets - 1
    }
}

/// The smallest value of a bucket.
#[inline(always)]
pub const fn start(bucket: usize, bits: u32) -> u64 {
    let per_doubling = 1usize << bits;
    if bucket < per_doubling {
        return bucket as u64;
    }
    let doubling = bucket / per_doubling - 1;
    let within = bucket % per_doubling;
    ((per_doubling + within) as u64) << doubling
}
