//! JSON functions and VARIANT.

mod build;
pub(crate) mod doc;
mod path;
mod query;
mod variant;

use weir_core::Result;

use crate::args::Kernel;
use crate::kernels::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let families: [fn(&Site<'_>) -> Result<Option<Kernel>>; 3] =
        [query::kernel, build::kernel, variant::kernel];
    for family in families {
        if let Some(kernel) = family(site)? {
            return Ok(Some(kernel));
        }
    }
    Ok(None)
}
