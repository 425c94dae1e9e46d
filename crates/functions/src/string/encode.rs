//! Base64, hex, URL and character-set encoding.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use weir_core::{DataType, Error, Result};

use crate::args::Kernel;
use crate::cast::cast_column;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let text_arg = site.ty(0).is_some_and(DataType::is_string);
    Ok(Some(match site.name {
        "TO_BASE64" => Arc::new(|a| {
            let s = a.bytes(0)?;
            a.text(|i, out| {
                STANDARD.encode_string(s.get(i), out);
                Ok(true)
            })
        }),
        "FROM_BASE64" => Arc::new(|a| {
            let s = a.bytes(0)?;
            a.text(|i, out| match STANDARD.decode(s.get(i)) {
                Ok(bytes) => {
                    out.push_str(&String::from_utf8_lossy(&bytes));
                    Ok(true)
                }
                Err(e) => Err(Error::data(format!("Illegal base64 text: {e}"))),
            })
        }),
        "HEX" if text_arg => Arc::new(|a| {
            let s = a.strs(0)?;
            a.text(|i, out| {
                s.get(i).bytes().for_each(|b| {
                    let _ = write!(out, "{b:02X}");
                });
                Ok(true)
            })
        }),
        "HEX" => Arc::new(|a| {
            let wide =
                cast_column(a.cols[0].array(), &a.types[0], &DataType::bigint(), false, a.ctx)?;
            let x = wide.as_primitive::<Int64Type>();
            a.text(|i, out| {
                let _ = write!(out, "{:X}", x.value(a.at(0, i)));
                Ok(true)
            })
        }),
        "UNHEX" => Arc::new(|a| {
            let s = a.strs(0)?;
            a.binary(|i, out| {
                let s = s.get(i);
                // An odd digit in front is checked, but gives a zero byte as in Flink.
                let odd = s.len() % 2 == 1;
                let padded = if odd { format!("0{s}") } else { s.to_owned() };
                match hex::decode(padded) {
                    Ok(mut bytes) => {
                        if odd {
                            bytes[0] = 0;
                        }
                        out.extend_from_slice(&bytes);
                        Ok(true)
                    }
                    Err(_) => Ok(false),
                }
            })
        }),
        "ENCODE" => Arc::new(|a| {
            let (s, set) = (a.strs(0)?, a.strs(1)?);
            a.binary(|i, out| {
                encode(s.get(i), set.get(i), out)?;
                Ok(true)
            })
        }),
        "DECODE" => Arc::new(|a| {
            let (s, set) = (a.bytes(0)?, a.strs(1)?);
            a.text(|i, out| {
                decode(s.get(i), set.get(i), out)?;
                Ok(true)
            })
        }),
        "URL_ENCODE" => Arc::new(|a| {
            let s = a.strs(0)?;
            a.text(|i, out| {
                url_encode(s.get(i), out);
                Ok(true)
            })
        }),
        "URL_DECODE" | "TRY_URL_DECODE" => Arc::new(|a| {
            let s = a.strs(0)?;
            a.text(|i, out| Ok(url_decode(s.get(i)).map(|t| out.push_str(&t)).is_some()))
        }),
        "IS_VALID_UTF8" => Arc::new(|a| {
            let s = a.bytes(0)?;
            Ok(Arc::new(a.boolean(|i| std::str::from_utf8(s.get(i)).is_ok())))
        }),
        "MAKE_VALID_UTF8" => Arc::new(|a| {
            let s = a.bytes(0)?;
            a.text(|i, out| {
                out.push_str(&String::from_utf8_lossy(s.get(i)));
                Ok(true)
            })
        }),
        _ => return Ok(None),
    }))
}

fn unknown_set(set: &str) -> Error {
    Error::data(format!("Unsupported encoding: {set}"))
        .hint("use UTF-8, UTF-16, UTF-16BE, UTF-16LE, US-ASCII or ISO-8859-1")
}

fn encode(s: &str, set: &str, out: &mut Vec<u8>) -> Result<()> {
    match set.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" => out.extend_from_slice(s.as_bytes()),
        "US-ASCII" | "ASCII" => {
            out.extend(s.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }))
        }
        "ISO-8859-1" | "LATIN1" => {
            out.extend(s.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')));
        }
        "UTF-16" => {
            // Java writes the byte order mark before the first character.
            if !s.is_empty() {
                out.extend([0xfe, 0xff]);
            }
            out.extend(s.encode_utf16().flat_map(u16::to_be_bytes));
        }
        "UTF-16BE" => out.extend(s.encode_utf16().flat_map(u16::to_be_bytes)),
        "UTF-16LE" => out.extend(s.encode_utf16().flat_map(u16::to_le_bytes)),
        _ => return Err(unknown_set(set)),
    }
    Ok(())
}

fn decode(bytes: &[u8], set: &str, out: &mut String) -> Result<()> {
    let wide = |bytes: &[u8], little: bool| {
        let units = bytes.chunks_exact(2).map(|p| {
            let pair = [p[0], p[1]];
            if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
        });
        char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>()
    };
    match set.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" => out.push_str(&String::from_utf8_lossy(bytes)),
        "US-ASCII" | "ASCII" => {
            out.extend(
                bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '\u{fffd}' }),
            );
        }
        "ISO-8859-1" | "LATIN1" => out.extend(bytes.iter().map(|b| char::from(*b))),
        "UTF-16" => match bytes {
            [0xff, 0xfe, rest @ ..] => out.push_str(&wide(rest, true)),
            [0xfe, 0xff, rest @ ..] => out.push_str(&wide(rest, false)),
            _ => out.push_str(&wide(bytes, false)),
        },
        "UTF-16BE" => out.push_str(&wide(bytes, false)),
        "UTF-16LE" => out.push_str(&wide(bytes, true)),
        _ => return Err(unknown_set(set)),
    }
    Ok(())
}

fn url_encode(s: &str, out: &mut String) {
    for b in s.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                out.push(b as char)
            }
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
}

fn url_decode(s: &str) -> Option<String> {
    let mut out = Vec::with_capacity(s.len());
    let bytes = s.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = bytes.get(i + 1..i + 3)?;
                out.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
                i += 2;
            }
            b => out.push(b),
        }
        i += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
