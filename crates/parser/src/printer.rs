//! The canonical printer: a syntax tree back to Flink SQL.
//!
//! Keywords come out in upper case, identifiers in backticks where they need
//! them, parentheses where the tree needs them. Parsing what was printed
//! gives an equal tree.

mod create;
mod expr;
mod from;
mod function;
mod query;
mod statement;
mod types;

use crate::ast::*;
use crate::keywords;
use crate::lexer::is_word_part;
use crate::literal;
use std::fmt;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrintOptions {
    /// Puts every identifier in backticks, as Flink does in DESCRIBE and
    /// SHOW CREATE. Names of functions with one part stay bare.
    pub quote_all: bool,
    /// Puts everything on one line; otherwise clauses begin new lines.
    pub one_line: bool,
    /// Rewrites extensions that have an exact counterpart in Flink, such as
    /// `col:path`, and so gives up that the tree comes back equal.
    pub strict: bool,
}

impl PrintOptions {
    /// Everything on one line.
    pub const ONE_LINE: PrintOptions =
        PrintOptions { quote_all: false, one_line: true, strict: false };

    /// As Flink shows expressions and types: quoted, on one line.
    pub const SERIALIZABLE: PrintOptions =
        PrintOptions { quote_all: true, one_line: true, strict: true };
}

/// Prints a statement over several lines.
pub fn print_statement(statement: &Statement) -> String {
    print_statement_with(statement, PrintOptions::default())
}

/// Prints a statement.
pub fn print_statement_with(statement: &Statement, options: PrintOptions) -> String {
    print(options, |p| p.statement(statement))
}

/// Prints a query over several lines.
pub fn print_query(query: &Query) -> String {
    print_query_with(query, PrintOptions::default())
}

/// Prints a query.
pub fn print_query_with(query: &Query, options: PrintOptions) -> String {
    print(options, |p| p.query(query))
}

/// Prints an expression on one line.
pub fn print_expr(expr: &Expr) -> String {
    print_expr_with(expr, PrintOptions::ONE_LINE)
}

/// Prints an expression.
pub fn print_expr_with(expr: &Expr, options: PrintOptions) -> String {
    print(options, |p| p.expr(expr, 0))
}

/// Prints a data type on one line.
pub fn print_data_type(data_type: &DataType) -> String {
    print_data_type_with(data_type, PrintOptions::ONE_LINE)
}

/// Prints a data type.
pub fn print_data_type_with(data_type: &DataType, options: PrintOptions) -> String {
    print(options, |p| p.data_type(data_type))
}

/// Puts a name in backticks.
pub fn quote_identifier(name: &str) -> String {
    let mut out = String::new();
    literal::quote(&mut out, name, '`');
    out
}

/// Puts a text in single quotes.
pub fn quote_string(text: &str) -> String {
    let mut out = String::new();
    literal::quote(&mut out, text, '\'');
    out
}

/// Puts a name in backticks if it cannot stand without.
pub fn quote_if_needed(name: &str) -> String {
    match needs_quotes(name) {
        true => quote_identifier(name),
        false => name.to_string(),
    }
}

fn print(options: PrintOptions, body: impl FnOnce(&mut Printer<'_>)) -> String {
    let mut printer = Printer { out: String::new(), options, in_json_key: false, names: None };
    body(&mut printer);
    printer.out
}

macro_rules! display_on_one_line {
    ($($node:ty => $print:ident),*) => {$(
        impl fmt::Display for $node {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$print(self, PrintOptions::ONE_LINE))
            }
        }
    )*};
}

display_on_one_line!(
    Expr => print_expr_with,
    Query => print_query_with,
    DataType => print_data_type_with,
    Statement => print_statement_with
);

/// Names that are printed in full: what a view's text needs to mean the same anywhere.
pub trait Names {
    /// The query's WITH begins to hold: one of its items, before it is printed.
    fn define(&mut self, cte: &Cte);
    /// The columns of a SELECT can be named from here on.
    fn enter(&mut self, select: &Select);
    /// They no longer can.
    fn leave(&mut self);
    /// The full form of a column's name, if it has another one.
    fn column(&self, name: &ObjectName) -> Option<ObjectName>;
    /// The full form of a table's name; `None` for names that WITH defines.
    fn table(&self, name: &ObjectName) -> Option<ObjectName>;
    /// The columns that a star stands for, if they are known.
    fn star(&self, qualifier: Option<&ObjectName>) -> Option<Vec<ObjectName>>;
}

/// Prints a query over several lines with quoted and full names.
pub fn print_query_in_full(query: &Query, names: &mut dyn Names) -> String {
    let options = PrintOptions { quote_all: true, one_line: false, strict: true };
    let mut printer =
        Printer { out: String::new(), options, in_json_key: false, names: Some(names) };
    printer.query(query);
    printer.out
}

pub(crate) struct Printer<'n> {
    out: String,
    options: PrintOptions,
    /// Inside a key of JSON_OBJECT, where a colon would end the key.
    in_json_key: bool,
    /// Puts names in full.
    names: Option<&'n mut dyn Names>,
}

impl Printer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Puts a text when a condition holds.
    fn put_if(&mut self, condition: bool, text: &str) {
        if condition {
            self.out.push_str(text);
        }
    }

    /// Begins a clause: on a new line, or after a blank.
    fn clause(&mut self) {
        self.out.push(if self.options.one_line { ' ' } else { '\n' });
    }

    fn string(&mut self, text: &str) {
        literal::quote(&mut self.out, text, '\'');
    }

    fn number(&mut self, n: u32) {
        self.out.push_str(&n.to_string());
    }

    fn ident(&mut self, ident: &Ident) {
        self.name(&ident.value);
    }

    fn name(&mut self, name: &str) {
        if !is_template(name) && (self.options.quote_all || needs_quotes(name)) {
            literal::quote(&mut self.out, name, '`');
        } else {
            self.out.push_str(name);
        }
    }

    fn object_name(&mut self, name: &ObjectName) {
        self.separated(&name.0, ".", Self::ident);
    }

    fn separated<T>(&mut self, items: &[T], between: &str, mut item: impl FnMut(&mut Self, &T)) {
        for (i, x) in items.iter().enumerate() {
            self.put_if(i > 0, between);
            item(self, x);
        }
    }

    fn list<T>(&mut self, items: &[T], item: impl FnMut(&mut Self, &T)) {
        self.separated(items, ", ", item);
    }

    fn paren_list<T>(&mut self, items: &[T], item: impl FnMut(&mut Self, &T)) {
        self.put("(");
        self.list(items, item);
        self.put(")");
    }

    fn idents(&mut self, idents: &[Ident]) {
        self.paren_list(idents, Self::ident);
    }

    /// `(`, each item on a line of its own, `)`.
    fn block<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        if self.options.one_line || items.is_empty() {
            return self.paren_list(items, item);
        }
        self.put("(\n");
        for (i, x) in items.iter().enumerate() {
            self.put_if(i > 0, ",\n");
            self.put("  ");
            item(self, x);
        }
        self.put("\n)");
    }
}

/// Words that are not reserved but begin something else where a name may
/// stand.
const CONTEXTUAL: [&str; 3] = ["ASOF", "FINAL", "UNBOUNDED"];

/// True for `{name}`, which stands for a name that is not known yet.
fn is_template(name: &str) -> bool {
    let inside = name.strip_prefix('{').and_then(|n| n.strip_suffix('}'));
    inside.is_some_and(|n| {
        n.starts_with(|c: char| c == '_' || c.is_alphabetic()) && n.chars().all(is_word_part)
    })
}

fn needs_quotes(name: &str) -> bool {
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic());
    let plain = starts && chars.all(|c| c.is_ascii() && is_word_part(c));
    !plain
        || keywords::is_reserved(name)
        || CONTEXTUAL.iter().any(|word| word.eq_ignore_ascii_case(name))
}
