//! Many sorted runs as one: the newest record of each place, in order.
//!
//! Runs are merged when twelve of about the same size have come together, by a thread of
//! its own: a record is written again once for each twelvefold of its table, and a key is
//! looked for in few runs. Nobody waits for it unless runs pile up.
//!
//! Where to look next: [`super::sorted`] has the runs.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use weir_core::{Error, Result};

use super::failed;
use super::sorted::{Record, SortedRun, SortedWriter};

/// Runs of a size that are merged.
const WIDTH: usize = 12;
/// Runs of this size or less are of the smallest class, bytes.
const SMALLEST: u64 = 256 << 10;
/// Runs that a table has at most while others are being merged.
const MOST: usize = 3 * WIDTH;
/// Bytes read at once from each run.
const PIECE: usize = 64 << 10;

/// Reads a run from a position on.
#[derive(Debug)]
pub(super) struct Cursor {
    run: Arc<SortedRun>,
    buffer: Vec<u8>,
    piece: usize,
    /// Where the record under the cursor begins in the buffer, and its length.
    at: usize,
    length: usize,
    /// Where in the run the buffer ends.
    read: u64,
}

impl Cursor {
    /// Begins at a position where a record begins; `piece` bytes are read at once.
    pub(super) fn new(run: Arc<SortedRun>, from: u64, piece: usize) -> Result<Self> {
        let mut cursor = Self { run, buffer: Vec::new(), piece, at: 0, length: 0, read: from };
        cursor.advance()?;
        Ok(cursor)
    }

    /// The record under the cursor, `None` behind the last.
    pub(super) fn record(&self) -> Option<Record<'_>> {
        if self.length == 0 {
            return None;
        }
        Record::read(&self.buffer[self.at..]).ok().map(|r| r.0)
    }

    /// Bytes that are still to come, about.
    pub(super) fn rest(&self) -> u64 {
        self.run.bytes() - self.read + (self.buffer.len() - self.at) as u64
    }

    /// Goes to the next record.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.at += self.length;
        self.length = 0;
        loop {
            match Record::read(&self.buffer[self.at..]) {
                Ok((_, length)) => {
                    self.length = length;
                    return Ok(());
                }
                Err(_) if self.read == self.run.bytes() && self.at == self.buffer.len() => {
                    return Ok(());
                }
                Err(least) => self.fill(least)?,
            }
        }
    }

    fn fill(&mut self, least: usize) -> Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let have = self.buffer.len();
        let more = (self.run.bytes() - self.read).min(self.piece.max(least - have) as u64);
        if more == 0 {
            return Err(Error::data("a run on local disk ends too early"));
        }
        self.buffer.resize(have + more as usize, 0);
        self.run.read(self.read, &mut self.buffer[have..])?;
        self.read += more;
        Ok(())
    }
}

/// Cursors over runs, the newest first, from a key group on.
pub(super) fn cursors(runs: &[Arc<SortedRun>], group: u32) -> Result<Vec<Cursor>> {
    let newest_first = runs.iter().rev();
    newest_first.map(|r| Cursor::new(Arc::clone(r), r.seek(group), PIECE)).collect()
}

/// Calls `each` with the newest record of each place in order while it says true. Of equal
/// places the first cursor counts.
pub(super) fn merge(
    cursors: &mut [Cursor],
    mut each: impl FnMut(Record<'_>) -> Result<bool>,
) -> Result<()> {
    let mut same = Vec::with_capacity(cursors.len());
    loop {
        same.clear();
        let mut least: Option<Record<'_>> = None;
        for (i, cursor) in cursors.iter().enumerate() {
            let Some(record) = cursor.record() else { continue };
            let order = least.map_or(std::cmp::Ordering::Less, |l| record.place().cmp(&l.place()));
            if order.is_lt() {
                same.clear();
                least = Some(record);
            }
            if order.is_le() {
                same.push(i);
            }
        }
        let Some(record) = least else { return Ok(()) };
        if !each(record)? {
            return Ok(());
        }
        for &i in &same {
            cursors[i].advance()?;
        }
    }
}

/// The records of a key group that are there, in order.
pub(super) fn scan(
    runs: &[Arc<SortedRun>],
    group: u32,
    mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    merge(&mut cursors(runs, group)?, |record| {
        if let Some(value) = record.value
            && record.group == group
        {
            each(record.hash, record.key, value)?;
        }
        Ok(record.group <= group)
    })
}

/// One run of some; `oldest`: there is none in front of them.
fn merged(runs: &[Arc<SortedRun>], oldest: bool, folder: &Path) -> Result<SortedRun> {
    let records = runs.iter().map(|r| r.records()).sum();
    let hashes = runs.iter().filter_map(|r| r.hashes());
    let hashes = hashes.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let mut writer = SortedWriter::new(folder, hashes.map(|h| (records, h)))?;
    merge(&mut cursors(runs, 0)?, |record| {
        if record.value.is_some() || !oldest {
            writer.put(record.place(), record.value)?;
        }
        Ok(true)
    })?;
    writer.finish()
}

/// The runs of a table, oldest first, and the merge under way.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Arc<SortedRun>>,
    merging: Option<(Range<usize>, JoinHandle<Result<SortedRun>>)>,
}

impl Runs {
    pub(super) fn all(&self) -> &[Arc<SortedRun>] {
        &self.runs
    }

    /// Adds the newest run.
    pub(super) fn push(&mut self, run: SortedRun, folder: &Path) -> Result<()> {
        self.runs.push(Arc::new(run));
        let pile = self.runs.len() >= MOST;
        if self.merging.as_ref().is_some_and(|m| pile || m.1.is_finished()) {
            self.take_merged()?;
        }
        if self.merging.is_none()
            && let Some(range) = self.to_merge()
        {
            self.start(range, folder)?;
        }
        Ok(())
    }

    fn take_merged(&mut self) -> Result<()> {
        let Some((range, thread)) = self.merging.take() else { return Ok(()) };
        let run =
            thread.join().map_err(|_| Error::internal("a merge on local disk panicked"))??;
        self.runs.splice(range, Some(Arc::new(run)).filter(|r| r.records() > 0));
        Ok(())
    }

    /// The newest runs of a size, if there are enough.
    fn to_merge(&self) -> Option<Range<usize>> {
        let class = |r: &Arc<SortedRun>| (r.bytes() / SMALLEST).max(1).ilog(WIDTH as u64);
        let largest = self.runs.iter().map(class).max()?;
        let suffix = |of: u32| self.runs.iter().rev().take_while(|r| class(r) <= of).count();
        let length = (0..=largest).map(suffix).find(|&n| n >= WIDTH)?;
        Some(self.runs.len() - length..self.runs.len())
    }

    fn start(&mut self, range: Range<usize>, folder: &Path) -> Result<()> {
        let (runs, oldest) = (self.runs[range.clone()].to_vec(), range.start == 0);
        let folder = folder.to_owned();
        let thread = std::thread::Builder::new()
            .name("weir-merge".into())
            .spawn(move || merged(&runs, oldest, &folder))
            .map_err(failed)?;
        self.merging = Some((range, thread));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use weir_core::keys::hash_key;

    use super::*;

    type Content = BTreeMap<(u32, u64, Vec<u8>), Option<Vec<u8>>>;

    fn run(content: &Content, folder: &Path) -> SortedRun {
        let hashes = || content.keys().map(|k| k.1);
        let range = (hashes().min().unwrap(), hashes().max().unwrap());
        let mut writer = SortedWriter::new(folder, Some((content.len(), range))).unwrap();
        for ((group, hash, key), value) in content {
            writer.put((*group, *hash, key), value.as_deref()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn found(runs: &Runs, content: &Content) {
        let mut buffer = Vec::new();
        let mut rest: Vec<_> = content.keys().map(|(g, h, k)| (*g, *h, k.as_slice())).collect();
        let mut values = Content::new();
        for run in runs.all().iter().rev() {
            let mut hits = vec![false; rest.len()];
            run.find(rest.iter().copied(), &mut buffer, &mut |i, value| {
                assert!(run.may_hold(rest[i].1));
                hits[i] = true;
                let (g, h, k) = rest[i];
                values.insert((g, h, k.to_vec()), value.map(<[u8]>::to_vec));
            })
            .unwrap();
            let mut hits = hits.into_iter();
            rest.retain(|_| !hits.next().unwrap_or_default());
        }
        for (place, value) in content {
            assert_eq!(values.get(place).cloned().flatten(), *value);
        }
    }

    #[test]
    fn the_newest_record_counts_before_and_after_merges() {
        let dir = tempfile::tempdir().unwrap();
        let (mut runs, mut all) = (Runs::default(), Content::new());
        for round in 0..60u64 {
            let mut content = Content::new();
            for n in 0..200 {
                let n = n * (round % 7 + 1) % 977;
                let key = n.to_le_bytes().to_vec();
                // Two keys share a hash here and there.
                let hash = hash_key(&(n / 2 * 2).to_le_bytes());
                let long = if n % 50 == 0 { 300_000 } else { 20 };
                let value = (n % 5 != round % 5).then(|| vec![(round + n) as u8; long]);
                content.insert((n as u32 % 9, hash, key), value);
            }
            runs.push(run(&content, dir.path()), dir.path()).unwrap();
            all.append(&mut content);
            if round % 10 == 0 {
                found(&runs, &all);
            }
        }
        runs.take_merged().unwrap();
        assert!(runs.all().len() < 2 * WIDTH, "{} runs", runs.all().len());
        found(&runs, &all);
        for group in 0..9 {
            let mut records = Vec::new();
            scan(runs.all(), group, |hash, key, value| {
                records.push(((group, hash, key.to_vec()), value.to_vec()));
                Ok(())
            })
            .unwrap();
            let expected = all.iter().filter(|r| r.0.0 == group);
            let expected: Vec<_> = expected
                .filter_map(|(place, value)| Some((place.clone(), value.clone()?)))
                .collect();
            assert_eq!(records, expected);
        }
    }
}
