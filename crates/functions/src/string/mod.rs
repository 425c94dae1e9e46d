//! String functions, by family.

mod basic;
mod encode;
mod inet;
mod java;
mod pattern;
mod position;
mod printf;
mod split;
mod trim;

pub(crate) use java::JavaRegex;
use weir_core::Result;

use crate::args::Kernel;
use crate::site::{Family, Site};

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let families: [Family; 8] = [
        basic::kernel,
        position::kernel,
        trim::kernel,
        split::kernel,
        pattern::kernel,
        encode::kernel,
        printf::kernel,
        inet::kernel,
    ];
    for family in families {
        if let Some(kernel) = family(site)? {
            return Ok(Some(kernel));
        }
    }
    Ok(None)
}
