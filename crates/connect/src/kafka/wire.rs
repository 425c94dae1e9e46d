//! One connection to a broker: TLS, SASL, framed requests and answers.
//!
//! The codec is the kafka-protocol crate's; this file only moves the bytes. It serves the
//! few requests of [`super::control`], one at a time, never the data path.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, StrBytes, encode_request_header_into_buffer,
};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::X509;
use rdkafka::ClientConfig;
use weir_core::{Error, Result};

use super::scram::Scram;

/// How long a broker may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Answers of these requests are small; a longer one is not an answer.
const MAX_ANSWER: usize = 64 << 20;

/// How to talk to the brokers, from the settings of the data client.
pub(super) struct Security {
    tls: Option<Tls>,
    sasl: Option<Sasl>,
}

struct Tls {
    connector: SslConnector,
    check_host: bool,
}

struct Sasl {
    mechanism: &'static str,
    username: String,
    password: String,
}

impl Security {
    /// Reads the security settings; what this connection cannot do is an error.
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        let protocol = config.get("security.protocol").unwrap_or("PLAINTEXT").to_uppercase();
        let (tls, sasl) = match protocol.as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            other => {
                return Err(weir_core::config::bad_value(
                    "properties.security.protocol",
                    other,
                    "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'",
                ));
            }
        };
        Ok(Self {
            tls: tls.then(|| Tls::new(config)).transpose()?,
            sasl: sasl.then(|| Sasl::new(config)).transpose()?,
        })
    }
}

impl Tls {
    fn new(config: &ClientConfig) -> Result<Self> {
        let failed = |e: openssl::error::ErrorStack| {
            Error::option(format!("cannot set up TLS with the 'properties.ssl.*' options: {e}"))
        };
        if config.get("ssl.keystore.location").is_some() {
            return Err(Error::unsupported(
                "'sink.delivery-guarantee' = 'exactly-once' with a PKCS12 key store",
            )
            .hint("convert the store to PEM and set 'properties.ssl.keystore.type' = 'PEM'"));
        }
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
        if let Some(file) = config.get("ssl.ca.location") {
            builder.set_ca_file(file).map_err(failed)?;
        }
        if let Some(pem) = config.get("ssl.ca.pem") {
            for certificate in X509::stack_from_pem(pem.as_bytes()).map_err(failed)? {
                builder.cert_store_mut().add_cert(certificate).map_err(failed)?;
            }
        }
        if let Some(file) = config.get("ssl.certificate.location") {
            builder.set_certificate_chain_file(file).map_err(failed)?;
        }
        let password = config.get("ssl.key.password").unwrap_or("").to_owned();
        let key = match (config.get("ssl.key.location"), config.get("ssl.key.pem")) {
            (Some(file), _) => Some(std::fs::read(file).map_err(|e| {
                Error::option(format!("cannot read the TLS key file '{file}': {e}"))
            })?),
            (None, Some(pem)) => Some(pem.as_bytes().to_vec()),
            (None, None) => None,
        };
        if let Some(pem) = key {
            let key =
                openssl::pkey::PKey::private_key_from_pem_passphrase(&pem, password.as_bytes())
                    .map_err(failed)?;
            builder.set_private_key(&key).map_err(failed)?;
        }
        if let Some(pem) = config.get("ssl.certificate.pem") {
            let mut chain = X509::stack_from_pem(pem.as_bytes()).map_err(failed)?.into_iter();
            if let Some(own) = chain.next() {
                builder.set_certificate(&own).map_err(failed)?;
            }
            for more in chain {
                builder.add_extra_chain_cert(more).map_err(failed)?;
            }
        }
        if config.get("enable.ssl.certificate.verification") == Some("false") {
            builder.set_verify(SslVerifyMode::NONE);
        }
        let check_host = config.get("ssl.endpoint.identification.algorithm") != Some("none");
        Ok(Self { connector: builder.build(), check_host })
    }
}

impl Sasl {
    fn new(config: &ClientConfig) -> Result<Self> {
        let wanted = config.get("sasl.mechanism").unwrap_or("GSSAPI");
        let mechanism = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
            .into_iter()
            .find(|m| m.eq_ignore_ascii_case(wanted))
            .ok_or_else(|| {
                Error::unsupported(format!(
                    "'sink.delivery-guarantee' = 'exactly-once' with 'properties.sasl.mechanism' \
                     = '{wanted}'"
                ))
                .hint("use 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512', or 'at-least-once'")
            })?;
        let get = |key: &str| {
            config.get(key).map(str::to_owned).ok_or_else(|| {
                Error::option(format!("missing '{key}' for SASL"))
                    .hint("set option 'properties.sasl.jaas.config'")
            })
        };
        Ok(Self { mechanism, username: get("sasl.username")?, password: get("sasl.password")? })
    }
}

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// An open, authenticated connection.
pub(super) struct Connection {
    stream: Box<dyn Duplex>,
    next: i32,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) fn open(address: &str, security: &Security) -> Result<Self> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::io(format!("cannot talk to the Kafka broker at {address}: {e}"))
        };
        let resolved = address.to_socket_addrs().map_err(|e| failed(&e))?;
        let mut last = Error::io(format!("the name in '{address}' has no address"));
        let mut stream = None;
        for a in resolved {
            match TcpStream::connect_timeout(&a, ANSWER) {
                Ok(s) => {
                    stream = Some(s);
                    break;
                }
                Err(e) => last = failed(&e),
            }
        }
        let stream = stream.ok_or(last)?;
        stream
            .set_read_timeout(Some(ANSWER))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER)))
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|e| failed(&e))?;
        let stream: Box<dyn Duplex> = match &security.tls {
            None => Box::new(stream),
            Some(tls) => {
                let host = address.rsplit_once(':').map_or(address, |(h, _)| h);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let mut c = tls.connector.configure().map_err(|e| failed(&e))?;
                c.set_verify_hostname(tls.check_host);
                Box::new(c.connect(host, stream).map_err(|e| failed(&e))?)
            }
        };
        let mut connection = Self { stream, next: 0 };
        if let Some(sasl) = &security.sasl {
            connection.authenticate(sasl).map_err(|e| e.context(format!("broker {address}")))?;
        }
        Ok(connection)
    }

    fn authenticate(&mut self, sasl: &Sasl) -> Result<()> {
        let refused =
            |what: &str| Error::io(format!("the broker refuses {}: {what}", sasl.mechanism));
        let hello = SaslHandshakeRequest::default()
            .with_mechanism(StrBytes::from_static_str(sasl.mechanism));
        let answer: SaslHandshakeResponse = self.call(ApiKey::SaslHandshake, 1, &hello)?;
        if answer.error_code != 0 {
            return Err(refused("it does not offer this mechanism"));
        }
        let mut send = |bytes: Vec<u8>| -> Result<Bytes> {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(bytes.into());
            let answer: SaslAuthenticateResponse =
                self.call(ApiKey::SaslAuthenticate, 1, &request)?;
            match answer.error_code {
                0 => Ok(answer.auth_bytes),
                _ => Err(refused(answer.error_message.as_deref().unwrap_or("wrong credentials"))),
            }
        };
        if sasl.mechanism == "PLAIN" {
            send(format!("\0{}\0{}", sasl.username, sasl.password).into_bytes())?;
            return Ok(());
        }
        let mut scram = Scram::new(
            sasl.mechanism.ends_with("512"),
            &sasl.username,
            &sasl.password,
            &uuid::Uuid::new_v4().simple().to_string(),
        );
        let first = send(scram.first().into_bytes())?;
        let last = send(scram.proof(&first)?.into_bytes())?;
        scram.check(&last)
    }

    /// Sends a request and waits for its answer.
    pub(super) fn call<Q, A>(&mut self, key: ApiKey, version: i16, request: &Q) -> Result<A>
    where
        Q: Encodable,
        A: Decodable + HeaderVersion,
    {
        let failed = |e: &dyn std::fmt::Display| {
            Error::io(format!("a request to the Kafka broker failed ({key:?}): {e}"))
        };
        self.next = self.next.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.next)
            .with_client_id(Some(StrBytes::from_static_str("weir")));
        let mut body = BytesMut::new();
        encode_request_header_into_buffer(&mut body, &header).map_err(|e| failed(&e))?;
        request.encode(&mut body, version).map_err(|e| failed(&e))?;
        let mut frame = (body.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(&body);
        self.stream.write_all(&frame).and_then(|()| self.stream.flush()).map_err(|e| failed(&e))?;
        let mut length = [0u8; 4];
        self.stream.read_exact(&mut length).map_err(|e| failed(&e))?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_ANSWER {
            return Err(failed(&"the answer is not one of a Kafka broker"));
        }
        let mut answer = vec![0u8; length];
        self.stream.read_exact(&mut answer).map_err(|e| failed(&e))?;
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, A::header_version(version))
            .map_err(|e| failed(&e))?;
        if header.correlation_id != self.next {
            return Err(failed(&"the answer belongs to another request"));
        }
        let decoded = A::decode(&mut answer, version).map_err(|e| failed(&e))?;
        if answer.has_remaining() {
            return Err(failed(&"the answer is longer than it should be"));
        }
        Ok(decoded)
    }
}
