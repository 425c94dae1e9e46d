//! Which names a clause can see, and what they stand for.

use weir_core::{DataType, Error, Result, Schema, nearest};
use weir_functions::Expr;
use weir_parser::ast;

use super::at::At;
use super::stand_in::OUTER;

/// One visible column; its position in the scope is its position in the input.
#[derive(Debug, Clone)]
pub(crate) struct ScopeColumn {
    /// Alias or name of the table it comes from.
    pub relation: Option<String>,
    /// Column name.
    pub name: String,
    /// Type.
    pub ty: DataType,
    /// Only reachable through its table's name (the sides of a USING join).
    pub hidden: bool,
}

/// The columns of a FROM clause, and those of the enclosing queries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope<'a> {
    pub columns: Vec<ScopeColumn>,
    pub outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// The columns of one table.
    pub fn from_schema(relation: Option<&str>, schema: &Schema) -> Self {
        let columns = schema
            .fields
            .iter()
            .map(|f| ScopeColumn {
                relation: relation.map(str::to_owned),
                name: f.name.clone(),
                ty: f.ty.clone(),
                hidden: false,
            })
            .collect();
        Self { columns, outer: None }
    }

    /// Both sides of a join.
    pub fn join(mut self, right: Scope<'a>) -> Self {
        self.columns.extend(right.columns);
        self
    }

    /// A copy of the columns with other types (nullability after an outer join).
    pub fn retyped(mut self, schema: &Schema) -> Self {
        for (c, f) in self.columns.iter_mut().zip(&schema.fields) {
            c.ty = f.ty.clone();
        }
        self
    }

    fn reference(&self, index: usize) -> Expr {
        Expr::column(index, self.columns[index].ty.clone())
    }

    fn find(&self, relation: Option<&str>, name: &str, exact: bool) -> Vec<usize> {
        let same = |a: &str, b: &str| if exact { a == b } else { a.eq_ignore_ascii_case(b) };
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, c)| same(&c.name, name))
            .filter(|(_, c)| match relation {
                None => !c.hidden,
                Some(r) => c.relation.as_deref() == Some(r),
            })
            .map(|(i, _)| i)
            .collect()
    }

    fn has_relation(&self, name: &str) -> bool {
        self.columns.iter().any(|c| c.relation.as_deref() == Some(name))
    }

    /// Resolves a dotted name: column, table.column, column.field and so on.
    pub fn resolve(&self, name: &ast::ObjectName) -> Result<Expr> {
        match self.try_resolve(name)? {
            Some(e) => Ok(e),
            None => match name.single().and_then(|i| self.row_of(&i.value)) {
                Some(row) => Ok(row),
                None => Err(self.unknown(name)).at(name.span()),
            },
        }
    }

    /// A table's alias as a value: the row of its columns, an extension.
    fn row_of(&self, relation: &str) -> Option<Expr> {
        let columns = self.star(Some(relation));
        if columns.is_empty() {
            return None;
        }
        let args: Vec<Expr> = columns.iter().map(|(i, _)| self.reference(*i)).collect();
        let fields = columns
            .into_iter()
            .zip(&args)
            .map(|((_, name), e)| weir_core::Field::new(name, e.ty().clone()))
            .collect();
        let ty: DataType = weir_core::TypeKind::Row(fields).into();
        Some(Expr::call("ROW", args, ty.not_null()))
    }

    fn try_resolve(&self, name: &ast::ObjectName) -> Result<Option<Expr>> {
        let parts: Vec<&str> = name.parts().collect();
        if let Some((column, used)) = self.split(&parts).at(name.span())? {
            let mut e = self.reference(column);
            for (i, part) in parts[used..].iter().enumerate() {
                e = field_access(e, part).at(name.0[used + i].span)?;
            }
            return Ok(Some(e));
        }
        let Some(outer) = self.outer else { return Ok(None) };
        Ok(outer
            .try_resolve(name)?
            .map(|e| e.map_columns(&mut |i, ty| Expr::column(i + OUTER, ty))))
    }

    /// The column that a name starts with, and how many parts it took.
    fn split(&self, parts: &[&str]) -> Result<Option<(usize, usize)>> {
        let ambiguous = |n: &str| Error::validation(format!("Column '{n}' is ambiguous"));
        if parts.len() >= 2 && self.has_relation(parts[0]) {
            match self.find(Some(parts[0]), parts[1], true).as_slice() {
                [] => {}
                [one] => return Ok(Some((*one, 2))),
                _ => return Err(ambiguous(parts[1])),
            }
        }
        // Qualified by database or catalog: the table's own name comes last.
        for table in 1..parts.len().saturating_sub(1).min(3) {
            if self.has_relation(parts[table])
                && let [one] = self.find(Some(parts[table]), parts[table + 1], true).as_slice()
            {
                return Ok(Some((*one, table + 2)));
            }
        }
        match self.find(None, parts[0], true).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one, 1))),
            _ => Err(ambiguous(parts[0]).hint(format!("qualify it, as in `t`.`{}`", parts[0]))),
        }
    }

    fn unknown(&self, name: &ast::ObjectName) -> Error {
        let shown = name.to_string();
        let wanted = name.0.last().map_or("", |i| i.value.as_str());
        let mut error = Error::validation(format!("Column '{shown}' not found in any table"));
        let visible = || self.columns.iter().filter(|c| !c.hidden);
        if let Some(c) = visible().find(|c| c.name.eq_ignore_ascii_case(wanted)) {
            error = error.hint(format!("column names are case-sensitive: `{}`", c.name));
        } else if let Some(derived) = other_unit(wanted, visible().map(|c| c.name.as_str())) {
            error = error.hint(format!("write {derived} AS {wanted}"));
        } else if let Some(near) = nearest(wanted, visible().map(|c| c.name.as_str())) {
            error = error.hint(format!("did you mean `{near}`?"));
        } else if !self.columns.is_empty() {
            let names: Vec<&str> = visible().map(|c| c.name.as_str()).take(20).collect();
            error = error.hint(format!("{IN_REACH}{}", names.join(", ")));
        }
        error
    }

    /// The columns that `*` stands for, or `relation.*`.
    pub fn star(&self, relation: Option<&str>) -> Vec<(usize, String)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, c)| match relation {
                None => !c.hidden,
                Some(r) => c.relation.as_deref() == Some(r),
            })
            .map(|(i, c)| (i, c.name.clone()))
            .collect()
    }

    /// Whether a name is a table alias here.
    pub fn is_relation(&self, name: &str) -> bool {
        self.has_relation(name)
    }
}

/// `row.field`
pub(crate) fn field_access(row: Expr, field: &str) -> Result<Expr> {
    let Some(fields) = row.ty().fields() else {
        return Err(Error::validation(format!(
            "field '{field}' not found: the value in front of it is {}, not a ROW",
            row.ty()
        )));
    };
    let Some(index) = fields.iter().position(|f| f.name == field) else {
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        return Err(Error::validation(format!("field '{field}' not found in the row"))
            .hint(format!("its fields are {}", names.join(", "))));
    };
    let ty = fields[index].ty.clone();
    let ty = if row.ty().nullable { ty.null() } else { ty };
    Ok(Expr::Field { arg: Box::new(row), index, ty })
}

/// How the hint of an unknown column begins that lists the columns there are.
pub(crate) const IN_REACH: &str = "columns in reach: ";

/// How to compute a column of epoch seconds from one of milliseconds, or the reverse.
fn other_unit<'a>(wanted: &str, mut columns: impl Iterator<Item = &'a str>) -> Option<String> {
    let unit = |name: &str| {
        let last = name.rsplit('_').next().unwrap_or(name).to_ascii_lowercase();
        match last.as_str() {
            "s" | "sec" | "second" | "seconds" => Some('s'),
            "ms" | "milli" | "millis" | "milliseconds" => Some('m'),
            _ => None,
        }
    };
    let stamp = |name: &str| {
        name.to_ascii_lowercase()
            .split('_')
            .any(|w| matches!(w, "ts" | "timestamp" | "time" | "epoch" | "event"))
    };
    let wanted_unit = unit(wanted).filter(|_| stamp(wanted))?;
    let other = columns.find(|c| stamp(c) && unit(c).is_some_and(|u| u != wanted_unit))?;
    Some(match wanted_unit {
        's' => format!("FLOOR({other} / 1000)"),
        _ => format!("{other} * 1000"),
    })
}
