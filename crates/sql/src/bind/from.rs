//! FROM: tables, subqueries, table functions, window functions.

use weir_core::types::TimeAttribute;
use weir_core::{DataType, Error, Field, Result, Schema, Value};
use weir_functions::Expr;
use weir_parser::ast::{self, ArgValue, TableArgSource, TableFactorKind};
use weir_spec::{WindowKind, WindowSpec};

use super::at::At;
use super::binder::Binder;
use super::columns::{rename_columns, untyped};
use super::constant::local_to_utc_millis;
use super::expr_binder::ExprBinder;
use super::pending::Pending;
use super::scope::Scope;
use super::syntax::function_name;
use crate::rel::{Rel, RelOp};

/// A bound table: its plan and the names it offers.
pub(crate) type Bound<'a> = (Rel, Scope<'a>);

impl Binder<'_> {
    /// The FROM clause; comma-separated tables are cross joins.
    pub(super) fn bind_from<'a>(
        &self,
        from: &[ast::TableWithJoins],
        outer: Option<&'a Scope<'a>>,
    ) -> Result<Bound<'a>> {
        let mut result: Option<Bound<'a>> = None;
        for table in from {
            result = Some(match result {
                None => {
                    let first = self.bind_factor(&table.relation, None, outer)?;
                    self.bind_joins(first, &table.joins, outer)?
                }
                Some(left) => {
                    let joined = self.join_factor(
                        left,
                        &table.relation,
                        ast::JoinKind::Cross,
                        false,
                        &ast::JoinConstraint::None,
                        outer,
                    )?;
                    self.bind_joins(joined, &table.joins, outer)?
                }
            });
        }
        Ok(result.unwrap_or_else(|| (Rel::one_row(), Scope::default())))
    }

    pub(super) fn bind_joins<'a>(
        &self,
        mut left: Bound<'a>,
        joins: &[ast::Join],
        outer: Option<&'a Scope<'a>>,
    ) -> Result<Bound<'a>> {
        for j in joins {
            left = self
                .join_factor(left, &j.right, j.kind, j.natural, &j.constraint, outer)
                .at(j.span)?;
        }
        Ok(left)
    }

    /// A table that needs nothing from its neighbours. `lateral`: names of the left side.
    pub(super) fn bind_factor<'a>(
        &self,
        factor: &ast::TableFactor,
        lateral: Option<&Scope<'_>>,
        outer: Option<&'a Scope<'a>>,
    ) -> Result<Bound<'a>> {
        if let Some(sample) = &factor.sample {
            return Err(Error::unsupported("TABLESAMPLE (Flink has no plan for it either)"))
                .at(sample.span);
        }
        let (mut rel, default_alias) = match &factor.kind {
            TableFactorKind::Table { name, hints, system_time } => {
                if let Some(time) = system_time {
                    return self.time_travel(factor, name, hints, time);
                }
                let (mut rel, alias) = self.bind_table(name, hints, None)?;
                let called = factor.alias.as_ref().map_or(&alias, |a| &a.name.value);
                self.apply_ttl_hint(&mut rel, called).at(factor.span)?;
                (rel, Some(alias))
            }
            TableFactorKind::Derived { query, .. } => {
                let scope = lateral.or(outer);
                if let ast::SetExpr::Values(v) = &query.body {
                    typed_values(v)?;
                }
                let rel = self.bind_query(query, scope)?;
                untyped(&rel.schema).at(factor.span)?;
                (rel, None)
            }
            TableFactorKind::Function { call, .. } => {
                (self.table_function(call).at(call.span)?, None)
            }
            TableFactorKind::Unnest { exprs, with_ordinality, .. } => {
                let scope = Scope { columns: vec![], outer: lateral.or(outer) };
                let left = (Rel::one_row(), scope);
                let alias = factor.alias.as_ref();
                let (rel, scope) = self.unnest(left, exprs, *with_ordinality, alias, false)?;
                return Ok((rel, Scope { columns: scope.columns, outer }));
            }
            TableFactorKind::Nested(inner) => {
                let first = self.bind_factor(&inner.relation, None, outer)?;
                let (rel, scope) = self.bind_joins(first, &inner.joins, outer)?;
                return Ok(match &factor.alias {
                    None => (rel, scope),
                    Some(_) => named(rel, factor.alias.as_ref(), None)?,
                });
            }
            TableFactorKind::MatchRecognize { input, spec } => {
                let input = self.bind_factor(input, lateral, outer)?;
                (self.match_recognize(input, spec).at(spec.span)?, None)
            }
            TableFactorKind::Pivot { spec, .. } => {
                return Err(Error::unsupported("PIVOT (Flink has no plan for it either)")
                    .hint("write one aggregate with FILTER (WHERE ..) per value"))
                .at(spec.span);
            }
            TableFactorKind::Unpivot { spec, .. } => {
                return Err(Error::unsupported("UNPIVOT (Flink has no plan for it either)"))
                    .at(spec.span);
            }
        };
        let called = factor.alias.as_ref().map(|a| &a.name.value).or(default_alias.as_ref());
        if let Some(name) = called {
            self.apply_multi_join_hint(&mut rel, name);
        }
        named(rel, factor.alias.as_ref(), default_alias.as_deref())
    }

    /// `t FOR SYSTEM_TIME AS OF constant`: time travel of a lake table.
    fn time_travel<'a>(
        &self,
        factor: &ast::TableFactor,
        name: &ast::ObjectName,
        hints: &[ast::Hint],
        time: &ast::Expr,
    ) -> Result<Bound<'a>> {
        let (value, ty) = self.constant(time).map_err(|e| {
            e.hint("FOR SYSTEM_TIME AS OF takes a constant here, or a time attribute of the left side of a join")
        })?;
        let Value::Timestamp(ticks) = value else {
            return Err(Error::validation(format!(
                "FOR SYSTEM_TIME AS OF takes a timestamp, got {ty}"
            )))
            .at(time.span);
        };
        let precision = match ty.kind {
            weir_core::TypeKind::Timestamp(p, _) | weir_core::TypeKind::TimestampLtz(p, _) => p,
            _ => 3,
        };
        let millis = ticks / (weir_core::types::ticks_per_second(precision) / 1000);
        let millis = match ty.kind {
            weir_core::TypeKind::Timestamp(..) => {
                let zone = self.session.option_or("table.local-time-zone", "UTC");
                local_to_utc_millis(millis, zone)?
            }
            _ => millis,
        };
        let extra = Some(("scan.timestamp-millis", millis.to_string()));
        let (rel, alias) = self.bind_table(name, hints, extra)?;
        named(rel, factor.alias.as_ref(), Some(&alias))
    }

    /// `UNNEST(collection)` joined to a left side; returns the left columns with the elements behind.
    pub(super) fn unnest<'a>(
        &self,
        left: Bound<'a>,
        exprs: &[ast::Expr],
        ordinality: bool,
        alias: Option<&ast::TableAlias>,
        outer: bool,
    ) -> Result<Bound<'a>> {
        let [expr] = exprs else {
            return Err(Error::unsupported("UNNEST of several collections at once"));
        };
        let (rel, mut scope) = left;
        let mut pending = Pending::default();
        let collection = ExprBinder::new(self, &scope, &mut pending).bind(expr)?;
        if !pending.is_empty() {
            return Err(Error::unsupported("a subquery inside UNNEST")).at(expr.span);
        }
        let (mut fields, flatten) = element_fields(collection.ty()).at(expr.span)?;
        if ordinality {
            fields.push(Field::new("ORDINALITY", DataType::int().not_null()));
        }
        if outer {
            for f in &mut fields {
                f.ty = f.ty.clone().null();
            }
        }
        if let Some(a) = alias {
            if !a.columns.is_empty() && a.columns.len() != fields.len() {
                return Err(Error::validation(format!(
                    "{} column names given for {} columns of UNNEST",
                    a.columns.len(),
                    fields.len()
                )))
                .at(a.span);
            }
            for (f, n) in fields.iter_mut().zip(&a.columns) {
                f.name.clone_from(&n.value);
            }
        }
        let mut schema = rel.schema.clone();
        schema.fields.extend(fields.iter().cloned());
        let relation = alias.map(|a| a.name.value.as_str());
        let right = Scope::from_schema(relation, &Schema::new(fields));
        scope = scope.join(right);
        let op = RelOp::Unnest {
            input: Box::new(rel),
            collection,
            flatten,
            ordinality,
            condition: None,
            outer,
        };
        Ok((Rel::new(op, schema), scope))
    }

    /// `f(..)` in FROM: the window functions.
    pub(super) fn table_function(&self, call: &ast::FunctionCall) -> Result<Rel> {
        let name = function_name(call);
        match name.as_str() {
            "TUMBLE" | "HOP" | "CUMULATE" | "SESSION" => self.window_function(call, &name),
            "ML_PREDICT" => self.ml_predict(call),
            "ML_EVALUATE" | "VECTOR_SEARCH" => {
                Err(Error::unsupported(format!("table function {name}")))
            }
            "TO_CHANGELOG" | "FROM_CHANGELOG" => self.changelog_function(call),
            _ => Err(Error::validation(format!("No match found for table function {name}"))),
        }
    }

    fn window_function(&self, call: &ast::FunctionCall, name: &str) -> Result<Rel> {
        let args = WindowArgs::collect(self, call, name)?;
        let (input, _) = match &args.table.source {
            TableArgSource::Name { name, hints } => self.bind_table(name, hints, None)?,
            TableArgSource::Query(q) => {
                return Err(Error::validation(
                    "unexpected subquery: a window function takes TABLE and a table or view name",
                )
                .hint("CREATE TEMPORARY VIEW v AS the subquery, and write TABLE v"))
                .at(q.span);
            }
            TableArgSource::Function(f) => (self.table_function(f).at(f.span)?, String::new()),
        };
        let time_column = input.schema.index_of(&args.time.value).ok_or_else(|| {
            Error::validation(format!(
                "Column '{}' not found in the windowed table",
                args.time.value
            ))
        });
        let time_column = time_column.at(args.time.span)?;
        let time_type = input.schema.fields[time_column].ty.clone();
        if time_type.time_attribute() == TimeAttribute::None {
            return Err(Error::validation(format!(
                "The window function requires the timecol is a time attribute type, but is {time_type}"
            ))
            .hint(format!(
                "declare WATERMARK FOR {0} AS {0} - INTERVAL '5' SECOND in the table",
                args.time.value
            )))
            .at(args.time.span);
        }
        let partition = args
            .table
            .partition_by
            .iter()
            .map(|e| match self.scalar(e, &input.schema)? {
                Expr::Column { index, .. } => Ok(index),
                _ => Err(Error::validation("PARTITION BY of a window takes columns")).at(e.span),
            })
            .collect::<Result<Vec<_>>>()?;
        let kind = args.kind(name, partition)?;
        let window = WindowSpec {
            kind,
            time_column,
            event_time: time_type.time_attribute() == TimeAttribute::Rowtime,
            time_type: time_type.clone(),
        };
        let mut schema = input.schema.clone();
        // The original time column is an ordinary timestamp behind the window.
        schema.fields[time_column].ty = time_type.clone().with_time_attribute(TimeAttribute::None);
        let boundary = DataType::timestamp(3).not_null();
        schema.fields.push(Field::new("window_start", boundary.clone()));
        schema.fields.push(Field::new("window_end", boundary));
        schema.fields.push(Field::new("window_time", time_type.not_null()));
        Ok(Rel::new(RelOp::WindowTvf { input: Box::new(input), window }, schema))
    }
}

/// The arguments of a window function, by position or by name.
struct WindowArgs<'c> {
    table: &'c ast::TableArg,
    time: &'c ast::Ident,
    lengths: Vec<i64>,
    offset: i64,
}

impl<'c> WindowArgs<'c> {
    fn collect(binder: &Binder<'_>, call: &'c ast::FunctionCall, name: &str) -> Result<Self> {
        let names: &[&str] = match name {
            "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
            "HOP" => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
            "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
            _ => &["DATA", "TIMECOL", "GAP"],
        };
        let mut slots: Vec<Option<&ArgValue>> = vec![None; names.len()];
        for (i, a) in call.args.iter().enumerate() {
            let at = match &a.name {
                Some(n) => names.iter().position(|x| x.eq_ignore_ascii_case(&n.value)),
                None => (i < names.len()).then_some(i),
            };
            let Some(at) = at else {
                return Err(Error::validation(format!(
                    "{name} takes the arguments {}",
                    names.join(", ")
                )))
                .at(a.span);
            };
            slots[at] = Some(&a.value);
        }
        let Some(ArgValue::Table(table)) = slots[0] else {
            return Err(Error::validation(format!(
                "the first argument of {name} is TABLE and a table's name"
            ))
            .hint(format!("{name}(TABLE t, DESCRIPTOR(ts), ...)")));
        };
        let Some(ArgValue::Descriptor(columns)) = slots[1] else {
            return Err(Error::validation(format!(
                "the second argument of {name} is DESCRIPTOR(time column)"
            )));
        };
        let [time] = columns.as_slice() else {
            return Err(Error::validation("DESCRIPTOR takes one time column"));
        };
        let optional = names.iter().position(|n| *n == "OFFSET");
        let mut lengths = Vec::new();
        for (i, slot) in slots.iter().enumerate().skip(2) {
            if Some(i) == optional {
                continue;
            }
            let Some(ArgValue::Expr(e)) = slot else {
                return Err(Error::validation(format!("{name} needs the argument {}", names[i])));
            };
            lengths.push(binder.interval_millis(e)?);
        }
        let offset = match optional.and_then(|i| slots[i]) {
            None => 0,
            Some(ArgValue::Expr(e)) => match binder.constant(e)? {
                (Value::Millis(m), _) => m,
                _ => return Err(Error::validation("OFFSET takes an interval")).at(e.span),
            },
            Some(_) => return Err(Error::validation("OFFSET takes an interval")),
        };
        Ok(Self { table, time: &time.name, lengths, offset })
    }

    fn kind(&self, name: &str, partition: Vec<usize>) -> Result<WindowKind> {
        let offset = self.offset;
        if name != "SESSION" && !partition.is_empty() {
            return Err(Error::validation(format!(
                "Only tables with set semantics may be partitioned: {name} takes no PARTITION BY"
            )));
        }
        Ok(match (name, self.lengths.as_slice()) {
            ("TUMBLE", [size]) => WindowKind::Tumble { size: *size, offset },
            // Windows that do not divide are refused where rows are collected in them.
            ("HOP", [slide, size]) => WindowKind::Hop { slide: *slide, size: *size, offset },
            ("CUMULATE", [step, max_size]) => {
                divides(name, *step, *max_size)?;
                WindowKind::Cumulate { step: *step, max_size: *max_size, offset }
            }
            ("SESSION", [gap]) => WindowKind::Session { gap: *gap, partition },
            _ => return Err(Error::validation(format!("wrong number of arguments for {name}"))),
        })
    }
}

fn divides(name: &str, step: i64, size: i64) -> Result<()> {
    if size % step == 0 {
        return Ok(());
    }
    Err(Error::validation(format!(
        "{name} table function based aggregate requires size must be an integral multiple of slide (step), but got size {size} ms and {step} ms"
    )))
}

/// The columns that UNNEST makes of a collection; whether rows are flattened.
fn element_fields(ty: &DataType) -> Result<(Vec<Field>, bool)> {
    use weir_core::TypeKind as K;
    match &ty.kind {
        K::Array(e) | K::Multiset(e) => Ok(match e.fields() {
            Some(fields) => {
                let null = |f: &Field| {
                    let ty = if e.nullable { f.ty.clone().null() } else { f.ty.clone() };
                    Field::new(f.name.clone(), ty)
                };
                (fields.iter().map(null).collect(), true)
            }
            None => (vec![Field::new("EXPR$0", (**e).clone())], false),
        }),
        K::Map(k, v) => {
            Ok((vec![Field::new("KEY", (**k).clone()), Field::new("VALUE", (**v).clone())], true))
        }
        _ => Err(Error::validation(format!("UNNEST takes an ARRAY, MAP or MULTISET, got {ty}"))),
    }
}

/// Applies an alias to a bound table.
pub(super) fn named<'a>(
    rel: Rel,
    alias: Option<&ast::TableAlias>,
    default: Option<&str>,
) -> Result<Bound<'a>> {
    let (rel, relation) = match alias {
        Some(a) => (rename_columns(rel, &a.columns).at(a.span)?, Some(a.name.value.as_str())),
        None => (rel, default),
    };
    let scope = Scope::from_schema(relation, &rel.schema);
    Ok((rel, scope))
}

/// Flink takes no bare NULL in VALUES that a query reads.
fn typed_values(values: &ast::Values) -> Result<()> {
    let is_null = |e: &&ast::Expr| matches!(e.kind, ast::ExprKind::Literal(ast::Literal::Null));
    match values.rows.iter().flat_map(|r| &r.exprs).find(is_null) {
        Some(e) => Err(Error::validation("Illegal use of 'NULL' in VALUES")
            .hint("write CAST(NULL AS INT) or another type"))
        .at(e.span),
        None => Ok(()),
    }
}
