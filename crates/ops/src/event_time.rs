//! Event time of operators that let rows wait until the watermark has passed them:
//! how far it is, and the mark that goes on when all it releases is out. What waits is in
//! the timers of the operator's table.

use weir_runtime::{Mark, Out, Seal};

use crate::util::{restore_times, seal_times};

/// See the module.
pub struct EventTime {
    /// Milliseconds; what is at or before it is late.
    pub watermark: i64,
    held: Option<Mark>,
}

impl Default for EventTime {
    fn default() -> Self {
        Self { watermark: i64::MIN, held: None }
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

    /// Sends the held mark on.
    pub fn pass_on(&mut self, out: &mut Out) {
        if let Some(mark) = self.held.take() {
            out.mark(mark);
        }
    }

    /// Seals the watermark.
    pub fn seal(&self, seal: &mut Seal) {
        seal_times(&[self.watermark], seal);
    }

    /// Restores the watermark.
    pub fn restore(&mut self, seal: &Seal) {
        restore_times([&mut self.watermark], seal);
    }
}
