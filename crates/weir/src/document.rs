//! The SQL of documents and programs: ```` ```sql ```` blocks of Markdown, and the triple-quoted
//! strings of Python code (PyFlink programs, schedules) that begin like a statement.
//!
//! Everything else becomes blanks of the same length, so that lines and columns of findings
//! are those of the document.

use std::borrow::Cow;

/// Words that begin a statement of a Python string worth checking.
const STATEMENTS: &[&str] = &[
    "ALTER", "BEGIN", "CREATE", "DELETE", "DROP", "EXECUTE", "EXPLAIN", "INSERT", "SELECT", "SET",
    "SHOW", "UPDATE", "USE", "WITH",
];

/// What a block of a document is written in.
#[derive(Clone, Copy, PartialEq)]
enum Block {
    Sql,
    Python,
    Other,
}

/// The SQL of a file by its name and text; a script as it is.
pub fn sql_of<'a>(name: &str, text: &'a str) -> Cow<'a, str> {
    let python = std::path::Path::new(name).extension().is_some_and(|e| e == "py");
    if python {
        return sql_of_python(text).into();
    }
    if !text.lines().any(|l| l.trim_start().starts_with("```")) {
        return text.into();
    }
    sql_of_markdown(text).into()
}

fn sql_of_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = String::new();
    let mut inside: Option<Block> = None;
    for line in text.split_inclusive('\n') {
        let Some(rest) = line.trim().strip_prefix("```") else {
            match inside {
                Some(Block::Sql) => out.push_str(line),
                Some(Block::Python) => code.push_str(line),
                _ => blank(line, false, &mut out),
            }
            continue;
        };
        let closed = inside.take();
        if closed.is_none() {
            inside = Some(block(rest));
        }
        out.push_str(&sql_of_python(&std::mem::take(&mut code)));
        // A block ends its last statement.
        blank(line, closed == Some(Block::Sql), &mut out);
    }
    out.push_str(&sql_of_python(&code));
    out
}

fn block(language: &str) -> Block {
    match language.trim().to_ascii_lowercase().as_str() {
        "sql" => Block::Sql,
        "python" | "py" => Block::Python,
        _ => Block::Other,
    }
}

/// The triple-quoted strings that begin like a statement, each ended by a semicolon.
fn sql_of_python(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, quote)) = next_quote(rest) {
        let Some(length) = rest[before + 3..].find(quote) else { break };
        let string = &rest[before + 3..before + 3 + length];
        let sql = begins_a_statement(string);
        blank(&rest[..before + 3], false, &mut out);
        if sql {
            out.push_str(string);
        } else {
            blank(string, false, &mut out);
        }
        blank(quote, sql, &mut out);
        rest = &rest[before + 3 + length + 3..];
    }
    blank(rest, false, &mut out);
    out
}

/// The first opening of a triple-quoted string, and its quotes.
fn next_quote(code: &str) -> Option<(usize, &'static str)> {
    ["\"\"\"", "'''"].into_iter().filter_map(|q| code.find(q).map(|at| (at, q))).min()
}

fn begins_a_statement(string: &str) -> bool {
    let first = string
        .lines()
        .map(str::trim)
        .find(|l| !l.is_empty() && !l.starts_with("--") && !l.starts_with('#'))
        .and_then(|l| l.split(|c: char| !c.is_ascii_alphabetic()).next());
    first.is_some_and(|w| STATEMENTS.iter().any(|s| w.eq_ignore_ascii_case(s)))
}

/// The text as blanks of the same length; `end` puts a semicolon in front.
fn blank(text: &str, end: bool, out: &mut String) {
    let start = out.len();
    for c in text.chars() {
        out.extend(std::iter::repeat_n(if c == '\n' { '\n' } else { ' ' }, c.len_utf8()));
    }
    if end && out.len() > start {
        out.replace_range(start..=start, ";");
    }
}

#[cfg(test)]
mod tests {
    use super::sql_of;

    #[test]
    fn the_sql_of_a_document_keeps_its_lines() {
        let text = "# 标题\n```sql\nSELECT 1\n```\ntext\n```java\nint x;\n```\n";
        let sql = sql_of("a.md", text);
        assert_eq!(sql.len(), text.len());
        assert_eq!(sql.lines().nth(2), Some("SELECT 1"));
        assert!(!sql.contains("int x") && sql.contains(';'));
        assert_eq!(sql_of("a.sql", "SELECT '`'"), "SELECT '`'");
    }

    #[test]
    fn the_sql_of_python_strings() {
        let code = "\"\"\"数据\"\"\"\nt.execute_sql(\"\"\"\n-- 清洗\nINSERT INTO a\nSELECT 1\n\"\"\")\nx = 2\n";
        let sql = sql_of("job.py", code);
        assert_eq!(sql.len(), code.len());
        assert_eq!(sql.split_whitespace().last(), Some(";"));
        assert_eq!(sql.lines().nth(3), Some("INSERT INTO a"));
        assert!(!sql.contains("数据") && !sql.contains("execute_sql"));
        let document = format!("text\n```python\n{code}```\n");
        assert_eq!(sql_of("d.md", &document).trim(), sql.trim());
    }
}
