//! INET_ATON and INET_NTOA: IPv4 addresses as numbers.

use std::net::Ipv4Addr;
use std::sync::Arc;

use arrow::datatypes::Int64Type;
use weir_core::Result;

use crate::args::Kernel;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "INET_ATON" => Arc::new(|a| {
            let s = a.strs(0)?;
            Ok(Arc::new(a.number::<Int64Type>(|i| Ok(number(s.get(i))))?))
        }),
        "INET_NTOA" => Arc::new(|a| {
            let n = a.nums::<Int64Type>(0)?;
            a.text(|i, out| {
                let Ok(address) = u32::try_from(n.get(i)) else { return Ok(false) };
                out.push_str(&Ipv4Addr::from(address).to_string());
                Ok(true)
            })
        }),
        _ => return Ok(None),
    }))
}

/// The number of an address of one to four parts of a byte each; in the short forms the
/// last part is the last byte, and the bytes between are zero.
fn number(s: &str) -> Option<i64> {
    let (mut octets, mut count) = ([0u8; 4], 0);
    for part in s.split('.') {
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octets.get_mut(count)? = part.parse().ok()?;
        count += 1;
    }
    if count < 4 {
        octets.swap(count - 1, 3);
    }
    Some(u32::from_be_bytes(octets).into())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn addresses_as_numbers() {
        // As Flink 2.3 answers.
        for (text, expected) in [
            ("127.0.0.1", Some(2_130_706_433)),
            ("255.255.255.255", Some(4_294_967_295)),
            ("127", Some(127)),
            ("127.1", Some(2_130_706_433)),
            ("1.2", Some(16_777_218)),
            ("1.2.3", Some(16_908_291)),
            ("01.02.03.010", Some(16_909_066)),
            ("1.2.3.00000000000000000004", Some(16_909_060)),
            ("1.256", None),
            ("256.1.1.1", None),
            ("1.2.3.4.5", None),
            ("1..2.3", None),
            ("1.2.3.", None),
            ("+1.2.3.4", None),
            (" 1.2.3.4", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
