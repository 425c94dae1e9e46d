//! Row groups of a Parquet file that cannot hold a wanted row.
//!
//! A conjunct `column op constant` is tested on the smallest or greatest value of
//! the column that the file's footer has per row group, with the engine's own
//! comparison. A group without statistics, or whose test gives NULL, is read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Schema as ArrowSchema};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use weir_core::{DataType, Result, Schema, TypeKind};
use weir_functions::{CompiledExpr, EvalContext, Expr, compile};
use weir_spec::ReadColumn;

/// Which end of a column's values a test looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Min,
    Max,
}

#[derive(Debug, Clone)]
struct Test {
    column: String,
    ty: DataType,
    bound: Bound,
    /// Over the bound as its only column.
    condition: CompiledExpr,
}

/// Tests of row groups, all of which a group must pass to be read.
#[derive(Debug, Clone, Default)]
pub struct Pruning {
    tests: Vec<Test>,
}

impl Pruning {
    /// The tests that a filter over the produced `columns` of `physical` allows.
    pub fn new(filter: Option<&Expr>, columns: &[ReadColumn], physical: &Schema) -> Result<Self> {
        let mut tests = Vec::new();
        if let Some(filter) = filter {
            collect(filter, columns, physical, &mut tests)?;
        }
        Ok(Self { tests })
    }

    /// Positions of the row groups that may hold wanted rows.
    pub fn row_groups(&self, footer: &ArrowReaderMetadata) -> Vec<usize> {
        let groups = footer.metadata().num_row_groups();
        let mut keep = vec![true; groups];
        for test in &self.tests {
            // A footer that cannot be read this way tells nothing.
            let Some(passes) = test.run(footer) else { continue };
            for (k, pass) in keep.iter_mut().zip(passes) {
                *k &= pass;
            }
        }
        (0..groups).filter(|&g| keep[g]).collect()
    }
}

fn collect(
    filter: &Expr,
    columns: &[ReadColumn],
    physical: &Schema,
    tests: &mut Vec<Test>,
) -> Result<()> {
    let Expr::Call { function, args, .. } = filter else { return Ok(()) };
    if function == "AND" {
        return args.iter().try_for_each(|a| collect(a, columns, physical, tests));
    }
    let [a, b] = args.as_slice() else { return Ok(()) };
    let (index, ty, constant, op) = match (a, b) {
        (Expr::Column { index, ty }, c) if is_constant(c) => (*index, ty, c, function.as_str()),
        (c, Expr::Column { index, ty }) if is_constant(c) => (*index, ty, c, flipped(function)),
        _ => return Ok(()),
    };
    let bounds: &[(Bound, &str)] = match op {
        "=" => &[(Bound::Min, "<="), (Bound::Max, ">=")],
        "<" | "<=" => &[(Bound::Min, op)],
        ">" | ">=" => &[(Bound::Max, op)],
        _ => return Ok(()),
    };
    let Some(ReadColumn::Physical { path }) = columns.get(index) else { return Ok(()) };
    let [root] = path.as_slice() else { return Ok(()) };
    if !has_order(ty) {
        return Ok(());
    }
    for (bound, op) in bounds {
        let column = Expr::column(0, ty.clone().null());
        let condition = Expr::call(*op, vec![column, constant.clone()], DataType::boolean());
        tests.push(Test {
            column: physical.fields[*root].name.clone(),
            ty: ty.clone(),
            bound: *bound,
            condition: compile(&condition)?,
        });
    }
    Ok(())
}

fn flipped(op: &str) -> &str {
    match op {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

/// Literals and their sums, the same in every session.
fn is_constant(e: &Expr) -> bool {
    let fixed = !matches!(e.ty().kind, TypeKind::TimestampLtz(..));
    fixed
        && match e {
            Expr::Literal { .. } => true,
            Expr::Cast { arg, .. } => is_constant(arg),
            Expr::Call { function, args, .. } => {
                matches!(function.as_str(), "+" | "-") && args.iter().all(is_constant)
            }
            _ => false,
        }
}

/// Types whose order in Parquet statistics is Flink's.
fn has_order(ty: &DataType) -> bool {
    matches!(
        ty.kind,
        TypeKind::TinyInt
            | TypeKind::SmallInt
            | TypeKind::Int
            | TypeKind::BigInt
            | TypeKind::Decimal(..)
            | TypeKind::Varchar(_)
            | TypeKind::Date
            | TypeKind::Timestamp(..)
    )
}

/// Whether reading `from` as `to` keeps the order of values.
fn keeps_order(from: &ArrowType, to: &ArrowType) -> bool {
    use ArrowType::{Decimal128, LargeUtf8, Timestamp, Utf8, Utf8View};
    match (from, to) {
        (a, b) if a == b => true,
        (a, b) if a.is_integer() && b.is_integer() => true,
        (LargeUtf8 | Utf8View, Utf8) | (Timestamp(..), Timestamp(..)) => true,
        (Decimal128(_, a), Decimal128(_, b)) => a == b,
        _ => false,
    }
}

impl Test {
    /// Per row group whether it may hold a wanted row.
    fn run(&self, footer: &ArrowReaderMetadata) -> Option<Vec<bool>> {
        let statistics =
            StatisticsConverter::try_new(&self.column, footer.schema(), footer.parquet_schema())
                .ok()?;
        let groups = footer.metadata().row_groups();
        let values: ArrayRef = match self.bound {
            Bound::Min => statistics.row_group_mins(groups),
            Bound::Max => statistics.row_group_maxes(groups),
        }
        .ok()?;
        let wanted = self.ty.to_arrow();
        if !keeps_order(values.data_type(), &wanted) {
            return None;
        }
        let values = cast(&values, &wanted).ok()?;
        let schema = ArrowSchema::new(vec![ArrowField::new("bound", wanted, true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![values]).ok()?;
        let passes = self.condition.eval(&batch, &EvalContext::default()).ok()?;
        let passes = passes.as_boolean_opt()?;
        Some((0..passes.len()).map(|g| passes.is_null(g) || passes.value(g)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int32Array;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    use weir_core::{Field, Value};

    #[test]
    fn groups_out_of_range_are_not_read() {
        let physical = Schema::new(vec![Field::new("a", DataType::int())]);
        let schema = physical.to_arrow();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
        let file = tempfile::tempfile().unwrap();
        let mut writer =
            ArrowWriter::try_new(file.try_clone().unwrap(), Arc::clone(&schema), Some(properties))
                .unwrap();
        let values = Int32Array::from_iter_values(0..30);
        writer.write(&RecordBatch::try_new(schema, vec![Arc::new(values)]).unwrap()).unwrap();
        writer.close().unwrap();
        let footer = ArrowReaderMetadata::load(&file, Default::default()).unwrap();

        let column = Expr::column(0, DataType::int());
        let literal = |n| Expr::literal(Value::Int(n), DataType::int().not_null());
        let compare = |op: &str, a: Expr, b: Expr| Expr::call(op, vec![a, b], DataType::boolean());
        let columns = [ReadColumn::Physical { path: vec![0] }];
        let groups = |filter: &Expr| {
            Pruning::new(Some(filter), &columns, &physical).unwrap().row_groups(&footer)
        };
        assert_eq!(groups(&compare("=", column.clone(), literal(15))), [1]);
        assert_eq!(groups(&compare(">=", column.clone(), literal(10))), [1, 2]);
        assert_eq!(groups(&compare(">", literal(10), column.clone())), [0]);
        assert_eq!(groups(&compare("<>", column.clone(), literal(10))), [0, 1, 2]);
        let narrow = compare(
            "AND",
            compare(">", column.clone(), literal(9)),
            compare("<", column, literal(20)),
        );
        assert_eq!(groups(&narrow), [1]);
    }
}
