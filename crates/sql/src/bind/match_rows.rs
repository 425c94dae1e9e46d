//! What expressions of MATCH_RECOGNIZE read: rows of a match.

use weir_core::DataType;
use weir_functions::Expr;
use weir_spec::{MatchRef, PatternTerm};

/// What an expression of MATCH_RECOGNIZE is bound against.
pub(crate) struct Matching {
    pub(super) pattern: Vec<PatternTerm>,
    /// The variable whose condition this is; `None` in MEASURES.
    pub(super) defining: Option<usize>,
    pub(super) refs: Vec<MatchRef>,
    /// Which row a column means: counted from the first, and how far in.
    pub(super) first: bool,
    pub(super) offset: u32,
    /// Inside FIRST or LAST.
    pub(super) navigating: bool,
    /// Inside an aggregate columns are the input's own.
    pub(super) aggregating: bool,
    /// Variables named inside the innermost FIRST, LAST or aggregate.
    pub(super) named: Vec<Option<usize>>,
}

impl Matching {
    /// For one condition or measure.
    pub(super) fn new(pattern: &[PatternTerm], defining: Option<usize>) -> Self {
        let plain = |t: &PatternTerm| PatternTerm { condition: None, ..t.clone() };
        Self {
            pattern: pattern.iter().map(plain).collect(),
            defining,
            refs: Vec::new(),
            first: false,
            offset: 0,
            navigating: false,
            aggregating: false,
            named: Vec::new(),
        }
    }

    /// The column that stands for a reference, registered once.
    pub(super) fn register(&mut self, r: MatchRef, ty: DataType) -> Expr {
        let at = self.refs.iter().position(|x| *x == r).unwrap_or_else(|| {
            self.refs.push(r);
            self.refs.len() - 1
        });
        Expr::column(at, ty)
    }

    pub(super) fn field(&mut self, variable: Option<usize>, column: usize, ty: DataType) -> Expr {
        let ty = if self.is_present(variable) { ty } else { ty.null() };
        let r = MatchRef::Field { variable, column, first: self.first, offset: self.offset };
        self.register(r, ty)
    }

    /// Whether the row that is meant always exists.
    pub(super) fn is_present(&self, variable: Option<usize>) -> bool {
        match self.defining {
            Some(own) => self.offset == 0 && variable.is_none_or(|v| v == own),
            None => {
                let least = |t: &PatternTerm| u64::from(t.min);
                let rows: u64 = match variable {
                    Some(v) => least(&self.pattern[v]),
                    None => self.pattern.iter().map(least).sum(),
                };
                u64::from(self.offset) < rows
            }
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<usize> {
        self.pattern.iter().position(|t| t.name == name)
    }
}
