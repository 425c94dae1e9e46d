//! Message digests.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::datatypes::Int32Type;
use sha2::Digest;
use weir_core::{Error, Result};

use crate::args::Kernel;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let bits = match site.name {
        "MD5" => return Ok(Some(digest::<md5::Md5>())),
        "SHA1" => return Ok(Some(digest::<sha1::Sha1>())),
        "SHA224" => 224,
        "SHA256" => 256,
        "SHA384" => 384,
        "SHA512" => 512,
        "SHA2" => {
            return Ok(Some(Arc::new(|a| {
                let (s, bits) = (a.bytes(0)?, a.nums::<Int32Type>(1)?);
                a.text(|i, out| {
                    if sha2_into(bits.get(i), s.get(i), out) {
                        return Ok(true);
                    }
                    Err(Error::data(format!(
                        "Unsupported algorithm: SHA2 with {} bits",
                        bits.get(i)
                    ))
                    .hint("the length is 224, 256, 384 or 512"))
                })
            })));
        }
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(move |a| {
        let s = a.bytes(0)?;
        a.text(|i, out| Ok(sha2_into(bits, s.get(i), out)))
    })))
}

fn digest<D: Digest>() -> Kernel {
    Arc::new(|a| {
        let s = a.bytes(0)?;
        a.text(|i, out| {
            hex_into(&D::digest(s.get(i)), out);
            Ok(true)
        })
    })
}

/// False for a length that does not exist.
fn sha2_into(bits: i32, data: &[u8], out: &mut String) -> bool {
    match bits {
        224 => hex_into(&sha2::Sha224::digest(data), out),
        256 => hex_into(&sha2::Sha256::digest(data), out),
        384 => hex_into(&sha2::Sha384::digest(data), out),
        512 => hex_into(&sha2::Sha512::digest(data), out),
        _ => return false,
    }
    true
}

/// Appends bytes as lower-case hexadecimal digits.
pub fn hex_into(bytes: &[u8], out: &mut String) {
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
}
