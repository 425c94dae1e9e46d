//! The way of large tables to their file while workers still seal them: workers hand over
//! pieces, the thread of [`super::io`] writes them in the order of their arrival.
//!
//! Buffers come back once they are written. While all of them are under way a worker waits
//! for one, which bounds the memory that waits for the disk; but only for so long in one
//! seal: a slow store does not hold up the job.
//!
//! Pieces that are sealed ahead of a barrier go to a file under [`AHEAD`], which the seal of
//! the barrier adopts; its own pieces follow in the same file.
//!
//! A seal's pieces all arrive before the report of its barrier, and so before the command
//! to store the seal, which completes the file. Files whose checkpoint was given up go
//! with the next one that completes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use weir_core::{Error, Result};
use weir_runtime::PieceStore;
use weir_state::{PieceSink, SealedTable};

use super::manifest::RunTable;
use super::patience::Patience;
use super::run_file::Writer;
use super::staged::Staged;
use super::work::{AHEAD, Piece, SealId, Work};

/// Keys from which a table leaves while it is sealed.
const LEAST_KEYS: usize = 4096;
/// Buffers under way for which nobody waits, and those kept for the next pieces.
const SPARE: usize = 256;
/// How long one seal waits for buffers in all.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Gives workers their sinks.
pub struct Desk {
    work: Sender<Work>,
    spare: Receiver<Vec<u8>>,
    least_keys: usize,
    piece_bytes: usize,
    /// How long after a barrier instances begin to seal ahead of the next one, if ever.
    ahead: Option<Duration>,
    barriers: Arc<Barriers>,
}

/// When the last barrier came.
struct Barriers {
    began: Instant,
    /// Microseconds since.
    last: AtomicU64,
}

impl Barriers {
    fn passed(&self) {
        self.last.store(self.began.elapsed().as_micros() as u64, Relaxed);
    }

    fn since_last(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_micros(self.last.load(Relaxed)))
    }
}

impl Desk {
    /// A desk that queues pieces, and where written buffers come back. `always`: small
    /// tables go this way, too, and at once; `interval`: time between checkpoints that come
    /// by themselves. Their first half belongs to the job, and spares short ones the work.
    pub fn new(
        work: Sender<Work>,
        always: bool,
        interval: Option<Duration>,
    ) -> (Self, Sender<Vec<u8>>) {
        let (back, spare) = bounded(SPARE);
        for _ in 0..SPARE {
            // There is room for all of them; they get their memory when they are first used.
            let _ = back.try_send(Vec::new());
        }
        let (least_keys, piece_bytes) = if always { (1, 1) } else { (LEAST_KEYS, usize::MAX) };
        let ahead = interval.map(|i| if always { Duration::ZERO } else { i / 2 });
        let barriers = Arc::new(Barriers { began: Instant::now(), last: AtomicU64::new(0) });
        (Self { work, spare, least_keys, piece_bytes, ahead, barriers }, back)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("queued", &self.work.len()).finish_non_exhaustive()
    }
}

impl PieceStore for Desk {
    fn sink(&self, epoch: u64, node: usize, subtask: usize) -> Arc<dyn PieceSink> {
        if epoch != AHEAD {
            self.barriers.passed();
        }
        Arc::new(Sink {
            seal: (epoch, node, subtask),
            work: self.work.clone(),
            spare: self.spare.clone(),
            waits: AtomicU64::new(LONGEST_WAIT.as_micros() as u64),
            least_keys: self.least_keys,
            piece_bytes: self.piece_bytes,
            ahead: self.ahead.unwrap_or(Duration::MAX),
            barriers: Arc::clone(&self.barriers),
        })
    }

    fn ahead(&self, node: usize, subtask: usize) -> Option<Arc<dyn PieceSink>> {
        self.ahead.map(|_| self.sink(AHEAD, node, subtask))
    }
}

struct Sink {
    seal: SealId,
    work: Sender<Work>,
    spare: Receiver<Vec<u8>>,
    /// Microseconds that the seal may still wait for buffers.
    waits: AtomicU64,
    least_keys: usize,
    piece_bytes: usize,
    ahead: Duration,
    barriers: Arc<Barriers>,
}

impl Sink {
    /// A written buffer, waited for if need be and allowed.
    fn written(&self) -> Option<Vec<u8>> {
        if let Ok(buffer) = self.spare.try_recv() {
            return Some(buffer);
        }
        let left = Duration::from_micros(self.waits.load(Relaxed));
        if left.is_zero() {
            return None;
        }
        let start = Instant::now();
        let buffer = self.spare.recv_timeout(left);
        let left = left.saturating_sub(start.elapsed());
        self.waits.store(left.as_micros() as u64, Relaxed);
        buffer.ok()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("seal", &self.seal).finish_non_exhaustive()
    }
}

impl PieceSink for Sink {
    fn take(&self, table: usize, key_group: u32, bytes: Vec<u8>) -> Vec<u8> {
        let capacity = bytes.capacity();
        // A thread that is gone has left its error among the answers.
        let _ = self.work.send(Work::Piece(Piece { seal: self.seal, table, key_group, bytes }));
        let written = self.written().filter(|buffer| buffer.capacity() > 0);
        written.unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    fn least_keys(&self) -> usize {
        self.least_keys
    }

    fn piece_bytes(&self) -> usize {
        self.piece_bytes
    }

    fn wants_ahead(&self) -> bool {
        self.spare.len() >= SPARE / 2 && self.barriers.since_last() >= self.ahead
    }

    fn adopt(&self) {
        let _ = self.work.send(Work::Adopt(self.seal));
    }

    fn forget_ahead(&self, table: usize) {
        let _ = self.work.send(Work::Forget(self.seal, table));
    }
}

/// The files of seals whose pieces have begun to arrive.
#[derive(Default)]
pub struct Arriving {
    files: HashMap<SealId, File>,
}

/// A file that pieces are written to.
struct File {
    /// Its failure, if writing has failed.
    writer: Result<Writer<Staged>>,
    /// The tables that count on it.
    tables: BTreeSet<usize>,
}

impl File {
    fn create(path: &Path, patience: &Patience) -> Self {
        let staged = patience
            .persist("writing state", || Staged::create(path.to_owned(), Some(patience.clone())));
        Self { writer: staged.and_then(Writer::new), tables: BTreeSet::new() }
    }

    fn redirect(&mut self, path: &Path, patience: Patience) {
        if let Ok(writer) = &mut self.writer {
            writer.out().redirect(path.to_owned(), patience);
        }
    }

    fn add(&mut self, piece: &Piece) {
        self.tables.insert(piece.table);
        if let Ok(writer) = &mut self.writer
            && let Err(e) = writer.piece(piece.table, piece.key_group, &piece.bytes)
        {
            self.writer = Err(e);
        }
    }

    fn forget(&mut self, table: usize) {
        self.tables.remove(&table);
        if let Ok(writer) = &mut self.writer {
            writer.forget(table);
        }
    }
}

impl Arriving {
    /// Writes a piece. A failure counts when the seal is stored.
    pub fn add(&mut self, piece: &Piece, path: &Path, patience: Patience) {
        let new = || File::create(path, &patience);
        let file = self.files.entry(piece.seal).or_insert_with(new);
        if piece.seal.0 == AHEAD {
            // No checkpoint waits for it yet: each piece has its own time.
            file.redirect(path, patience);
        }
        file.add(piece);
    }

    /// Lets the seal of a barrier go on with the file of what was sealed ahead.
    pub fn adopt(&mut self, seal: SealId, path: &Path, patience: Patience) {
        if let Some(mut file) = self.files.remove(&(AHEAD, seal.1, seal.2)) {
            file.redirect(path, patience);
            self.files.insert(seal, file);
        }
    }

    /// Forgets the pieces of a table that were sealed ahead; a file without others goes.
    pub fn forget_table(&mut self, (epoch, node, subtask): SealId, table: usize) {
        for seal in [(AHEAD, node, subtask), (epoch, node, subtask)] {
            if let Some(file) = self.files.get_mut(&seal) {
                file.forget(table);
                if file.tables.is_empty() {
                    self.files.remove(&seal);
                }
            }
        }
    }

    /// Completes the file of a seal; its length in bytes and what it contains.
    pub fn complete(
        &mut self,
        seal: SealId,
        tables: &[SealedTable],
    ) -> Result<(u64, Vec<RunTable>)> {
        let file = self.files.remove(&seal);
        let file = file.ok_or_else(|| Error::internal("the pieces of a seal are missing"))?;
        let (staged, length, summary) = file.writer?.finish(tables)?;
        staged.publish()?;
        Ok((length, summary))
    }

    /// Forgets the files of checkpoints up to `epoch`, which is complete.
    pub fn forget(&mut self, epoch: u64) {
        self.files.retain(|seal, _| seal.0 > epoch || seal.0 == AHEAD);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use weir_state::{Entry, NO_STAMP, Run, RunReader, RunWriter, SealedGroup};

    use super::super::run_file;
    use super::*;

    /// A run without its version and end, whose lengths are known.
    fn records(keys: &[&str]) -> Vec<u8> {
        let mut w = RunWriter::new(Vec::new());
        for key in keys {
            w.key(key.as_bytes(), true).unwrap();
            w.entry(&Entry { sub: b"", stamp: NO_STAMP, value: Some(b"v") }).unwrap();
        }
        let run = w.finish().unwrap().0;
        run[1..run.len() - 2].to_vec()
    }

    fn keys_of(tables: &[SealedTable]) -> Vec<(String, u32, Vec<String>)> {
        let mut found = Vec::new();
        for t in tables {
            for g in &t.groups {
                let mut r = RunReader::new(g.run.open().unwrap()).unwrap();
                let mut keys = Vec::new();
                while r.next_key().unwrap() {
                    keys.push(String::from_utf8(r.key().to_vec()).unwrap());
                }
                keys.sort();
                found.push((t.name.clone(), g.key_group, keys));
            }
        }
        found
    }

    #[test]
    fn a_seal_waits_for_written_buffers_but_not_for_long() {
        let (work, inbox) = crossbeam_channel::unbounded();
        let (desk, back) = Desk::new(work, false, None);
        let sink = desk.sink(1, 0, 0);
        for _ in 0..SPARE {
            assert_eq!(sink.take(0, 0, Vec::with_capacity(100)).capacity(), 100);
        }
        // All are under way: a written one is waited for, and comes as it is.
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            back.send(Vec::with_capacity(70)).unwrap();
            back
        });
        assert_eq!(sink.take(0, 0, Vec::with_capacity(100)).capacity(), 70);
        let _back = writer.join().unwrap();
        // Nobody writes any more: the seal waits once, then takes fresh memory.
        let start = Instant::now();
        assert_eq!(sink.take(0, 0, Vec::with_capacity(100)).capacity(), 100);
        assert!(start.elapsed() >= LONGEST_WAIT / 2);
        let start = Instant::now();
        assert_eq!(sink.take(0, 0, Vec::with_capacity(100)).capacity(), 100);
        assert!(start.elapsed() < LONGEST_WAIT / 2);
        assert_eq!(inbox.len(), SPARE + 3);
    }

    #[test]
    fn pieces_become_the_runs_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.run");
        let (notices, _told) = crossbeam_channel::unbounded();
        let patience = Patience { deadline: Instant::now() + Duration::from_secs(5), notices };
        let mut arriving = Arriving::default();
        let mut add = |epoch, key_group, keys: &[&str]| {
            let piece = Piece { seal: (epoch, 0, 0), table: 1, key_group, bytes: records(keys) };
            arriving.add(&piece, &path, patience.clone());
        };
        add(7, 4, &["a", "b"]);
        add(7, 9, &["c"]);
        add(6, 9, &["of a checkpoint that was given up"]);
        add(7, 4, &["d"]);
        let table =
            |name: &str, groups| SealedTable { name: name.into(), version: 1, full: true, groups };
        let piece = |key_group| SealedGroup { key_group, run: Run::Pieces };
        let whole = [&[2][..], &records(&["e"]), &[0, 1]].concat();
        let tables = [
            table("small", vec![SealedGroup { key_group: 4, run: whole.into() }]),
            table("large", vec![piece(4), piece(9)]),
        ];
        let (length, summary) = arriving.complete((7, 0, 0), &tables).unwrap();
        arriving.forget(7);
        assert!(arriving.complete((6, 0, 0), &tables).is_err());
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, length);
        assert_eq!(summary[1].bytes, (records(&["a", "b"]).len() * 2) as u64);
        let expected = [
            ("small".to_owned(), 4, vec!["e".to_owned()]),
            ("large".to_owned(), 4, vec!["a".to_owned(), "b".to_owned(), "d".to_owned()]),
            ("large".to_owned(), 9, vec!["c".to_owned()]),
        ];
        assert_eq!(keys_of(&run_file::open(&path).unwrap()), expected);
        assert_eq!(keys_of(&run_file::decode(bytes.clone()).unwrap()), expected);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(run_file::decode(damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn sealing_ahead_begins_in_the_middle_of_an_interval() {
        let ahead = |always: bool, interval: Option<Duration>| {
            let (work, _inbox) = crossbeam_channel::unbounded();
            let (desk, _back) = Desk::new(work, always, interval);
            (desk.ahead(0, 0), desk)
        };
        assert!(ahead(false, None).0.is_none());
        let hour = Some(Duration::from_secs(3600));
        assert!(ahead(true, hour).0.unwrap().wants_ahead());
        assert!(!ahead(false, hour).0.unwrap().wants_ahead());
        let (sink, desk) = ahead(false, Some(Duration::from_millis(2)));
        let sink = sink.unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(sink.wants_ahead());
        // A barrier begins the next interval.
        let before = desk.barriers.began.elapsed();
        let seal = desk.sink(1, 0, 0);
        let last = Duration::from_micros(desk.barriers.last.load(Relaxed));
        assert!(last + Duration::from_micros(1) >= before);
        // Not while most buffers wait for the disk.
        (0..=SPARE / 2).for_each(|_| drop(seal.take(0, 0, vec![1])));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!sink.wants_ahead());
    }

    #[test]
    fn a_seal_adopts_what_was_sealed_ahead_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = |epoch: u64| dir.path().join(format!("{epoch}.run"));
        let (notices, _told) = crossbeam_channel::unbounded();
        let patience = Patience { deadline: Instant::now() + Duration::from_secs(5), notices };
        let mut arriving = Arriving::default();
        let add = |arriving: &mut Arriving, epoch, table, key: &str| {
            let piece = Piece { seal: (epoch, 0, 0), table, key_group: 4, bytes: records(&[key]) };
            arriving.add(&piece, &path(epoch), patience.clone());
        };
        let sealed = |tables: &[&str]| -> Vec<SealedTable> {
            let group = SealedGroup { key_group: 4, run: Run::Pieces };
            let table = |name: &&str| SealedTable {
                name: (*name).into(),
                version: 1,
                full: true,
                groups: vec![group.clone()],
            };
            tables.iter().map(table).collect()
        };
        let keys = |epoch: u64| keys_of(&run_file::open(&path(epoch)).unwrap());
        let of = |table: &str, keys: &[&str]| {
            (table.to_owned(), 4, keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>())
        };
        add(&mut arriving, AHEAD, 0, "a");
        add(&mut arriving, AHEAD, 1, "taken back");
        arriving.forget_table((AHEAD, 0, 0), 1);
        arriving.adopt((7, 0, 0), &path(7), patience.clone());
        add(&mut arriving, 7, 1, "b");
        // The next barrier's come while this seal is not stored yet.
        add(&mut arriving, AHEAD, 0, "c");
        add(&mut arriving, 7, 0, "d");
        arriving.complete((7, 0, 0), &sealed(&["first", "second"])).unwrap();
        assert_eq!(keys(7), [of("first", &["a", "d"]), of("second", &["b"])]);
        arriving.forget(7);
        arriving.adopt((8, 0, 0), &path(8), patience.clone());
        // A second table asks again, and then takes its own back.
        arriving.adopt((8, 0, 0), &path(8), patience.clone());
        arriving.forget_table((8, 0, 0), 1);
        arriving.complete((8, 0, 0), &sealed(&["first"])).unwrap();
        assert_eq!(keys(8), [of("first", &["c"])]);
        // A file that nobody counts on goes.
        add(&mut arriving, AHEAD, 0, "e");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
        arriving.forget_table((9, 0, 0), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(arriving.complete((9, 0, 0), &sealed(&["first"])).is_err());
    }
}
