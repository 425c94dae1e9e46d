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
}

impl Filter {
    /// Room for so many keys.
    pub(super) fn new(keys: usize) -> Self {
        Self { lines: vec![[0; LINE]; (keys * BITS).div_ceil(LINE * 64).max(1)] }
    }

    /// Line and bits of a hash. The upper half of hashes chooses the key group, which the
    /// keys of a table may share, so that hashes are mixed once more.
    fn place(&self, hash: u64) -> (usize, u64) {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let line = ((mixed >> 32) * self.lines.len() as u64) >> 32;
        (line as usize, mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
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
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|n| filter.insert(hash(n)));
        assert!((0..10_000).all(|n| filter.may_hold(hash(n))));
        let wrong = (10_000..110_000).filter(|&n| filter.may_hold(hash(n))).count();
        assert!(wrong < 1500, "{wrong} of 100000");
    }
}
