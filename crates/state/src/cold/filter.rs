//! Which keys a run may hold: a Bloom filter whose bits of one key share a cache line.

/// Bits per key.
const BITS: usize = 12;
/// Bits set per key.
const PROBES: u32 = 7;
/// Words of a line of 512 bits.
const LINE: usize = 8;

/// A set of hashes that answers "no" or "perhaps".
#[derive(Debug, Default)]
pub(super) struct Filter {
    lines: Vec<[u64; LINE]>,
    /// The hashes that may be added.
    range: Range,
    /// Bits by which the distance from the least hash is cut to 32 bits.
    shift: u32,
    /// Lines per step of that distance, as a fraction of 2^32.
    scale: u64,
}

/// Least and greatest hash.
pub(super) type Range = (u64, u64);

impl Filter {
    /// Room for so many keys with hashes in a range.
    pub(super) fn new(keys: usize, range: Range) -> Self {
        let lines = (keys * BITS).div_ceil(LINE * 64).max(1);
        let width = range.1 - range.0;
        let shift = 32u32.saturating_sub(width.leading_zeros());
        let scale = ((lines as u64) << 32) / ((width >> shift) + 1);
        Self { lines: vec![[0; LINE]; lines], range, shift, scale }
    }

    /// Least and greatest hash that may have been added.
    pub(super) fn range(&self) -> Range {
        self.range
    }

    /// Line and bits of a hash in the range. Lines are in the order of hashes: keys in order
    /// go through them from the first to the last.
    fn place(&self, hash: u64) -> (usize, u64) {
        let line = (u128::from((hash - self.range.0) >> self.shift) * u128::from(self.scale)) >> 32;
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (line as usize, (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// Adds a hash.
    pub(super) fn insert(&mut self, hash: u64) {
        let (line, bits) = self.place(hash);
        for probe in 0..PROBES {
            let bit = bits >> (probe * 9);
            self.lines[line][(bit >> 6) as usize % LINE] |= 1 << (bit & 63);
        }
    }

    /// False if the hash was not added.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        if hash < self.range.0 || hash > self.range.1 {
            return false;
        }
        let (line, bits) = self.place(hash);
        let line = &self.lines[line];
        (0..PROBES).all(|probe| {
            let bit = bits >> (probe * 9);
            line[(bit >> 6) as usize % LINE] & (1 << (bit & 63)) != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use weir_core::keys::hash_key;

    use super::*;

    #[test]
    fn what_was_added_is_found_and_little_else() {
        let hash = |n: u64| hash_key(&n.to_le_bytes());
        // As where a table has a part of the key groups, or few keys.
        for (shift, base) in [(0, 0), (3, 5 << 60), (31, 77), (32, 1), (40, 0), (64, 9)] {
            let hash = |n: u64| hash(n).checked_shr(shift).unwrap_or_default() + base;
            let (hashes, others) = ((0..10_000).map(hash), (10_000..110_000).map(hash));
            let all: std::collections::BTreeSet<u64> = hashes.collect();
            let range = (*all.first().unwrap(), *all.last().unwrap());
            let mut filter = Filter::new(10_000, range);
            all.iter().for_each(|&h| filter.insert(h));
            assert!(all.iter().all(|&h| filter.may_hold(h)));
            let others: Vec<u64> = others.filter(|h| !all.contains(h)).collect();
            let wrong = others.iter().filter(|&&h| filter.may_hold(h)).count();
            assert!(wrong * 100 <= others.len(), "{wrong} of {}", others.len());
        }
    }
}
