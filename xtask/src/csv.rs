//! The result format of `weir run --format csv`: blocks of CSV rows.

/// One row; `None` is NULL (an empty field without quotes).
pub type Row = Vec<Option<String>>;

/// Parses RFC 4180 text in which an unquoted empty field is NULL.
pub fn parse(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        row.push(field(&mut chars));
        match chars.next() {
            Some(',') if chars.peek() == Some(&'\n') => {
                row.push(None);
                chars.next();
                rows.push(std::mem::take(&mut row));
            }
            Some(',') => {}
            _ => rows.push(std::mem::take(&mut row)),
        }
    }
    rows
}

fn field(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut out = String::new();
    if chars.peek() == Some(&'"') {
        chars.next();
        while let Some(c) = chars.next() {
            if c == '"' && chars.next_if_eq(&'"').is_none() {
                break;
            }
            out.push(c);
        }
        return Some(out);
    }
    while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\n')) {
        out.push(c);
    }
    (!out.is_empty()).then_some(out)
}

/// Splits rows into result blocks at the `---` lines.
pub fn blocks(text: &str) -> Vec<Vec<Row>> {
    let mut out = vec![Vec::new()];
    for row in parse(text) {
        if row.len() == 1 && row[0].as_deref() == Some("---") {
            out.push(Vec::new());
        } else if let Some(last) = out.last_mut() {
            last.push(row);
        }
    }
    out.retain(|b| !b.is_empty());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_differ() {
        let rows = parse("a,b,c\n1,,\"\"\n\"x\"\"y\",z,\n");
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1], vec![Some("1".into()), None, Some(String::new())]);
        assert_eq!(rows[2], vec![Some("x\"y".into()), Some("z".into()), None]);
    }

    #[test]
    fn blocks_are_split() {
        assert_eq!(blocks("a\n1\n---\nb\n").len(), 2);
    }
}
