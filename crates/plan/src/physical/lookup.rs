//! Processing-time lookup joins: the table's scan, its keys and its cache.

use weir_core::{Error, Field, Result, Schema};
use weir_functions::Expr;
use weir_spec::external::external;
use weir_spec::lookup::{is_lookup_option, max_retries};
use weir_spec::{
    Distribution, JoinKind, JoinSpec, LookupCache, LookupHint, LookupSpec, OpSpec, Reload,
};
use weir_sql::rel::{Rel, RelOp, Scan, conjunction, join_schema};

use super::join::split_condition;
use super::{Built, Planner, Props, hash_or_single};
use crate::optimize::substitute;

/// How often a Paimon table is looked at when nothing is said.
const DISCOVERY_MILLIS: i64 = 10_000;

/// The table of a lookup: its scan and what stands above it.
pub(super) struct Looked<'a> {
    pub scan: &'a Scan,
    /// The columns of the scan.
    pub schema: &'a Schema,
    pub filters: Vec<Expr>,
    /// What the query sees, over the columns of the scan.
    pub columns: Vec<Expr>,
}

/// Takes a table apart, computed columns and filters of a view included.
pub(super) fn looked(rel: &Rel) -> Result<Looked<'_>> {
    match &rel.op {
        RelOp::Scan(scan) => {
            let columns = rel.columns();
            Ok(Looked { scan, schema: &rel.schema, filters: vec![], columns })
        }
        RelOp::Watermark { input, .. } => looked(input),
        RelOp::Project { input, exprs } => {
            let below = looked(input)?;
            let columns = exprs.iter().map(|e| substitute(e.clone(), &below.columns)).collect();
            Ok(Looked { columns, ..below })
        }
        RelOp::Filter { input, predicate } => {
            let mut below = looked(input)?;
            below.filters.push(substitute(predicate.clone(), &below.columns));
            Ok(below)
        }
        _ => Err(Error::unsupported("a lookup join with more than one filtered table")
            .hint("name a table, or a view that only filters and projects one")),
    }
}

impl Planner<'_> {
    pub(super) fn build_lookup_join(
        &mut self,
        left: &Rel,
        table: &Rel,
        kind: JoinKind,
        condition: &Expr,
        hint: &LookupHint,
        rel: &Rel,
    ) -> Result<Built> {
        let looked = looked(table)?;
        let left = self.build(left, true)?;
        let width = self.schema(&left).len();
        let (keys, rest) = split_condition(condition, width);
        if keys.is_empty() {
            return Err(Error::validation(
                "Temporal table join requires an equality condition on fields of the looked-up table",
            ));
        }
        let null_safe = keys.iter().map(|k| k.null_safe).collect();
        let (left_exprs, right_exprs): (Vec<_>, Vec<_>) =
            keys.into_iter().map(|k| (k.left, k.right)).unzip();
        let unique = left.props.unique.clone();
        let (left, left_keys) = self.with_keys(left, left_exprs);
        let mut columns = looked.columns;
        let mut fields = table.schema.fields.clone();
        let right_keys: Vec<usize> = right_exprs
            .into_iter()
            .map(|key| match key {
                Expr::Column { index, .. } => index,
                key => {
                    fields.push(Field::new(format!("$key{}", fields.len()), key.ty().clone()));
                    columns.push(substitute(key, &columns));
                    columns.len() - 1
                }
            })
            .collect();
        let shift = self.schema(&left).len() - width;
        let place = &mut |i, ty| Expr::column(if i < width { i } else { i + shift }, ty);
        let condition = (!rest.is_empty()).then(|| conjunction(rest).map_columns(place));
        let (source, cache, retries) = self.lookup_source(looked.scan)?;
        self.connectors
            .source_mode(&source, looked.schema)
            .map_err(|e| e.context(format!("table {}", source.table.identifier)))?;
        let key = &source.table.primary_key;
        let once = !key.is_empty() && key.iter().all(|k| {
            let read = |e: &Expr| matches!(e, Expr::Column { index, .. }
                if matches!(&source.columns[*index], weir_spec::ReadColumn::Physical { path } if path == &vec![*k]));
            right_keys.iter().any(|c| read(&columns[*c]))
        });
        let edge = match hint.shuffle || hint.retry.is_some() {
            true => hash_or_single(&left_keys),
            false => Distribution::Forward,
        };
        let right = Schema::new(table.schema.fields.clone());
        let schema = join_schema(self.schema(&left), &right, kind);
        let spec = LookupSpec {
            join: JoinSpec {
                kind,
                left_keys,
                right_keys,
                null_safe,
                condition,
                left_unique: None,
                right_unique: None,
                state_ttl: [None, None],
            },
            source,
            source_schema: looked.schema.clone(),
            filter: (!looked.filters.is_empty()).then(|| conjunction(looked.filters)),
            projection: columns,
            columns: Schema::new(fields),
            cache,
            max_retries: retries,
            hint: hint.clone(),
        };
        let mode = self.mode(&left);
        let op = OpSpec::LookupJoin(Box::new(spec));
        let node = self.add("LookupJoin", op, vec![(left.node, edge)], schema.clone(), mode);
        let props = Props { unique: if once { unique } else { vec![] }, window: None };
        let mut kept: Vec<usize> = (0..width).collect();
        kept.extend(width + shift..schema.len());
        let built = self.select(Built { node, props }, &kept);
        if self.schema(&built) == &rel.schema {
            return Ok(built);
        }
        Ok(self.calc(built, None, rel.columns(), rel.schema.clone()))
    }

    /// The scan of a lookup, without the options that only lookups read.
    fn lookup_source(&self, scan: &Scan) -> Result<(weir_spec::SourceSpec, LookupCache, u32)> {
        let mut source = self.source_spec(scan);
        source.batch = true;
        let options = &scan.table.options;
        let default = match options.get("connector") {
            Some("paimon") | None => Reload::Every(
                options
                    .duration_opt("continuous.discovery-interval")?
                    .map_or(DISCOVERY_MILLIS, |d| d.as_millis() as i64)
                    .max(1),
            ),
            Some("filesystem") => match options.duration_opt("source.monitor-interval")? {
                Some(d) => Reload::Every((d.as_millis() as i64).max(1)),
                None => Reload::Never,
            },
            // Its options are its own; it cannot run yet in any case.
            Some(other) if external(other).is_some() => {
                return Ok((source, LookupCache::None, 0));
            }
            Some(other) => {
                return Err(Error::validation(format!(
                    "Temporal table join: table {} cannot be looked up, for connector '{other}' only streams its rows",
                    scan.table.identifier
                ))
                .hint("look up a Paimon or filesystem table, or join by event time with a versioned table"));
            }
        };
        let cache = LookupCache::from_options(options, default)?;
        let retries = max_retries(options)?;
        source.table.options = options
            .iter()
            .filter(|(k, _)| !is_lookup_option(k) && *k != "source.monitor-interval")
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        Ok((source, cache, retries))
    }
}
