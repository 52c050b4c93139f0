// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Histograms of times: log-linear, of a fixed size, cheap to record into.
//!
//! Each power of two (octave) has eight buckets of equal width, so a bucket is at most an eighth
//! of its values wide, from 1 ns to minutes. Count, sum, minimum and maximum are exact. The layout
//! is that of HdrHistogram with three significant bits.
//!
//! The structure is its own wire format: little-endian, zerocopy.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bits of a value that choose its bucket within an octave.
const SUB_BITS: u32 = 3;
/// Buckets of an octave.
pub const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// Octaves: the first has the values 0 to 7 ns, the last ends at 2^38 ns, which is 275 s.
pub const OCTAVES: usize = 36;
/// Buckets in all. What is longer than the last one is in the last one; the maximum is exact.
pub const BUCKETS: usize = OCTAVES * SUB_BUCKETS;

/// How often something took how long, in nanoseconds.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Histogram {
    count: U64,
    sum: U64,
    min: U64,
    max: U64,
    buckets: [U32; BUCKETS],
}

impl Histogram {
    /// Of nothing yet. All bytes are zero.
    pub const EMPTY: Self = Self {
        count: U64::ZERO,
        sum: U64::ZERO,
        min: U64::ZERO,
        max: U64::ZERO,
        buckets: [U32::ZERO; BUCKETS],
    };

    /// Counts a value, in nanoseconds.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        if self.count == U64::ZERO || value_ns < self.min.get() {
            self.min.set(value_ns);
        }
        if value_ns > self.max.get() {
            self.max.set(value_ns);
        }
        self.count.set(self.count.get() + 1);
        self.sum.set(self.sum.get().saturating_add(value_ns));
        let bucket = &mut self.buckets[bucket_of(value_ns)];
        bucket.set(bucket.get().saturating_add(1));
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// Their sum in nanoseconds; it stays at its largest value rather than wrap.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum.get()
    }

    /// The smallest, in nanoseconds; 0 where there is none.
    #[must_use]
    pub fn min_ns(&self) -> u64 {
        self.min.get()
    }

    /// The largest, in nanoseconds; 0 where there is none.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max.get()
    }

    /// The arithmetic mean in nanoseconds, rounded down; 0 where there is none.
    #[must_use]
    pub fn mean_ns(&self) -> u64 {
        self.sum_ns().checked_div(self.count()).unwrap_or(0)
    }

    /// A value that at least `per_mille` thousandths of all values do not exceed, in nanoseconds:
    /// the end of the bucket in which the nearest rank falls, at most an eighth too large, and
    /// never above the maximum. 500 is the median; 0 where there is no value.
    #[must_use]
    pub fn percentile_ns(&self, per_mille: u32) -> u64 {
        let count = u128::from(self.count());
        let rank = (count * u128::from(per_mille.min(1000)))
            .div_ceil(1000)
            .max(1);
        let mut seen = 0_u128;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += u128::from(bucket.get());
            if seen >= rank {
                return last_of(index).clamp(self.min_ns(), self.max_ns());
            }
        }
        // Buckets stop at their largest count; what they do not show lies anywhere.
        self.max_ns()
    }

    /// The buckets that have values: the first and the last value of each in nanoseconds, and how
    /// many there are.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u32)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .filter(|(_, bucket)| bucket.get() > 0)
            .map(|(index, bucket)| (first_of(index), last_of(index), bucket.get()))
    }

    /// Whether the fields agree: what comes from elsewhere may be anything.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let (count, min, max) = (self.count(), self.min_ns(), self.max_ns());
        let mut counted = 0_u64;
        let mut full = false;
        let mut ends = None;
        for (index, bucket) in self.buckets.iter().enumerate() {
            if bucket.get() > 0 {
                counted += u64::from(bucket.get());
                full |= bucket.get() == u32::MAX;
                ends = Some((ends.map_or(index, |(first, _)| first), index));
            }
        }
        let Some((first, last)) = ends else {
            return count == 0 && min == 0 && max == 0 && self.sum_ns() == 0;
        };
        let sum = u128::from(self.sum_ns());
        let sum_fits = self.sum_ns() == u64::MAX
            || (sum >= u128::from(min) * u128::from(count)
                && sum <= u128::from(max) * u128::from(count));
        (counted == count || (full && counted < count))
            && min <= max
            && bucket_of(min) == first
            && bucket_of(max) == last
            && sum_fits
    }
}

/// The bucket of a value.
#[inline]
fn bucket_of(value_ns: u64) -> usize {
    if value_ns < SUB_BUCKETS as u64 {
        return value_ns as usize;
    }
    let shift = value_ns.ilog2() - SUB_BITS;
    // `value >> shift` has four bits, the highest of which says no more than the octave does.
    let index = (shift as usize) * SUB_BUCKETS + (value_ns >> shift) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The smallest value of a bucket.
fn first_of(bucket: usize) -> u64 {
    if bucket < 2 * SUB_BUCKETS {
        return bucket as u64;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    ((bucket % SUB_BUCKETS + SUB_BUCKETS) as u64) << shift
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    if bucket + 1 == BUCKETS {
        u64::MAX
    } else {
        first_of(bucket + 1) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        assert_eq!(first_of(0), 0);
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(first_of(bucket)), bucket);
            assert_eq!(bucket_of(last_of(bucket)), bucket);
            let width = last_of(bucket) - first_of(bucket);
            if bucket + 1 < BUCKETS {
                assert!(width <= first_of(bucket) / 8);
            }
        }
        assert_eq!(last_of(BUCKETS - 2) + 1, first_of(BUCKETS - 1));
        assert_eq!(first_of(BUCKETS - 1), 15 << 34);
        assert_eq!(bucket_of((1 << 38) - 1), BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn count_sum_minimum_and_maximum_are_exact() {
        let mut histogram = Histogram::EMPTY;
        assert!(histogram.is_consistent());
        assert_eq!((histogram.percentile_ns(500), histogram.mean_ns()), (0, 0));
        for value in [1_000_003, 17, 999] {
            histogram.record(value);
        }
        assert_eq!(histogram.count(), 3);
        assert_eq!(histogram.sum_ns(), 1_001_019);
        assert_eq!(histogram.mean_ns(), 333_673);
        assert_eq!((histogram.min_ns(), histogram.max_ns()), (17, 1_000_003));
        assert!(histogram.is_consistent());
    }

    #[test]
    fn percentiles_are_at_most_an_eighth_too_large() {
        let mut histogram = Histogram::EMPTY;
        for value in 1..=10_000 {
            histogram.record(value);
        }
        for per_mille in [1, 100, 500, 900, 990, 999, 1000] {
            let exact = u64::from(per_mille) * 10;
            let value = histogram.percentile_ns(per_mille);
            assert!(
                value >= exact && value <= exact + exact / 8,
                "{per_mille}: {value}"
            );
        }
        assert_eq!(histogram.percentile_ns(1000), 10_000);
        assert_eq!(histogram.percentile_ns(0), 1);
    }

    #[test]
    fn what_does_not_agree_is_found() {
        let mut good = Histogram::EMPTY;
        good.record(100);
        good.record(200);
        for change in 0..5 {
            let mut bad = good;
            match change {
                0 => bad.count.set(3),
                1 => bad.min.set(201),
                2 => bad.max.set(400),
                3 => bad.sum.set(500),
                _ => bad.buckets[3].set(1),
            }
            assert!(!bad.is_consistent(), "change {change}");
        }
    }
}
