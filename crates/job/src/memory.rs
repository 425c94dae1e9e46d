//! The memory of the process, by Flink's options.

use std::path::PathBuf;

use weir_core::config::Options;
use weir_core::{Error, Result};
use weir_state::memory;

/// Flink's names for the memory of a worker process, the wider one first.
const PROCESS_SIZE: [&str; 2] =
    ["taskmanager.memory.process.size", "taskmanager.memory.flink.size"];
/// Where what does not fit goes.
const FOLDERS: &str = "io.tmp.dirs";
/// Less does not hold the program itself.
const LEAST: u64 = 64 << 20;

/// The memory that the options allow the process, in bytes.
///
/// # Errors
///
/// A size that cannot be read or is too small.
pub fn process_size(options: &Options) -> Result<Option<u64>> {
    for key in PROCESS_SIZE {
        match options.memory_opt(key)? {
            Some(bytes) if bytes < LEAST => {
                return Err(Error::option(format!("'{key}' = {bytes} bytes is too little"))
                    .hint(format!("give at least {} mb", LEAST >> 20)));
            }
            Some(bytes) => return Ok(Some(bytes)),
            None => {}
        }
    }
    Ok(None)
}

/// Sets the budget of the process for its keyed state: what the options say, else four
/// fifths of the memory that this machine or container has.
pub fn set_budget(options: &Options) -> Result<()> {
    let size = process_size(options)?;
    let folder = options
        .get(FOLDERS)
        .and_then(|dirs| dirs.split([',', ':', '|']).find(|d| !d.is_empty()))
        .map_or_else(std::env::temp_dir, PathBuf::from);
    match size.or_else(|| memory::available().map(|bytes| bytes / 5 * 4)) {
        Some(bytes) if size.is_some() || memory::budget().is_none() => {
            memory::set_budget(bytes, &folder);
        }
        _ => {}
    }
    Ok(())
}

/// Removes what the process keeps on disk beside its checkpoints; for its end.
pub fn clean_up() {
    memory::clean_up();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_small_ones_refused() {
        let options = |size: &str| -> Options {
            [(PROCESS_SIZE[0].to_owned(), size.to_owned())].into_iter().collect()
        };
        assert_eq!(process_size(&options("1g")).unwrap(), Some(1 << 30));
        assert_eq!(process_size(&Options::new()).unwrap(), None);
        assert!(process_size(&options("1mb")).unwrap_err().to_string().contains("process.size"));
    }
}
