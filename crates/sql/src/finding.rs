//! A finding: where, what, and how to put it right.

use weir_core::error::Position;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The script cannot run as it is.
    Error,
    /// It runs, or could, and probably does not do what was meant.
    Warning,
    /// It was read as something else than it says.
    Notice,
}

impl Severity {
    /// The word in front of a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning | Severity::Notice => "warning",
        }
    }
}

/// One finding: where, what, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Where, if it has a place.
    pub position: Position,
    /// What.
    pub message: String,
    /// The corrected form or the next step.
    pub hint: Option<String>,
}

impl Finding {
    fn new(severity: Severity, position: Position, message: impl Into<String>) -> Self {
        Self { severity, position, message: message.into(), hint: None }
    }

    /// What probably is a mistake.
    pub fn warning(position: Position, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, position, message)
    }

    /// What was read as something else.
    pub fn notice(position: Position, message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, position, message)
    }

    /// What cannot run.
    pub fn error(position: Position, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, position, message)
    }

    /// Adds the fix.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The finding of an error; `whole` is the place if it has none.
    pub fn of_error(error: &weir_core::Error, whole: Position) -> Self {
        let bare = error.to_string();
        let message = bare.split("\n  hint: ").next().unwrap_or(&bare).to_owned();
        Self {
            severity: Severity::Error,
            position: error.position().unwrap_or(whole),
            message,
            hint: error.hint_text().map(str::to_owned),
        }
    }

    /// Message and fix, as errors show them.
    pub fn text(&self) -> String {
        match &self.hint {
            Some(h) => format!("{}\n  hint: {h}", self.message),
            None => self.message.clone(),
        }
    }
}
