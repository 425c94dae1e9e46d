//! Trying again while storage fails.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use weir_core::{ErrorKind, Result};

/// How long operations of one checkpoint on storage are tried again.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Until when.
    pub deadline: Instant,
    /// For telling the user.
    pub notices: Sender<String>,
}

impl Patience {
    /// Tries again while storage fails, and says so.
    ///
    /// # Errors
    ///
    /// That of the last attempt; at once where it is not one of IO.
    pub fn persist<T>(&self, what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let mut pause = Duration::from_millis(100);
        let mut told = false;
        loop {
            match attempt() {
                Ok(done) => {
                    if told {
                        let _ = self.notices.send(format!("{what}: works again"));
                    }
                    return Ok(done);
                }
                Err(e) if e.kind() != ErrorKind::Io => return Err(e),
                Err(e) if Instant::now() + pause >= self.deadline => return Err(e),
                Err(e) => {
                    if !std::mem::replace(&mut told, true) {
                        let _ = self.notices.send(format!("{what} fails and is tried again: {e}"));
                    }
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}
