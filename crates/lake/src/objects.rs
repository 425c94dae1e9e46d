//! Whole objects on S3-compatible stores, for checkpoints: put, create once, get, list.
//!
//! The client is the one that tables use, with its own retry and timeout layers. Keys and
//! tokens come from the options or the environment and appear in no message.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opendal_core::{Configurator as _, ErrorKind as Kind, HttpTransporter, OperationContext};
use opendal_core::{EntryMode, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;
use opendal_layer_retry::RetryLayer;
use opendal_layer_timeout::TimeoutLayer;
use opendal_service_s3::S3Config;
use weir_core::{Error, Options, Result};

use crate::{rt, storage};

/// A request without an answer for so long has failed, or for as long as a checkpoint may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests for one operation before its error is told.
const ATTEMPTS: usize = 4;

/// Larger objects are uploaded in parts of this size.
const PART: usize = 16 << 20;

/// Parts on their way at once.
const PARALLEL_PARTS: usize = 4;

/// Whether a URI names a place on such a store.
pub fn is_object_uri(uri: &str) -> bool {
    uri.starts_with("s3://") || uri.starts_with("s3a://")
}

/// Objects below `s3://bucket/path`.
#[derive(Clone)]
pub struct Objects {
    operator: Operator,
    uri: String,
    creates_once: std::sync::Arc<AtomicBool>,
}

impl Objects {
    /// Opens a place; `options` are a session's, of which those for S3 and the checkpoints'
    /// timeout count. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A URI without a bucket; an S3 option that does not exist.
    pub fn open(uri: &str, options: &Options) -> Result<Self> {
        let uri = uri.trim_end_matches('/');
        let (_, path) = uri
            .split_once("://")
            .filter(|(_, path)| !path.is_empty())
            .ok_or_else(|| Error::option(format!("'{uri}' names no bucket")))?;
        let (bucket, root) = path.split_once('/').unwrap_or((path, ""));
        let mut own = storage::storage_options(options)?;
        if !options.iter().any(|(key, _)| storage::is_storage_key(key) && key.ends_with(".region"))
        {
            // A default for tables; here the environment comes first.
            own.remove("s3.region");
        }
        let config = config(&own);
        let builder = config.into_builder().bucket(bucket).root(&format!("/{root}"));
        let operator = Operator::new(builder).map_err(|e| Error::option(describe(&e)))?;
        let transport = HttpTransporter::new(ReqwestTransport::default());
        let timeout =
            TimeoutLayer::new().with_timeout(REQUEST_TIMEOUT).with_io_timeout(REQUEST_TIMEOUT);
        let retry = RetryLayer::new()
            .with_max_times(ATTEMPTS - 1)
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter();
        let operator = operator
            .with_context(OperationContext::new().with_http_transport(transport))
            .layer(timeout)
            .layer(retry);
        Ok(Self { operator, uri: uri.to_owned(), creates_once: AtomicBool::new(false).into() })
    }

    /// How users write this place.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    fn failed(&self, what: &str, name: &str, e: &opendal_core::Error) -> Error {
        let error = Error::io(format!("cannot {what} {}/{name}: {}", self.uri, describe(e)));
        match e.kind() {
            Kind::PermissionDenied => error.hint(
                "set 's3.access-key' and 's3.secret-key', or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            _ => error,
        }
    }

    /// Writes an object as a whole, replacing an earlier one.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (me, name, bytes) = (self.clone(), name.to_owned(), bytes.to_vec());
        rt::wait(async move {
            let write = me.operator.write_with(&name, bytes).chunk(PART).concurrent(PARALLEL_PARTS);
            write.await.map(|_| ()).map_err(|e| me.failed("write", &name, &e))
        })
    }

    /// Creates an object as a whole; false if the name is taken.
    ///
    /// # Errors
    ///
    /// A store that cannot create on condition: two runs of a job could both decide.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let created = self.create_once(name, bytes)?;
        if created && !self.creates_once.load(Ordering::SeqCst) {
            // Once per place: some stores ignore the condition.
            if self.create_once(name, bytes)? {
                return Err(conditional(&self.uri, "it ignores the header"));
            }
            self.creates_once.store(true, Ordering::SeqCst);
        }
        Ok(created)
    }

    fn create_once(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let (me, name, bytes) = (self.clone(), name.to_owned(), bytes.to_vec());
        rt::wait(async move {
            match me.operator.write_with(&name, bytes).if_not_exists(true).await {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == Kind::ConditionNotMatch => Ok(false),
                Err(e) if e.kind() == Kind::Unsupported || says_not_implemented(&e) => {
                    Err(conditional(&me.uri, &describe(&e)))
                }
                Err(e) => Err(me.failed("create", &name, &e)),
            }
        })
    }

    /// The object, if there is one.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let (me, name) = (self.clone(), name.to_owned());
        rt::wait(async move {
            match me.operator.read(&name).await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(e) if e.kind() == Kind::NotFound && !says_no_bucket(&e) => Ok(None),
                Err(e) => Err(me.failed("read", &name, &e)),
            }
        })
    }

    /// Names of all objects below a prefix that ends with `/` (or is empty), in order.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let (me, prefix) = (self.clone(), prefix.to_owned());
        rt::wait(async move {
            let listed = me.operator.list_with(&prefix).recursive(true).await;
            let entries = listed.map_err(|e| me.failed("list", &prefix, &e))?;
            let mut names: Vec<String> = entries
                .iter()
                .filter(|e| e.metadata().mode() == EntryMode::FILE)
                .map(|e| e.path().trim_start_matches('/').to_owned())
                .collect();
            names.sort();
            Ok(names)
        })
    }

    /// Deletes an object; no error if there is none.
    pub fn delete(&self, name: &str) -> Result<()> {
        let (me, name) = (self.clone(), name.to_owned());
        rt::wait(async move {
            me.operator.delete(&name).await.map_err(|e| me.failed("delete", &name, &e))
        })
    }
}

fn conditional(uri: &str, why: &str) -> Error {
    Error::option(format!(
        "{uri}: the store does not create objects on condition (If-None-Match: *), which \
         checkpoints need so that only one run of a job can decide: {why}"
    ))
    .hint("use a store with conditional writes (AWS S3, MinIO), or a local directory")
}

fn says_not_implemented(e: &opendal_core::Error) -> bool {
    e.message().contains("NotImplemented")
}

fn says_no_bucket(e: &opendal_core::Error) -> bool {
    e.message().contains("NoSuchBucket")
}

/// The client's settings.
fn config(options: &HashMap<String, String>) -> S3Config {
    let option = |key: &str| options.get(&format!("s3.{key}")).cloned();
    let environment =
        |names: &[&str]| names.iter().find_map(|n| std::env::var(n).ok().filter(|v| !v.is_empty()));
    let endpoint = option("endpoint").or_else(|| {
        environment(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_S3_ENDPOINT"])
    });
    let region = option("region").or_else(|| environment(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
    let by_path = match option("path-style-access") {
        Some(v) => v.eq_ignore_ascii_case("true"),
        // As AWS's own clients do: a bucket cannot be a subdomain of an address.
        None => endpoint.as_deref().is_some_and(is_address),
    };
    let mut config = S3Config::default();
    config.enable_virtual_host_style = !by_path;
    config.endpoint = endpoint;
    config.region = region.or_else(|| Some("us-east-1".to_owned()));
    config.access_key_id = option("access-key");
    config.secret_access_key = option("secret-key");
    config.session_token = option("session.token");
    config.role_arn = option("assumed.role.arn");
    config.external_id = option("assumed.role.externalId");
    config.role_session_name = option("assumed.role.session.name");
    config.skip_signature = option("anonymous").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    config.server_side_encryption = option("sse.type");
    config.server_side_encryption_aws_kms_key_id = option("sse.key");
    config.default_storage_class = option("storage.class");
    config
}

/// Whether an endpoint's host is an IP address or this machine.
fn is_address(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    let host = host.split('/').next().unwrap_or(host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// What went wrong, in one line and without the request that it went wrong with.
fn describe(e: &opendal_core::Error) -> String {
    let mut text = e.message().to_owned();
    // S3Error { code: "...", message: "...", resource: ..., request_id: ... }
    let field = |name: &str| {
        let from = text.split_once(&format!("{name}: \""))?.1;
        from.split_once('"').map(|(value, _)| value.to_owned())
    };
    if let (true, Some(code), Some(message)) =
        (text.starts_with("S3Error"), field("code"), field("message"))
    {
        text = format!("{code}: {message}");
    }
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        let told = inner.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = inner.source();
    }
    if text.trim().is_empty() {
        // An answer without a body: its status says more than the kind.
        let all = format!("{e:?}");
        let status = all.split_once("status: ").map(|(_, rest)| rest.chars().take(3).collect());
        let status: String = status.unwrap_or_default();
        return format!("{} (HTTP status {status})", e.kind());
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_addresses_are_paths() {
        for (endpoint, by_path) in [
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/", true),
            ("http://[::1]:9000", true),
            ("https://s3.eu-central-1.amazonaws.com", false),
        ] {
            assert_eq!(is_address(endpoint), by_path, "{endpoint}");
        }
    }

    #[test]
    fn places_without_a_bucket_and_unknown_options_are_refused() {
        assert!(Objects::open("s3://", &Options::new()).is_err());
        let mut options = Options::new();
        options.set("s3.acess-key", "x");
        let e = Objects::open("s3://b/x", &options).err().unwrap();
        assert!(e.to_string().contains("s3.access-key"), "{e}");
        assert_eq!(Objects::open("s3a://b/x/", &Options::new()).unwrap().uri(), "s3a://b/x");
    }
}
