//! Errors across the border to DataFusion and back.

use datafusion_common::DataFusionError;
use weir_core::Error;

/// Our error inside DataFusion's.
pub fn to_df(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Our error again, or DataFusion's in our words.
pub fn from_df(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(e) => match e.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::data(e.to_string()),
        },
        DataFusionError::ArrowError(e, _) => match e.as_ref() {
            arrow::error::ArrowError::ExternalError(inner) => inner
                .downcast_ref::<Error>()
                .cloned()
                .unwrap_or_else(|| Error::data(inner.to_string())),
            other => Error::data(other.to_string()),
        },
        DataFusionError::ResourcesExhausted(m) => Error::io(format!("out of memory: {m}"))
            .hint("raise 'taskmanager.memory.managed.size', or lower the parallelism"),
        DataFusionError::IoError(e) => Error::io(e.to_string()),
        other => Error::internal(other.to_string()),
    }
}
