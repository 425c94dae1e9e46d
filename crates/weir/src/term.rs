//! SIGTERM as a wish to stop with a savepoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, TryRecvError};
use weir_job::Stopper;

/// Whether SIGTERM came, and where savepoints go then.
pub struct Term {
    came: Arc<AtomicBool>,
    dir: Option<String>,
}

impl Term {
    /// From now on SIGTERM is only noted.
    pub fn catch(dir: Option<String>) -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&came))
            .context("cannot catch SIGTERM")?;
        Ok(Self { came, dir })
    }
}

/// The savepoint that a job stops with, once asked for.
pub struct Stopping<'a> {
    term: Option<&'a Term>,
    answer: Option<Receiver<weir_core::Result<String>>>,
    stopped: bool,
}

impl<'a> Stopping<'a> {
    /// Nothing is asked for yet.
    pub fn new(term: Option<&'a Term>) -> Self {
        Self { term, answer: None, stopped: false }
    }

    /// Whether the job was told to stop and has a savepoint.
    pub fn stopped(&mut self) -> bool {
        self.listen();
        self.stopped
    }

    /// Looks for the signal and for the job's answer. A job that cannot make the
    /// savepoint goes on.
    pub fn tick(&mut self, job: &Stopper) {
        let Some(term) = self.term else { return };
        if self.answer.is_none() && term.came.swap(false, Ordering::SeqCst) {
            self.answer = Some(job.savepoint(term.dir.clone(), true));
        }
        self.listen();
    }

    fn listen(&mut self) {
        match self.answer.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok(place))) => {
                eprintln!("stopped with savepoint {place}");
                self.stopped = true;
            }
            Some(Ok(Err(e))) => eprintln!("the job goes on, there is no savepoint: {e}"),
            Some(Err(TryRecvError::Empty)) | None => return,
            Some(Err(TryRecvError::Disconnected)) => {}
        }
        self.answer = None;
    }
}
