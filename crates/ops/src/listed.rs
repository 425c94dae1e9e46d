//! The rows inside of state values, for people who look at a checkpoint.
//!
//! Operators whose values hold rows say here where; [`crate::shown`] makes text of them.

/// A row of a value.
pub struct Held<'a> {
    /// Number of the input whose columns the row has.
    pub input: usize,
    /// What the operator keeps beside the row.
    pub note: Option<String>,
    /// The encoded row; none for a note alone.
    pub row: Option<&'a [u8]>,
}

impl<'a> Held<'a> {
    /// A row of an input, without a note.
    pub fn row(input: usize, row: &'a [u8]) -> Self {
        Self { input, note: None, row: Some(row) }
    }

    /// With what is kept beside the row.
    pub fn with(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }

    /// A note alone.
    pub fn note(note: &str) -> Self {
        Self { input: 0, note: Some(note.to_owned()), row: None }
    }
}

/// A value that holds rows.
pub trait Listed {
    /// Calls `each` for its rows in their order.
    fn list(&self, each: &mut dyn FnMut(Held<'_>));
}
