//! Rows on their way through the levels of a multi-way join.
//!
//! A tuple at level `n` has a part of each of the inputs before `n`, by its place: the
//! position in the bucket of the key, the row of the batch for the input that the batch
//! came from, or [`NONE`] where a left join found no partner. A [`Frame`] walks over the
//! tuples of one level and their candidates at the next, a chunk at a time.

/// A left join's side without a partner.
pub const NONE: u32 = u32::MAX;

/// See the module.
#[derive(Debug, Default)]
pub struct Tuples {
    /// Row of the batch that changed.
    pub rows: Vec<u32>,
    /// Row kind.
    pub kinds: Vec<u8>,
    /// By input: where its part is.
    pub picks: Vec<Vec<u32>>,
}

impl Tuples {
    /// Tuples without any part yet.
    pub fn start(rows: Vec<u32>, kinds: Vec<u8>) -> Self {
        Self { rows, kinds, picks: Vec::new() }
    }

    /// No tuples, one level above these.
    pub fn above(&self) -> Self {
        Self { picks: vec![Vec::new(); self.picks.len() + 1], ..Self::default() }
    }

    /// Adds a tuple of the level below with one more part.
    pub fn push(&mut self, below: &Tuples, tuple: usize, pick: u32, kind: u8) {
        self.rows.push(below.rows[tuple]);
        self.kinds.push(kind);
        for (own, picks) in self.picks.iter_mut().zip(&below.picks) {
            own.push(picks[tuple]);
        }
        if let Some(last) = self.picks.last_mut() {
            last.push(pick);
        }
    }

    /// The level: how many parts there are.
    pub fn level(&self) -> usize {
        self.picks.len()
    }

    /// How many tuples there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// A pair of a tuple and a place at its level.
pub type Candidate = (u32, u32);

/// See the module.
#[derive(Debug)]
pub struct Frame {
    /// The tuples.
    pub tuples: Tuples,
    /// First tuple that is not done.
    next: usize,
    /// First candidate of it that was not looked at.
    candidate: u32,
    /// One of those before it matched.
    matched: bool,
}

/// Candidates of the tuples from `first` on; those before `end` have no more.
pub struct Chunk {
    pub first: usize,
    pub end: usize,
    /// Whether a candidate of the first tuple matched in an earlier chunk.
    pub matched: bool,
    pub candidates: Vec<Candidate>,
}

impl Frame {
    /// Nothing was looked at.
    pub fn new(tuples: Tuples) -> Self {
        Self { tuples, next: 0, candidate: 0, matched: false }
    }

    /// Whether all was looked at.
    pub fn done(&self) -> bool {
        self.next >= self.tuples.len()
    }

    /// The next candidates, at most `limit`; `count` tells how many a tuple has.
    pub fn chunk(&mut self, limit: usize, count: impl Fn(u32) -> u32) -> Chunk {
        let mut chunk =
            Chunk { first: self.next, end: 0, matched: self.matched, candidates: Vec::new() };
        while self.next < self.tuples.len() {
            let all = count(self.tuples.rows[self.next]);
            let room = (limit - chunk.candidates.len()) as u32;
            let until = all.min(self.candidate.saturating_add(room));
            let tuple = self.next as u32;
            chunk.candidates.extend((self.candidate..until).map(|p| (tuple, p)));
            if until < all {
                self.candidate = until;
                break;
            }
            self.next += 1;
            self.candidate = 0;
            self.matched = false;
        }
        chunk.end = self.next;
        chunk
    }

    /// Says that a candidate of the tuple that is not done matched.
    pub fn set_matched(&mut self, matched: bool) {
        self.matched = matched;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_go_on_inside_a_tuple() {
        let mut frame = Frame::new(Tuples::start(vec![0, 1, 2], vec![0; 3]));
        let counts = [3, 0, 2];
        let mut seen = Vec::new();
        let mut ends = Vec::new();
        while !frame.done() {
            let chunk = frame.chunk(2, |row| counts[row as usize]);
            seen.extend(chunk.candidates);
            ends.push((chunk.first, chunk.end));
        }
        assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]);
        assert_eq!(ends, [(0, 0), (0, 2), (2, 3)]);
    }
}
