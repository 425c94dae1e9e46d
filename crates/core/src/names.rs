//! Near misses among names: what a mistyped option, table or column was meant to be.

/// The candidate most like `name`, if one is near enough to be a slip of it.
///
/// Case and separators do not count, and leading words may be missing
/// (`startup-mode` is near `scan.startup.mode`); beyond that the Levenshtein
/// distance may be a third of the candidate's length, at least 1 and at most 6.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    candidates
        .map(|c| (slips(&wanted, &plain(c)), c))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, c)| *d <= (c.chars().count() / 3).clamp(1, 6))
        .map(|(_, c)| c)
}

/// Letters and digits in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn slips(wanted: &str, other: &str) -> usize {
    let part =
        wanted.len() > 3 && other.len() > 3 && (other.ends_with(wanted) || wanted.ends_with(other));
    match part {
        true => usize::from(wanted != other),
        false => strsim::levenshtein(wanted, other),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names() {
        let near = |n: &str, c: &[&'static str]| nearest(n, c.iter().copied());
        assert_eq!(near("custmer", &["order_id", "customer"]), Some("customer"));
        assert_eq!(near("nope", &["order_id", "customer"]), None);
        assert_eq!(
            near("startup-mode", &["topic", "scan.startup.mode"]),
            Some("scan.startup.mode")
        );
        assert_eq!(
            near("rows-per-secnd", &["number-of-rows", "rows-per-second"]),
            Some("rows-per-second")
        );
    }
}
