//! One error type for the whole engine: what went wrong, where in the SQL text,
//! and what to type instead.

use std::fmt;

/// Result with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Byte range in the script that an error talks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// Coarse class of an error, for exit codes and for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not SQL.
    Parse,
    /// Names, types or semantics of a statement are wrong.
    Validation,
    /// Correct Flink SQL that this version cannot run yet.
    Unsupported,
    /// A table, connector or format option is wrong.
    Option,
    /// A record could not be decoded, cast or computed.
    Data,
    /// Files, brokers, object stores.
    Io,
    /// A defect of the engine.
    Internal,
}

/// An error with an optional position in the script and an optional fix.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    position: Option<Position>,
    hint: Option<String>,
    context: Vec<String>,
}

impl Error {
    /// Builds an error of any class.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            position: None,
            hint: None,
            context: Vec::new(),
        }))
    }
    /// Wrong names, types or semantics.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Validation, message)
    }
    /// Correct Flink SQL that cannot run yet; the message starts with `not yet supported: `.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("not yet supported: {what}"))
    }
    /// A wrong table, connector or format option.
    pub fn option(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Option, message)
    }
    /// A record that cannot be decoded, cast or computed.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }
    /// A file, broker or store that cannot be reached or misbehaves.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, message)
    }
    /// A defect of the engine.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }
    /// Attaches the place in the script, unless an inner one is known already.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }
    /// Attaches the corrected form or the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }
    /// Adds an outer circumstance ("while reading table t").
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context.push(context.into());
        self
    }
    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
    /// The bare message.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The place in the script, if known.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }
    /// The corrected form or next step, if known.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.context.iter().rev() {
            write!(f, "{c}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(h) = &self.0.hint {
            write!(f, "\n  hint: {h}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::io(e.to_string())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Error::data(e.to_string())
    }
}
