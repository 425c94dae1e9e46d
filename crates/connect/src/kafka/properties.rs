//! Java client properties (`properties.*`) as librdkafka settings.

use rdkafka::ClientConfig;
use weir_core::config::bad_value;
use weir_core::{Error, Options, Result, nearest};

/// Properties that mean the same under both names.
const SAME: &[&str] = &[
    "bootstrap.servers",
    "client.id",
    "client.rack",
    "group.id",
    "group.instance.id",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "max.partition.fetch.bytes",
    "isolation.level",
    "check.crcs",
    "security.protocol",
    "sasl.kerberos.service.name",
    "sasl.kerberos.kinit.cmd",
    "acks",
    "retries",
    "linger.ms",
    "batch.size",
    "compression.type",
    "enable.idempotence",
    "max.in.flight.requests.per.connection",
    "request.timeout.ms",
    "delivery.timeout.ms",
    "metadata.max.age.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "connections.max.idle.ms",
    "client.dns.lookup",
    "socket.connection.setup.timeout.ms",
    "allow.auto.create.topics",
    "sasl.username",
    "sasl.password",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.password",
    "ssl.key.password",
];

/// Properties with another name.
const RENAMED: &[(&str, &str)] = &[
    ("sasl.mechanism", "sasl.mechanism"),
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
    ("max.request.size", "message.max.bytes"),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
];

/// Properties that are handled one by one.
const SPECIAL: &[&str] = &[
    "auto.offset.reset",
    "sasl.jaas.config",
    "ssl.truststore.location",
    "ssl.truststore.type",
    "ssl.truststore.password",
    "ssl.keystore.location",
    "ssl.keystore.type",
    "ssl.endpoint.identification.algorithm",
    "buffer.memory",
    "max.poll.records",
    "partition.discovery.interval.ms",
    "transaction.timeout.ms",
];

/// Client settings from a table's options.
pub(super) fn client_config(options: &Options) -> Result<ClientConfig> {
    let properties = options.with_prefix("properties.");
    let servers = properties.get("bootstrap.servers").ok_or_else(|| {
        Error::option("missing required option 'properties.bootstrap.servers'")
            .hint("add 'properties.bootstrap.servers' = 'host:9092' to the WITH clause")
    })?;
    if servers.trim().is_empty() {
        return Err(bad_value("properties.bootstrap.servers", servers, "'host:port,host:port'"));
    }
    let mut config = ClientConfig::new();
    // Errors reach the job as errors; librdkafka's own log lines would only repeat them.
    config.set_log_level(rdkafka::config::RDKafkaLogLevel::Critical);
    for (key, value) in properties.iter() {
        if SAME.contains(&key) {
            config.set(key, value);
        } else if let Some((_, name)) = RENAMED.iter().find(|(java, _)| *java == key) {
            config.set(*name, value);
        } else {
            special(key, value, &properties, &mut config)?;
        }
    }
    Ok(config)
}

fn special(key: &str, value: &str, all: &Options, config: &mut ClientConfig) -> Result<()> {
    let full = format!("properties.{key}");
    match key {
        "auto.offset.reset" => {
            let reset = match value {
                "earliest" | "latest" => value,
                "none" => "error",
                _ => return Err(bad_value(&full, value, "'earliest', 'latest' or 'none'")),
            };
            config.set(key, reset);
        }
        "sasl.jaas.config" => {
            for (field, setting) in [("username", "sasl.username"), ("password", "sasl.password")] {
                let found = jaas_field(value, field).ok_or_else(|| {
                    Error::option(format!("option '{full}' has no {field}")).hint(
                        "write '... required username=\"u\" password=\"p\";' \
                         (PLAIN and SCRAM are supported)",
                    )
                })?;
                config.set(setting, found);
            }
        }
        "ssl.truststore.location" => {
            let kind = all.get("ssl.truststore.type").unwrap_or("JKS");
            if !kind.eq_ignore_ascii_case("PEM") {
                return Err(Error::unsupported(format!("'{full}' of type {kind}")).hint(
                    "convert the store to PEM and set 'properties.ssl.truststore.type' = 'PEM'",
                ));
            }
            config.set("ssl.ca.location", value);
        }
        "ssl.keystore.location" => {
            match all.get("ssl.keystore.type").unwrap_or("JKS").to_uppercase().as_str() {
                "PKCS12" => config.set(key, value),
                "PEM" => {
                    config.set("ssl.certificate.location", value);
                    config.set("ssl.key.location", value)
                }
                kind => {
                    return Err(Error::unsupported(format!("'{full}' of type {kind}"))
                        .hint("convert the store to PKCS12 or PEM"));
                }
            };
        }
        "ssl.endpoint.identification.algorithm" => {
            config.set(key, if value.is_empty() { "none" } else { value });
        }
        "buffer.memory" => {
            let bytes: u64 = value.parse().map_err(|_| bad_value(&full, value, "bytes"))?;
            config.set("queue.buffering.max.kbytes", (bytes / 1024).max(1).to_string());
        }
        // Read elsewhere, or part of the two above.
        "ssl.truststore.type"
        | "ssl.truststore.password"
        | "ssl.keystore.type"
        | "max.poll.records"
        | "partition.discovery.interval.ms"
        | "transaction.timeout.ms" => {}
        _ => {
            let names = SAME
                .iter()
                .copied()
                .chain(RENAMED.iter().map(|(java, _)| *java))
                .chain(SPECIAL.iter().copied());
            let error = Error::option(format!("unknown Kafka client property '{full}'"));
            return Err(match nearest(key, names) {
                Some(n) => error.hint(format!("did you mean 'properties.{n}'?")),
                None => error.hint("remove it; it has no counterpart in this client"),
            });
        }
    }
    Ok(())
}

/// `field="value"` in a JAAS line.
fn jaas_field<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    let at = text.find(&format!("{field}="))? + field.len() + 1;
    let rest = &text[at..];
    match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].split(quote).next(),
        _ => rest.split([' ', ';']).next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(more: &[(&str, &str)]) -> Options {
        [("properties.bootstrap.servers", "k:9092")]
            .iter()
            .chain(more)
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect()
    }

    #[test]
    fn java_properties_are_translated_or_refused() {
        let c = client_config(&options(&[
            ("properties.fetch.max.wait.ms", "5"),
            ("properties.auto.offset.reset", "none"),
            (
                "properties.sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required \
                 username=\"u\" password=\"p;q\";",
            ),
        ]))
        .unwrap();
        assert_eq!(c.get("fetch.wait.max.ms"), Some("5"));
        assert_eq!(c.get("auto.offset.reset"), Some("error"));
        assert_eq!((c.get("sasl.username"), c.get("sasl.password")), (Some("u"), Some("p;q")));
        let e = client_config(&options(&[("properties.group.idd", "x")])).unwrap_err();
        assert_eq!(e.hint_text(), Some("did you mean 'properties.group.id'?"));
        let e = client_config(&Options::new()).unwrap_err();
        assert!(e.message().contains("properties.bootstrap.servers"));
    }
}
