//! The order in which Flink shows the entries of maps that it keeps in Java's hash table:
//! by bucket, and within one as they came.

use std::collections::HashMap;

use weir_core::{DataType, TypeKind, Value};

/// Buckets of a new table.
pub const BUCKETS: u32 = 16;

/// The positions of entries with these hash codes as a table walks them that starts with so
/// many buckets; it doubles when it is three quarters full.
pub fn walk(hashes: &[u32], buckets: u32) -> Vec<usize> {
    let mut buckets = buckets.next_power_of_two();
    while hashes.len() as u64 * 4 > u64::from(buckets) * 3 {
        buckets *= 2;
    }
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(|&i| (hashes[i] ^ hashes[i] >> 16) & (buckets - 1));
    order
}

/// Counts equal values, as the entries of a MULTISET.
pub fn count_values<'a>(
    values: impl Iterator<Item = &'a Value>,
    ty: &DataType,
) -> Vec<(Value, Value)> {
    let mut entries: Vec<(&Value, i64)> = Vec::new();
    let mut hashes: Vec<u32> = Vec::new();
    let mut by_hash: HashMap<Option<u32>, Vec<usize>> = HashMap::new();
    for v in values {
        let hash = hash(v, ty);
        let same = by_hash.entry(hash).or_default();
        match same.iter().find(|&&i| entries[i].0 == v) {
            Some(&i) => entries[i].1 += 1,
            None => {
                same.push(entries.len());
                entries.push((v, 1));
                hashes.push(hash.unwrap_or(0));
            }
        }
    }
    let order = walk(&hashes, BUCKETS).into_iter();
    order.map(|i| (entries[i].0.clone(), Value::Int(entries[i].1))).collect()
}

/// The hash code of Java's own strings.
pub fn java_string(s: &str) -> u32 {
    s.encode_utf16().fold(0u32, |h, c| h.wrapping_mul(31).wrapping_add(u32::from(c)))
}

/// The hash code of a value's internal form; `None` where that has none of use.
fn hash(value: &Value, ty: &DataType) -> Option<u32> {
    Some(match value {
        Value::Boolean(b) => {
            if *b {
                1231
            } else {
                1237
            }
        }
        Value::Int(n) if ty.kind == TypeKind::BigInt => fold(*n),
        Value::Int(n) => *n as u32,
        Value::Float(x) => x.to_bits(),
        Value::Double(x) => fold(x.to_bits() as i64),
        Value::Decimal(n) => {
            let TypeKind::Decimal(_, scale) = ty.kind else { return None };
            integer(*n).wrapping_mul(31).wrapping_add(u32::from(scale))
        }
        Value::String(s) if ty.is_string() => flink_string(s.as_bytes()),
        Value::Date(n) | Value::Time(n) | Value::Months(n) => *n as u32,
        Value::Millis(n) => fold(*n),
        _ => return None,
    })
}

fn fold(n: i64) -> u32 {
    (n ^ (n as u64 >> 32) as i64) as u32
}

/// BigInteger's: over the words of the magnitude, highest first, times the sign.
fn integer(n: i128) -> u32 {
    let magnitude = n.unsigned_abs();
    let words = (0..4).rev().map(|i| (magnitude >> (32 * i)) as u32);
    let hash = words.fold(0u32, |h, word| h.wrapping_mul(31).wrapping_add(word));
    if n < 0 { hash.wrapping_neg() } else { hash }
}

/// The hash code of Flink's strings: Murmur 3 with seed 42, which takes the bytes behind the last whole word one by one.
pub fn flink_string(bytes: &[u8]) -> u32 {
    let mix = |h: u32, k: u32| {
        let k = k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        (h ^ k).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    };
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    let h = words.fold(42, |h, w| mix(h, u32::from_le_bytes([w[0], w[1], w[2], w[3]])));
    let mut h = rest.iter().fold(h, |h, &b| mix(h, b as i8 as u32)) ^ bytes.len() as u32;
    h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
    h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
    h ^ h >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(values: &[Value], ty: DataType) -> Vec<Value> {
        count_values(values.iter(), &ty).into_iter().map(|(v, _)| v).collect()
    }

    #[test]
    fn long_words_and_bytes_are_hashed_as_flink_does() {
        let strings = |s: &[&str]| s.iter().map(|s| Value::String((*s).to_owned())).collect();
        let words: Vec<Value> = strings(&[
            "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "a", "b", "c",
            "d", "bc", "def", "é",
        ]);
        let expected: Vec<Value> = strings(&[
            "gamma", "d", "b", "zeta", "alpha", "eta", "a", "delta", "é", "theta", "c", "beta",
            "epsilon", "bc", "def",
        ]);
        assert_eq!(order(&words, DataType::string()), expected);
    }

    #[test]
    fn numbers_are_their_own_hash() {
        let ints = |v: &[i64]| -> Vec<Value> { v.iter().map(|n| Value::Int(*n)).collect() };
        let seen = ints(&[5, 3, 100, 17, -1, 1_000_000]);
        assert_eq!(order(&seen, DataType::int()), ints(&[-1, 17, 3, 100, 5, 1_000_000]));
    }
}
