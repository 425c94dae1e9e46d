//! What the workers of a job and its handle share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use weir_core::Error;

use crate::channel::Wake;

/// What workers and handle share.
#[derive(Default)]
pub(crate) struct JobShared {
    pub stop: AtomicBool,
    pub cancelled: AtomicBool,
    pub error: Mutex<Option<Error>>,
    pub running: AtomicUsize,
    pub ended: Mutex<()>,
    pub ended_signal: Condvar,
    pub wakes: Vec<Arc<Wake>>,
}

impl JobShared {
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Records the first error and stops all workers.
    pub fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.halt();
    }

    pub fn halt(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wakes.iter().for_each(|w| w.wake());
    }

    pub fn worker_ended(&self) {
        let _guard = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended_signal.notify_all();
    }
}
