//! Panics of worker threads become errors of their job.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use weir_core::{Error, Result};

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the message and backtrace of panics under [`catch`] and leaves all others alone.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                let text = format!("{info}\n{}", Backtrace::force_capture());
                LAST.with_borrow_mut(|l| *l = Some(text));
            } else {
                previous(info);
            }
        }));
    });
}

/// Runs `f`; a panic becomes an internal error with message and backtrace.
pub(crate) fn catch<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    install_hook();
    CATCHING.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(false);
    result.unwrap_or_else(|_| {
        let text = LAST.with_borrow_mut(Option::take).unwrap_or_default();
        Err(Error::internal(format!("a worker panicked: {text}")))
    })
}
