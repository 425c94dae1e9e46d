//! The shared tokio runtime of all lake IO and the mapping of its errors.
//!
//! Invariant: no caller's thread ever runs a paimon future; it waits on a plain
//! channel, so calls are fine from inside another runtime too.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use weir_core::{Error, ErrorKind, Result};

/// Threads that run all lake IO, encoding and decoding of the process.
const IO_THREADS: usize = 2;

/// The runtime, started on first use.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("lake-io")
            .enable_all()
            .build()
            .map_err(|e| e.to_string())
    });
    started.as_ref().map_err(|e| Error::io(format!("cannot start the lake IO threads: {e}")))
}

/// Runs a future on the runtime and waits for its result.
pub(crate) fn wait<T, F>(future: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (tx, rx) = mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // The receiver only disappears when the waiting thread is gone.
        let _ = tx.send(future.await);
    });
    rx.recv().map_err(|_| Error::internal("a lake IO task stopped without an answer"))?
}

/// Turns an error of the paimon crate into the engine's.
pub(crate) fn lake_error(error: paimon::Error) -> Error {
    use paimon::Error as P;
    let kind = match &error {
        P::Unsupported { .. } | P::IoUnsupported { .. } => ErrorKind::Unsupported,
        P::ConfigInvalid { .. } => ErrorKind::Option,
        P::DataTypeInvalid { .. }
        | P::DatabaseAlreadyExist { .. }
        | P::DatabaseNotExist { .. }
        | P::DatabaseNotEmpty { .. }
        | P::TableAlreadyExist { .. }
        | P::TableNotExist { .. }
        | P::ColumnAlreadyExist { .. }
        | P::ColumnNotExist { .. }
        | P::IdentifierInvalid { .. } => ErrorKind::Validation,
        P::IoUnexpected { .. } => ErrorKind::Io,
        _ => ErrorKind::Data,
    };
    Error::new(kind, error.to_string())
}
