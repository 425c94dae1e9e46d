//! Event time of operators that let rows wait until the watermark has passed them: what
//! waits, how far the watermark is, and the mark that goes on when all it releases is out.

use std::collections::BTreeSet;

use weir_runtime::{Mark, Out, Seal};

use crate::util::{restore_times, seal_times};

/// See the module.
pub struct EventTime {
    /// Time and slot of what waits.
    pub timers: BTreeSet<(i64, u32)>,
    /// Milliseconds; what is at or before it is late.
    pub watermark: i64,
    held: Option<Mark>,
}

impl Default for EventTime {
    fn default() -> Self {
        Self { timers: BTreeSet::new(), watermark: i64::MIN, held: None }
    }
}

impl EventTime {
    /// Takes a mark, to be held until [`EventTime::pass_on`].
    pub fn hear(&mut self, mark: Mark) {
        if let Mark::Ts(ts) = mark {
            self.watermark = self.watermark.max(ts);
        }
        self.held = Some(mark);
    }

    /// The first timer, if the watermark has passed it.
    pub fn due(&self) -> Option<(i64, u32)> {
        self.timers.first().copied().filter(|(ts, _)| *ts <= self.watermark)
    }

    /// Sends the held mark on.
    pub fn pass_on(&mut self, out: &mut Out) {
        if let Some(mark) = self.held.take() {
            out.mark(mark);
        }
    }

    /// Seals the watermark; timers are found again in the operator's table.
    pub fn seal(&self, seal: &mut Seal) {
        seal_times(&[self.watermark], seal);
    }

    /// Restores the watermark.
    pub fn restore(&mut self, seal: &Seal) {
        restore_times([&mut self.watermark], seal);
    }
}
