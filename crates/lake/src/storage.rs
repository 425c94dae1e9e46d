//! Where tables live: local paths and S3, and the credentials for them.
//!
//! Invariant: credentials of a catalog stay out of table definitions. A catalog
//! registers its storage options for its warehouse, and a connector that opens a
//! path below it finds them here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use paimon::io::FileIO;
use weir_core::{Error, Options, Result};

use crate::rt::lake_error;

/// Key prefixes that configure a storage rather than a table.
const PREFIXES: [&str; 3] = ["s3.", "s3a.", "fs.s3a."];

/// Storage keys after the prefix, as the S3 client reads them.
const S3_KEYS: [&str; 18] = [
    "endpoint",
    "access-key",
    "access.key",
    "secret-key",
    "secret.key",
    "path-style-access",
    "path.style.access",
    "region",
    "session.token",
    "assumed.role.arn",
    "assumed.role.externalId",
    "assumed.role.session.name",
    "anonymous",
    "sse.type",
    "sse.key",
    "storage.class",
    "ssl.enabled",
    "connection.ssl.enabled",
];

/// Whether an option belongs to the storage.
pub(crate) fn is_storage_key(key: &str) -> bool {
    PREFIXES.iter().any(|p| key.starts_with(p))
}

/// Storage options of a table or catalog, normalised: one spelling per key, and
/// the endpoint with its scheme.
pub(crate) fn storage_options(options: &Options) -> Result<HashMap<String, String>> {
    let mut out = HashMap::new();
    for (key, value) in options.iter() {
        let Some(short) = PREFIXES.iter().find_map(|p| key.strip_prefix(p)) else { continue };
        if !S3_KEYS.contains(&short) {
            return Err(crate::unknown::unknown_key(
                key,
                S3_KEYS.iter().map(|k| format!("s3.{k}")),
                "storage option",
            ));
        }
        let short = match short {
            "path.style.access" => "path-style-access",
            "access.key" => "access-key",
            "secret.key" => "secret-key",
            "connection.ssl.enabled" => "ssl.enabled",
            other => other,
        };
        if short == "path-style-access" || short == "ssl.enabled" {
            options.bool_or(key, false)?;
        }
        out.insert(format!("s3.{short}"), value.to_owned());
    }
    let tls = out.remove("s3.ssl.enabled").is_none_or(|v| v.eq_ignore_ascii_case("true"));
    if let Some(endpoint) = out.get_mut("s3.endpoint").filter(|e| !e.contains("://")) {
        *endpoint = format!("{}://{endpoint}", if tls { "https" } else { "http" });
    }
    // The client insists on a region; stores other than AWS accept any.
    if out.contains_key("s3.endpoint") {
        out.entry("s3.region".to_owned()).or_insert_with(|| "us-east-1".to_owned());
    }
    Ok(out)
}

/// Normalises a location: no trailing slash, `file:` dropped, local paths absolute.
pub(crate) fn normalize(path: &str) -> Result<String> {
    let path = path.trim();
    if path.is_empty() {
        return Err(Error::option("the path of a Paimon table or warehouse is empty"));
    }
    let local = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:"));
    let path = local.unwrap_or(path);
    let absolute = if path.contains("://") || path.starts_with('/') {
        path.to_owned()
    } else {
        let here = std::env::current_dir()?;
        here.join(path).to_string_lossy().into_owned()
    };
    match absolute.split_once("://") {
        Some((scheme, _)) if !["s3", "s3a", "memory"].contains(&scheme) => {
            return Err(Error::unsupported(format!("storage '{scheme}://' of path '{path}'"))
                .hint("use a local path or s3://bucket/path"));
        }
        _ => {}
    }
    let trimmed = absolute.trim_end_matches('/');
    Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

type Registry = HashMap<String, HashMap<String, String>>;

fn registry() -> MutexGuard<'static, Registry> {
    static REGISTRY: OnceLock<Mutex<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers the storage options for everything below a location.
pub(crate) fn register(location: &str, storage: &HashMap<String, String>) {
    if !storage.is_empty() {
        registry().insert(location.to_owned(), storage.clone());
    }
}

/// Storage options for a path: those registered for the longest location above
/// it, overridden by the given ones.
pub(crate) fn resolve(path: &str, own: HashMap<String, String>) -> HashMap<String, String> {
    let known = registry();
    let above = known
        .iter()
        .filter(|(at, _)| {
            path.strip_prefix(at.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        })
        .max_by_key(|(at, _)| at.len());
    let mut out = above.map(|(_, s)| s.clone()).unwrap_or_default();
    out.extend(own);
    out
}

/// Opens the storage of a path.
pub(crate) fn file_io(path: &str, storage: &HashMap<String, String>) -> Result<FileIO> {
    FileIO::from_path(path)
        .map_err(lake_error)?
        .with_props(storage.iter())
        .build()
        .map_err(lake_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn both_path_style_spellings_and_endpoint_scheme() {
        for key in ["s3.path-style-access", "s3.path.style.access"] {
            let s = storage_options(&options(&[
                (key, "true"),
                ("s3.endpoint", "minio:9000"),
                ("s3.ssl.enabled", "false"),
            ]))
            .unwrap();
            assert_eq!(s["s3.path-style-access"], "true");
            assert_eq!(s["s3.endpoint"], "http://minio:9000");
        }
        let e = storage_options(&options(&[("s3.acess-key", "x")])).unwrap_err();
        assert!(e.to_string().contains("s3.access-key"), "{e}");
    }

    #[test]
    fn locations_are_normalised() {
        assert_eq!(normalize("file:///a/b/").unwrap(), "/a/b");
        assert_eq!(normalize("s3://b/x/").unwrap(), "s3://b/x");
        assert!(normalize("hdfs://n/x").is_err());
    }
}
