//! Column numbers that stand for what is not a column of the input yet.
//!
//! An expression is bound before subqueries are joined, OVER calls computed and group
//! windows opened. It reads their results as columns with numbers from here on; whoever
//! owns the clause replaces them by the columns that it made.

/// Columns of an enclosing query are numbered from here until they are decorrelated.
pub(crate) const OUTER: usize = 1 << 32;

/// Columns from here on stand for the answers of subqueries.
pub(crate) const SUBQUERY: usize = 1 << 40;

/// Columns from here on stand for OVER calls.
pub(crate) const OVER: usize = 1 << 41;

/// Columns from here on stand for window_start, window_end, window_time of a group window.
pub(crate) const WINDOW: usize = 1 << 42;
