//! Bounded single-producer single-consumer channels between pipelines.
//!
//! Data is bounded in messages and bytes (one message always fits an empty
//! channel); control messages consume no credit, so that a barrier can reach a
//! consumer whose other input is blocked on it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use crate::message::Message;

/// Bound of one channel in data messages.
pub(crate) const MAX_MESSAGES: usize = 8;

/// Wakes a sleeping worker.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    sleeping: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Wake {
    /// Called once by the worker itself.
    pub fn register(&self) {
        let _ = self.thread.set(std::thread::current());
    }
    /// Announces that the worker is about to sleep; it must look for work once more afterwards.
    pub fn announce_sleep(&self, sleeping: bool) {
        self.sleeping.store(sleeping, Ordering::SeqCst);
    }
    /// Something changed for the worker.
    pub fn wake(&self) {
        if self.sleeping.swap(false, Ordering::SeqCst)
            && let Some(t) = self.thread.get()
        {
            t.unpark();
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<(Message, usize)>,
    data: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    max_bytes: usize,
    consumer: Arc<Wake>,
    producer: Arc<Wake>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sending half.
#[derive(Debug)]
pub(crate) struct Sender(Arc<Shared>);

/// Receiving half.
#[derive(Debug)]
pub(crate) struct Receiver(Arc<Shared>);

/// A channel bounded in bytes between two workers (possibly the same).
pub(crate) fn channel(
    max_bytes: usize,
    producer: Arc<Wake>,
    consumer: Arc<Wake>,
) -> (Sender, Receiver) {
    let queue = Mutex::new(Queue::default());
    let shared = Arc::new(Shared { queue, max_bytes, consumer, producer });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl Sender {
    /// Sends, or gives the message back if there is no credit.
    pub fn send(&self, message: Message) -> Result<(), Message> {
        let bytes = if let Message::Data(b) = &message { b.memory_size() } else { 0 };
        let is_data = matches!(message, Message::Data(_));
        {
            let mut q = self.0.lock();
            let full = q.data >= MAX_MESSAGES || q.bytes + bytes > self.0.max_bytes;
            if is_data && q.data > 0 && full {
                return Err(message);
            }
            q.bytes += bytes;
            q.data += usize::from(is_data);
            q.messages.push_back((message, bytes));
        }
        self.0.consumer.wake();
        Ok(())
    }
}

impl Receiver {
    /// The next message, if there is one.
    pub fn pop(&self) -> Option<Message> {
        self.pop_if(|_| true)
    }

    /// The next message if it is data of at most `rows` rows.
    pub fn pop_data(&self, rows: usize) -> Option<Message> {
        self.pop_if(|m| matches!(m, Message::Data(b) if b.len() <= rows))
    }

    fn pop_if(&self, wanted: impl FnOnce(&Message) -> bool) -> Option<Message> {
        let message = {
            let mut q = self.0.lock();
            if !q.messages.front().is_some_and(|(m, _)| wanted(m)) {
                return None;
            }
            let (message, bytes) = q.messages.pop_front()?;
            q.bytes -= bytes;
            q.data -= usize::from(matches!(message, Message::Data(_)));
            message
        };
        if matches!(message, Message::Data(_)) {
            self.0.producer.wake();
        }
        Some(message)
    }
}
