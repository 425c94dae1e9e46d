//! NOT, IS TRUE and its kin, IS NULL, TYPEOF, constructors of rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::buffer::BooleanBuffer;
use weir_core::{Result, Value};

use crate::args::{Args, Kernel};
use crate::expr::Expr;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    Ok(Some(match site.name {
        "NOT" => Arc::new(|a| {
            let b = a.bools(0)?;
            Ok(Arc::new(a.boolean(|i| !b.get(i))) as ArrayRef)
        }),
        "IS NULL" => Arc::new(|a| null_test(a, true)),
        "IS NOT NULL" => Arc::new(|a| null_test(a, false)),
        "IS TRUE" => truth(Some(true), false),
        "IS NOT TRUE" => truth(Some(true), true),
        "IS FALSE" => truth(Some(false), false),
        "IS NOT FALSE" => truth(Some(false), true),
        "IS UNKNOWN" => truth(None, false),
        "IS NOT UNKNOWN" => truth(None, true),
        "TYPEOF" => type_of(site),
        _ => return Ok(None),
    }))
}

fn null_test(a: &Args<'_>, wanted: bool) -> Result<ArrayRef> {
    let c = a.col(0);
    let nulls = c.logical_nulls();
    Ok(Arc::new(BooleanArray::new(
        BooleanBuffer::collect_bool(a.rows, |i| {
            nulls.as_ref().is_some_and(|n| n.is_null(i)) == wanted
        }),
        None,
    )))
}

fn truth(wanted: Option<bool>, negate: bool) -> Kernel {
    Arc::new(move |a| {
        let b = a.col(0).as_boolean();
        let values = BooleanBuffer::collect_bool(a.rows, |i| {
            (b.is_valid(i).then(|| b.value(i)) == wanted) != negate
        });
        Ok(Arc::new(BooleanArray::new(values, None)))
    })
}

/// The type's text is known at compile time.
fn type_of(site: &Site<'_>) -> Kernel {
    let full = matches!(site.args.get(1), Some(Expr::Literal { value: Value::Boolean(true), .. }));
    let text = site.ty(0).map(|t| {
        let t = t.clone().with_time_attribute(weir_core::TimeAttribute::None).to_string();
        if full {
            t.replace("STRING", "VARCHAR(2147483647)").replace("BYTES", "VARBINARY(2147483647)")
        } else {
            t
        }
    });
    Arc::new(move |a| Ok(Arc::new(StringArray::from(vec![text.as_deref(); a.rows]))))
}
