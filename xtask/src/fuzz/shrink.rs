//! Makes a failure smaller: fewer rows, then fewer parts of the query, as long as
//! the modes still disagree.

use anyhow::Result;

use super::bench::{Bench, differs};
use super::data::Data;
use super::query::Query;

/// Runs that may be spent on one failure.
const BUDGET: usize = 150;

/// The smallest data and query found.
pub fn shrink(bench: &Bench, data: &Data, query: &Query) -> Result<(Data, Query)> {
    let (mut data, mut query) = (data.clone(), query.clone());
    let mut budget = BUDGET;
    loop {
        let before = budget;
        let smaller = smaller_query(bench, &data, &query, &mut budget)?;
        let fewer = fewer_rows(bench, &data, smaller.as_ref().unwrap_or(&query), &mut budget)?;
        if smaller.is_none() && fewer.is_none() || budget == 0 || budget == before {
            query = smaller.unwrap_or(query);
            data = fewer.unwrap_or(data);
            return Ok((data, query));
        }
        query = smaller.unwrap_or(query);
        data = fewer.unwrap_or(data);
    }
}

fn smaller_query(
    bench: &Bench,
    data: &Data,
    query: &Query,
    budget: &mut usize,
) -> Result<Option<Query>> {
    for candidate in query.simpler() {
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        if differs(bench, data, &candidate)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

fn fewer_rows(
    bench: &Bench,
    data: &Data,
    query: &Query,
    budget: &mut usize,
) -> Result<Option<Data>> {
    for table in 0..2 {
        let rows = data.tables[table].len();
        let mut length = rows.div_ceil(2);
        while length > 0 {
            for start in (0..rows).step_by(length) {
                if *budget == 0 {
                    return Ok(None);
                }
                *budget -= 1;
                let mut candidate = data.clone();
                candidate.tables[table].drain(start..(start + length).min(rows));
                if differs(bench, &candidate, query)? {
                    return Ok(Some(candidate));
                }
            }
            length /= 2;
        }
    }
    Ok(None)
}
