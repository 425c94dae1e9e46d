//! TRIM and its kin.

use std::sync::Arc;

use weir_core::Result;

use crate::args::Kernel;
use crate::site::Site;

pub(crate) fn kernel(site: &Site<'_>) -> Result<Option<Kernel>> {
    let (left, right, text, set) = match (site.name, site.args.len()) {
        ("TRIM", 3) => {
            let side = site.keyword(0)?;
            (side != "TRAILING", side != "LEADING", 2, Some(1))
        }
        ("TRIM" | "BTRIM", 1) => (true, true, 0, None),
        ("BTRIM", _) => (true, true, 0, Some(1)),
        ("LTRIM", 1) => (true, false, 0, None),
        ("LTRIM", _) => (true, false, 0, Some(1)),
        ("RTRIM", 1) => (false, true, 0, None),
        ("RTRIM", _) => (false, true, 0, Some(1)),
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(move |a| {
        let s = a.strs(text)?;
        let set = set.map(|i| a.strs(i)).transpose()?;
        a.text(|i, out| {
            let mut t = s.get(i);
            let chars = set.map_or(" ", |c| c.get(i));
            if left {
                t = t.trim_start_matches(|c| chars.contains(c));
            }
            if right {
                t = t.trim_end_matches(|c| chars.contains(c));
            }
            out.push_str(t);
            Ok(true)
        })
    })))
}
