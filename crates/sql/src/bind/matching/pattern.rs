//! PATTERN and AFTER MATCH SKIP.

use weir_core::{Error, Result};
use weir_parser::ast::{self, PatternKind, PatternQuantifier};
use weir_spec::{PatternTerm, SkipStrategy};

use crate::bind::at::At;

/// The pattern as a sequence of variables; what Flink's CEP library lacks is an error.
pub(super) fn pattern_terms(pattern: &ast::Pattern) -> Result<Vec<PatternTerm>> {
    let mut terms = Vec::new();
    flatten(pattern, &mut terms)?;
    if terms.iter().all(|t| t.min == 0) {
        return Err(Error::validation(
            "Patterns that can produce empty matches are not supported. There must be at least one non-optional state.",
        ))
        .at(pattern.span);
    }
    if terms.last().is_some_and(|t| t.greedy) {
        return Err(Error::validation(
            "Greedy quantifiers are not allowed as the last element of a Pattern yet. Finish your pattern with either a simple variable or reluctant quantifier.",
        ))
        .at(pattern.span);
    }
    Ok(terms)
}

fn flatten(pattern: &ast::Pattern, terms: &mut Vec<PatternTerm>) -> Result<()> {
    let unsupported = |what: &str| {
        Err(Error::unsupported(format!(
            "{what} in PATTERN (Flink's CEP does not support it either)"
        )))
        .at(pattern.span)
    };
    match &pattern.kind {
        PatternKind::Variable(name) => variable(name, (1, Some(1)), false, terms),
        PatternKind::Concat(parts) => parts.iter().try_for_each(|p| flatten(p, terms)),
        PatternKind::Repeat { pattern: inner, quantifier, reluctant } => {
            let PatternKind::Variable(name) = &inner.kind else {
                return unsupported("a quantifier of a group");
            };
            let bounds = quantifier_bounds(*quantifier).at(pattern.span)?;
            let optional = bounds == (0, Some(1));
            if optional && *reluctant {
                return Err(Error::unsupported(
                    "a reluctant optional variable (Flink does not support it either)",
                ))
                .at(pattern.span);
            }
            if matches!(bounds, (0, None | Some(1))) && terms.last().is_some_and(|t| t.greedy) {
                return Err(Error::validation(
                    "Optional pattern cannot be preceded by greedy pattern",
                ))
                .at(pattern.span);
            }
            let greedy = !reluctant && !optional && bounds.1 != Some(bounds.0);
            variable(name, bounds, greedy, terms)
        }
        PatternKind::Alternation(_) => unsupported("an alternative"),
        PatternKind::Permute(_) => unsupported("PERMUTE"),
        PatternKind::Exclude(_) => unsupported("an exclusion"),
    }
}

fn variable(
    name: &ast::Ident,
    (min, max): (u32, Option<u32>),
    greedy: bool,
    terms: &mut Vec<PatternTerm>,
) -> Result<()> {
    if terms.iter().any(|t| t.name == name.value) {
        return Err(Error::validation(
            "Pattern variables must be unique. That might change in the future.",
        ))
        .at(name.span);
    }
    terms.push(PatternTerm { name: name.value.clone(), min, max, greedy, condition: None });
    Ok(())
}

/// States per variable beyond which a pattern is refused.
const MOST_REPETITIONS: u32 = 10_000;

fn quantifier_bounds(q: PatternQuantifier) -> Result<(u32, Option<u32>)> {
    let (min, max) = match q {
        PatternQuantifier::ZeroOrMore => (0, None),
        PatternQuantifier::OneOrMore => (1, None),
        PatternQuantifier::ZeroOrOne => (0, Some(1)),
        PatternQuantifier::Exactly(n) => (n, Some(n)),
        PatternQuantifier::AtLeast(n) => (n, None),
        PatternQuantifier::AtMost(m) => (0, Some(m)),
        PatternQuantifier::Between(n, m) => (n, Some(m)),
    };
    let from = min.max(1);
    if max.is_some_and(|m| m < from) {
        return Err(Error::validation(format!(
            "The to should be a number greater than or equal to from: {from}."
        )));
    }
    if min.max(max.unwrap_or(0)) > MOST_REPETITIONS {
        return Err(Error::unsupported(format!(
            "more than {MOST_REPETITIONS} repetitions of a pattern variable"
        )));
    }
    Ok((min, max))
}

/// Where matching goes on behind a match.
pub(super) fn skip_strategy(
    after: Option<&ast::AfterMatch>,
    pattern: &[PatternTerm],
) -> Result<SkipStrategy> {
    let target = |name: &ast::Ident| {
        pattern
            .iter()
            .position(|t| t.name == name.value)
            .ok_or_else(|| Error::validation(format!("Unknown pattern '{}'", name.value)))
            .at(name.span)
    };
    Ok(match after {
        None | Some(ast::AfterMatch::ToNextRow) => SkipStrategy::ToNextRow,
        Some(ast::AfterMatch::PastLastRow) => SkipStrategy::PastLastRow,
        Some(ast::AfterMatch::ToFirst(v)) => SkipStrategy::ToFirst(target(v)?),
        Some(ast::AfterMatch::ToLast(v)) => SkipStrategy::ToLast(target(v)?),
    })
}
