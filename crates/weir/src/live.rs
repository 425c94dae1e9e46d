//! The live table of the shell: the rows of a running query, drawn over and over.
//!
//! A query that ends at once is never drawn; one that runs on takes the terminal's
//! other screen until it ends or Ctrl-C leaves it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use weir_core::Result;

use crate::output::{Materialised, Printer};

/// A query is drawn when it has run for this long, and then this often.
const PACE: Duration = Duration::from_millis(500);

/// Lines that the table's frame and the last line take.
const FRAME: usize = 6;

/// Draws the rows of one running query.
pub struct LiveTable {
    /// Height of the terminal; `None`: nothing is drawn.
    height: Option<usize>,
    open: bool,
    last: Instant,
}

impl LiveTable {
    /// For a query that starts now.
    pub fn new(printer: &Printer) -> Self {
        Self { height: printer.live_height(), open: false, last: Instant::now() }
    }

    /// Draws when it is time.
    pub fn tick(&mut self, rows: &Materialised) -> Result<()> {
        let Some(height) = self.height else { return Ok(()) };
        if self.last.elapsed() < PACE {
            return Ok(());
        }
        self.last = Instant::now();
        let mut out = io::stdout().lock();
        if !self.open {
            self.open = true;
            write!(out, "\x1b[?1049h")?;
        }
        let (table, n) = rows.drawn(height.saturating_sub(FRAME).max(1));
        let table = table.replace('\n', "\x1b[K\n");
        write!(out, "\x1b[H{table}{n} rows so far; Ctrl-C leaves\x1b[K\x1b[J")?;
        out.flush()?;
        Ok(())
    }

    /// Gives the screen back.
    pub fn close(&mut self) -> Result<()> {
        if self.open {
            self.open = false;
            let mut out = io::stdout().lock();
            write!(out, "\x1b[?1049l")?;
            out.flush()?;
        }
        Ok(())
    }
}

impl Drop for LiveTable {
    fn drop(&mut self) {
        // A screen that cannot be given back is no reason to fail twice.
        let _ = self.close();
    }
}
