//! What a seal holds, before it is in the order of runs.
//!
//! The worker copies changed keys in the order of their slots, which is nearly the order
//! in which they lie in memory; sorting them and putting them together is left to the
//! thread that stores the run. Small seals are sorted at once.
//!
//! Where to look next: [`crate::table`] fills it, [`crate::run`] has the layout.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use weir_core::Result;

use crate::run::{Entries, Run, RunSource, key_of_record, run_end, run_start};

/// Bytes of a segment, from which the next one begins.
const SEGMENT: usize = 1 << 20;
/// Seals up to this size are sorted by the worker.
const SMALL: usize = 64 << 10;
/// Bytes that are handed to a writer at once.
const PIECE: usize = 1 << 18;

/// Where a key's record lies, and what sorts it.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u64,
    length: usize,
    segment: u32,
    start: u32,
}

/// Records in the order of their arrival. A record lies in one segment.
type Segments = Vec<Vec<u8>>;

fn record(segments: &Segments, p: Place) -> &[u8] {
    let start = p.start as usize;
    &segments[p.segment as usize][start..start + p.length]
}

/// Collects the keys of a seal.
#[derive(Debug, Default)]
pub struct Loose {
    full: Segments,
    /// The segment that is being filled.
    segment: Entries,
    groups: BTreeMap<u32, Vec<Place>>,
    bytes: usize,
}

impl Loose {
    /// Adds a key with the entries that `write` adds, each key once; `write` answers
    /// whether older runs' entries of the key are gone.
    pub fn key(
        &mut self,
        (group, hash, key): (u32, u64, &[u8]),
        write: impl FnOnce(&mut Entries) -> bool,
    ) {
        if self.segment.bytes().len() >= SEGMENT {
            let next = Entries::with_capacity(SEGMENT + (SEGMENT >> 4));
            self.full.push(std::mem::replace(&mut self.segment, next).into_bytes());
        }
        let start = self.segment.bytes().len();
        self.segment.open_key(key);
        if write(&mut self.segment) {
            self.segment.clear_older(start);
        }
        let length = self.segment.bytes().len() - start;
        self.bytes += length;
        let place = Place { hash, length, segment: self.full.len() as u32, start: start as u32 };
        self.groups.entry(group).or_default().push(place);
    }

    /// The runs of the key groups.
    pub fn runs(mut self) -> Result<BTreeMap<u32, Run>> {
        let small = self.bytes <= SMALL;
        self.full.push(self.segment.into_bytes());
        let segments = Arc::new(self.full);
        let mut runs = BTreeMap::new();
        for (group, places) in self.groups {
            let run = LooseRun { segments: Arc::clone(&segments), places };
            let run = match small {
                true => Run::Bytes(run.bytes()?),
                false => Run::Stream(Arc::new(run)),
            };
            runs.insert(group, run);
        }
        Ok(runs)
    }
}

/// One key group of a seal.
struct LooseRun {
    segments: Arc<Segments>,
    places: Vec<Place>,
}

impl fmt::Debug for LooseRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LooseRun").field("keys", &self.places.len()).finish_non_exhaustive()
    }
}

impl LooseRun {
    fn sorted(&self) -> Vec<Place> {
        let mut places = self.places.clone();
        places.sort_unstable_by(|&a, &b| a.hash.cmp(&b.hash).then_with(|| self.key_order(a, b)));
        places
    }

    /// Order of keys with equal hashes.
    fn key_order(&self, a: Place, b: Place) -> Ordering {
        let key = |p| key_of_record(record(&self.segments, p));
        key(a).cmp(key(b))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }
}

impl RunSource for LooseRun {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(self.bytes()?)))
    }

    fn write_to(&self, out: &mut dyn Write) -> Result<u64> {
        let mut piece = Vec::new();
        let mut written = 0;
        run_start(&mut piece);
        for p in self.sorted() {
            let record = record(&self.segments, p);
            if piece.len() + record.len() > PIECE && !piece.is_empty() {
                out.write_all(&piece)?;
                written += piece.len() as u64;
                piece.clear();
            }
            piece.extend_from_slice(record);
        }
        run_end(&mut piece, self.places.len() as u64);
        out.write_all(&piece)?;
        Ok(written + piece.len() as u64)
    }
}
