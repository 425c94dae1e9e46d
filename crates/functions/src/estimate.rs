//! Guesses of how selective predicates are, for choosing orders and sides of joins.

use crate::expr::Expr;

/// The share of rows, 0 to 1, for which a predicate is thought to be true.
/// Nothing but the shape of the expression is looked at.
pub fn selectivity(predicate: &Expr) -> f64 {
    let Expr::Call { function, args, .. } = predicate else { return 0.5 };
    match function.as_str() {
        "AND" => args.iter().map(selectivity).product(),
        "OR" => args.iter().map(selectivity).sum::<f64>().min(0.9),
        "=" | "IS NOT DISTINCT FROM" => 0.05,
        "<" | "<=" | ">" | ">=" => 0.4,
        "BETWEEN" | "LIKE" => 0.1,
        "<>" | "IS NOT NULL" | "IS DISTINCT FROM" => 0.95,
        "NOT" => args.iter().map(|a| 1.0 - selectivity(a)).fold(1.0, f64::min),
        _ => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_core::DataType;

    #[test]
    fn conditions_multiply() {
        let column = Expr::column(0, DataType::int());
        let eq = Expr::call("=", vec![column.clone(), column], DataType::boolean());
        let both = Expr::call("AND", vec![eq.clone(), eq.clone()], DataType::boolean());
        assert!(selectivity(&both) < selectivity(&eq));
        let not = Expr::call("NOT", vec![eq.clone()], DataType::boolean());
        assert!(selectivity(&not) > selectivity(&eq));
    }
}
