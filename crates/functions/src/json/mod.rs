//! JSON functions and VARIANT.

mod build;
pub(crate) mod doc;
mod filter;
mod path;
mod path_tree;
mod query;
mod variant;

use weir_core::Result;

use crate::args::Kernel;
use crate::site::{Family, Site};

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let families: [Family; 3] = [query::kernel, build::kernel, variant::kernel];
    for family in families {
        if let Some(kernel) = family(site)? {
            return Ok(Some(kernel));
        }
    }
    Ok(None)
}
