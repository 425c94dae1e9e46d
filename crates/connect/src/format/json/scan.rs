//! A cursor over JSON text: white space, strings, numbers, skipping. Knows no schema.
//!
//! Invariant: the bytes are valid UTF-8 (checked once per chunk by the decoder),
//! and the cursor never passes `end`.

/// Why a record or a value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Broken JSON (the record is lost) rather than a value of another type (the field is).
    pub syntax: bool,
    /// Where.
    pub at: usize,
    /// What was expected.
    pub expected: &'static str,
}

pub(crate) type Scan<T> = Result<T, Fault>;

/// A position in JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub pos: usize,
}

/// Body of a string without its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
}

/// Containers may not be nested deeper than this.
pub(crate) const MAX_DEPTH: usize = 512;

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    #[cold]
    pub(crate) fn syntax<T>(&self, expected: &'static str) -> Scan<T> {
        Err(Fault { syntax: true, at: self.pos, expected })
    }

    /// The next byte that is not white space, or 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        while let Some(&b) = self.bytes.get(self.pos) {
            if b > b' ' {
                return b;
            }
            if !matches!(b, b' ' | b'\t' | b'\r' | b'\n') {
                return b;
            }
            self.pos += 1;
        }
        0
    }

    /// Steps over the given byte after white space.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Scan<()> {
        if self.bytes.get(self.pos) == Some(&byte) || self.peek() == byte {
            self.pos += 1;
            Ok(())
        } else {
            self.syntax(what)
        }
    }

    /// Steps over a literal and checks that no other word goes on after it.
    #[inline]
    pub(crate) fn literal(&mut self, word: &'static [u8]) -> Scan<()> {
        if !self.bytes[self.pos..].starts_with(word) {
            return self.syntax("a JSON value");
        }
        self.pos += word.len();
        self.value_end()
    }

    /// Checks that a value may end here.
    #[inline]
    pub(crate) fn value_end(&self) -> Scan<()> {
        match self.bytes.get(self.pos) {
            None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') => Ok(()),
            _ => self.syntax("the end of the value"),
        }
    }

    /// Reads a string; the cursor stands on its opening quote.
    #[inline]
    pub(crate) fn string(&mut self) -> Scan<Text<'a>> {
        let start = self.pos + 1;
        match find_quote(self.bytes, start) {
            Some(at) if self.bytes[at] == b'"' => {
                self.pos = at + 1;
                Ok(Text { raw: &self.bytes[start..at], escaped: false })
            }
            Some(at) => self.string_with_escapes(start, at),
            None => self.syntax("a closing '\"'"),
        }
    }

    #[cold]
    fn string_with_escapes(&mut self, start: usize, mut at: usize) -> Scan<Text<'a>> {
        loop {
            if self.bytes[at] == b'"' {
                self.pos = at + 1;
                return Ok(Text { raw: &self.bytes[start..at], escaped: true });
            }
            let fine = match self.bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                Some(b'u') if self.bytes.get(at + 2..at + 6).is_some_and(is_hex) => 6,
                _ => {
                    self.pos = at;
                    return self.syntax("a valid escape after '\\'");
                }
            };
            match find_quote(self.bytes, at + fine) {
                Some(next) => at = next,
                None => return self.syntax("a closing '\"'"),
            }
        }
    }

    /// Reads the token of a number; the cursor stands on its first byte.
    #[inline]
    pub(crate) fn number(&mut self) -> Scan<&'a [u8]> {
        let start = self.pos;
        let rest = &self.bytes[start..];
        let mut i = usize::from(rest.first() == Some(&b'-'));
        let first = i;
        i += digits(&rest[i..]);
        let whole = i - first;
        if whole == 0 || (whole > 1 && rest[first] == b'0') {
            return self.syntax("a JSON value");
        }
        if rest.get(i) == Some(&b'.') {
            let n = digits(&rest[i + 1..]);
            if n == 0 {
                return self.syntax("a digit after '.'");
            }
            i += 1 + n;
        }
        if matches!(rest.get(i), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(i + 1), Some(b'+' | b'-')));
            let n = digits(&rest[i + 1 + sign..]);
            if n == 0 {
                return self.syntax("a digit of the exponent");
            }
            i += 1 + sign + n;
        }
        self.pos = start + i;
        self.value_end()?;
        Ok(&rest[..i])
    }

    /// Steps over any value.
    pub(crate) fn skip(&mut self) -> Scan<()> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'{' | b'[' => self.skip_container(),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => self.syntax("a JSON value"),
        }
    }

    /// Steps over an object or array: only strings and brackets are looked at.
    fn skip_container(&mut self) -> Scan<()> {
        let mut stack = [0u64; MAX_DEPTH / 64];
        let mut depth = 0;
        while let Some(&b) = self.bytes.get(self.pos) {
            match b {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => {
                    if depth == MAX_DEPTH {
                        return self.syntax("less nesting (512 levels at most)");
                    }
                    let bit = 1u64 << (depth % 64);
                    if b == b'[' {
                        stack[depth / 64] |= bit;
                    } else {
                        stack[depth / 64] &= !bit;
                    }
                    depth += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    let array = stack[depth / 64] >> (depth % 64) & 1 == 1;
                    if array != (b == b']') {
                        return self.syntax("the bracket that closes the opened one");
                    }
                    if depth == 0 {
                        self.pos += 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.pos += 1;
        }
        self.syntax("a closing bracket")
    }
}

#[inline]
fn digits(b: &[u8]) -> usize {
    b.iter().take_while(|c| c.is_ascii_digit()).count()
}

fn is_hex(b: &[u8]) -> bool {
    b.iter().all(u8::is_ascii_hexdigit)
}

/// Position of the next `"` or `\` at or after `from`.
#[inline]
fn find_quote(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    // Most strings are short: a few words by hand before the vector search starts.
    for _ in 0..4 {
        let Some(word) = bytes.get(at..at + 8) else { break };
        let w = u64::from_le_bytes([
            word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7],
        ]);
        let q = w ^ (ONES * b'"' as u64);
        let s = w ^ (ONES * b'\\' as u64);
        let hit = ((q.wrapping_sub(ONES) & !q) | (s.wrapping_sub(ONES) & !s)) & HIGH;
        if hit != 0 {
            return Some(at + (hit.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', bytes.get(at..)?).map(|i| at + i)
}

/// Appends the characters of a string body with escapes; the escapes have been checked.
/// A lone surrogate becomes `?`, as in Flink.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut i = 0;
    while i < raw.len() {
        let Some(next) = memchr::memchr(b'\\', &raw[i..]) else {
            return out.extend_from_slice(&raw[i..]);
        };
        out.extend_from_slice(&raw[i..i + next]);
        i += next + 2;
        match raw.get(i - 1) {
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'u') => {
                let mut code = hex4(raw, i);
                i += 4;
                if (0xD800..0xDC00).contains(&code) && raw.get(i..i + 2) == Some(b"\\u") {
                    let low = hex4(raw, i + 2);
                    if (0xDC00..0xE000).contains(&low) {
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                        i += 6;
                    }
                }
                let c = char::from_u32(code).unwrap_or('?');
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(&b) => out.push(b),
            None => {}
        }
    }
}

fn hex4(raw: &[u8], at: usize) -> u32 {
    raw.iter().skip(at).take(4).fold(0, |v, &b| v * 16 + (b as char).to_digit(16).unwrap_or(0))
}
