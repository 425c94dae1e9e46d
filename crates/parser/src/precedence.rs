//! How tightly operators bind. The parser and the printer share the table,
//! so that the printer sets exactly the parentheses the parser needs.

use crate::ast::BinaryOp;

pub(crate) const MULTISET: u8 = 14;
pub(crate) const MULTISET_INTERSECT: u8 = 18;
pub(crate) const OR: u8 = 22;
pub(crate) const AND: u8 = 24;
pub(crate) const NOT: u8 = 26;
pub(crate) const IS: u8 = 28;
pub(crate) const COMPARISON: u8 = 30;
pub(crate) const LIKE: u8 = 32;
pub(crate) const ADD: u8 = 40;
pub(crate) const MULTIPLY: u8 = 60;
pub(crate) const SIGN: u8 = 80;
pub(crate) const AT_TIME_ZONE: u8 = 90;
pub(crate) const PRIMARY: u8 = 100;

/// The precedence of an infix operator; all are left-associative.
pub(crate) fn binary(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::MultisetUnion
        | BinaryOp::MultisetUnionDistinct
        | BinaryOp::MultisetExcept
        | BinaryOp::MultisetExceptDistinct => MULTISET,
        BinaryOp::MultisetIntersect | BinaryOp::MultisetIntersectDistinct => MULTISET_INTERSECT,
        BinaryOp::Or => OR,
        BinaryOp::And => AND,
        BinaryOp::Plus | BinaryOp::Minus => ADD,
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo | BinaryOp::Concat => MULTIPLY,
        // IS DISTINCT FROM is read after IS, so it binds like IS on the left.
        BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom => IS,
        _ => COMPARISON,
    }
}

/// True for the operators that ANY, SOME and ALL can follow.
pub(crate) fn is_comparison(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::Eq
            | BinaryOp::NotEq
            | BinaryOp::Lt
            | BinaryOp::LtEq
            | BinaryOp::Gt
            | BinaryOp::GtEq
    )
}
