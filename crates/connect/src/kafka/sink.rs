//! Writing to Kafka: a checkpoint waits for all delivery reports, and with exactly-once
//! an epoch is a transaction (see [`super::transactions`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::TimestampMillisecondType;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use weir_core::config::bad_value;
use weir_core::{ChangeBatch, Error, Options, Result, RowKind, Schema};
use weir_spec::{ChangelogMode, SinkSpec};

use super::control::Control;
use super::transactions::{self, Client, Transactional, Transactions};
use super::{Layouts, properties, unreachable};
use crate::api::{Committer, Sink, SinkIdentity, SinkWriter};
use crate::format::Encoder;
use crate::options;

/// How long a checkpoint waits for the brokers.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(130);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Partitioner {
    Default,
    Fixed,
    RoundRobin,
}

/// A topic that is written.
pub(super) struct KafkaSink {
    topic: String,
    servers: String,
    config: rdkafka::ClientConfig,
    layouts: Arc<Layouts>,
    schema: Schema,
    physical: usize,
    metadata_keys: Vec<String>,
    partitioner: Partitioner,
    wait: bool,
    transactions: Option<Arc<Transactions>>,
    buffering: Option<Buffering>,
    upsert: bool,
    parallelism: Option<usize>,
}

/// `sink.buffer-flush.*`: only the last row of a key is sent.
#[derive(Debug, Clone, Copy)]
struct Buffering {
    rows: usize,
    interval: Duration,
}

impl Buffering {
    fn new(o: &Options) -> Result<Option<Self>> {
        let rows = o.i64_opt("sink.buffer-flush.max-rows")?.unwrap_or(0).max(0) as usize;
        let interval = o.duration_opt("sink.buffer-flush.interval")?.unwrap_or(Duration::ZERO);
        match (rows > 0, !interval.is_zero()) {
            (true, true) => Ok(Some(Self { rows, interval })),
            (false, false) => Ok(None),
            _ => Err(Error::option(
                "'sink.buffer-flush.max-rows' and 'sink.buffer-flush.interval' must both be \
                 above 0 for the sink to buffer",
            )
            .hint("set both, or neither")),
        }
    }
}

impl KafkaSink {
    pub(super) fn new(spec: &SinkSpec, schema: &Schema, upsert: bool) -> Result<Self> {
        let o = &spec.table.options;
        let mut config = properties::client_config(o)?;
        // Java's default partitioner.
        config.set("partitioner", "murmur2_random");
        let topic = o.require("topic")?.to_owned();
        if topic.contains(';') || o.get("topic-pattern").is_some() {
            return Err(Error::unsupported("a kafka sink with several topics")
                .hint("give one name in option 'topic'"));
        }
        if spec.overwrite {
            return Err(Error::validation("INSERT OVERWRITE does not work on a kafka table"));
        }
        let partitioner = match o.get("sink.partitioner").unwrap_or("default") {
            "default" => Partitioner::Default,
            "fixed" => Partitioner::Fixed,
            "round-robin" => Partitioner::RoundRobin,
            v => {
                return Err(bad_value(
                    "sink.partitioner",
                    v,
                    "'default', 'fixed' or 'round-robin'",
                ));
            }
        };
        let servers = o.require("properties.bootstrap.servers")?.to_owned();
        let (wait, exactly_once) = match o.get("sink.delivery-guarantee").unwrap_or("at-least-once")
        {
            "none" => (false, false),
            "at-least-once" => (true, false),
            "exactly-once" => (true, true),
            v => {
                return Err(bad_value(
                    "sink.delivery-guarantee",
                    v,
                    "'none', 'at-least-once' or 'exactly-once'",
                ));
            }
        };
        let transactions = if exactly_once {
            Some(Arc::new(Transactions::new(o, &config, &servers)?))
        } else {
            None
        };
        let layouts = Layouts::new(&spec.table, upsert)?;
        if partitioner == Partitioner::RoundRobin && layouts.key.is_some() {
            return Err(Error::option(
                "'sink.partitioner' = 'round-robin' does not go with 'key.fields'",
            ));
        }
        let physical = spec.table.physical.len();
        layouts.value_format.encoder(&schema.project(&layouts.value_columns))?;
        Ok(Self {
            topic,
            servers,
            config,
            layouts: Arc::new(layouts),
            schema: schema.clone(),
            physical,
            metadata_keys: spec.metadata_keys.clone(),
            partitioner,
            wait,
            transactions,
            buffering: if upsert { Buffering::new(o)? } else { None },
            upsert,
            parallelism: options::parallelism(o, "sink.parallelism")?,
        })
    }
}

impl Sink for KafkaSink {
    fn identify(&mut self, identity: SinkIdentity) {
        if let Some(t) = &self.transactions {
            t.identify(identity);
        }
    }

    fn committer(&self) -> Result<Option<Box<dyn Committer>>> {
        self.transactions.as_ref().map(Transactions::committer).transpose()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        if self.upsert { ChangelogMode::UPSERT } else { self.layouts.value_format.write_mode() }
    }

    fn writer(&self, subtask: usize, _parallelism: usize) -> Result<Box<dyn SinkWriter>> {
        let output = match &self.transactions {
            None => Output::Plain(Client::new(&self.config)?),
            Some(shared) => {
                Output::Transactions { shared: Arc::clone(shared), control: None, open: None }
            }
        };
        let key = match &self.layouts.key {
            Some((format, columns, schema)) => Some((format.encoder(schema)?, columns.clone())),
            None => None,
        };
        let value_schema = self.schema.project(&self.layouts.value_columns);
        let metadata =
            |key: &str| self.metadata_keys.iter().position(|k| k == key).map(|i| self.physical + i);
        Ok(Box::new(KafkaWriter {
            topic: self.topic.clone(),
            servers: self.servers.clone(),
            value: self.layouts.value_format.encoder(&value_schema)?,
            value_columns: self.layouts.value_columns.clone(),
            key,
            headers: metadata("headers"),
            timestamp: metadata("timestamp"),
            partitioner: self.partitioner,
            partitions: 0,
            next: subtask,
            subtask,
            wait: self.wait,
            upsert: self.upsert,
            output,
            buffering: self.buffering,
            buffer: HashMap::new(),
            flush_at: None,
        }))
    }

    fn max_parallelism(&self) -> Option<usize> {
        self.parallelism
    }
}

/// Where records go.
#[allow(clippy::large_enum_variant)] // one per writer
enum Output {
    Plain(Client),
    Transactions {
        shared: Arc<Transactions>,
        /// Opened at the first checkpoint.
        control: Option<Control>,
        /// The transaction of this epoch, from its first record on.
        open: Option<Transactional>,
    },
}

impl Output {
    /// The client to send with, its transaction begun.
    fn client(&mut self, subtask: usize) -> Result<&Client> {
        match self {
            Output::Plain(client) => Ok(client),
            Output::Transactions { shared, open, .. } => {
                if open.is_none() {
                    let t = shared.take(subtask)?;
                    t.client.producer.begin_transaction().map_err(|e| {
                        Error::io(format!("cannot begin the Kafka transaction '{}': {e}", t.id))
                    })?;
                    *open = Some(t);
                }
                match open {
                    Some(t) => Ok(&t.client),
                    None => Err(Error::internal("no kafka transaction")),
                }
            }
        }
    }

    /// The client, if it has been used.
    fn used(&self) -> Option<&Client> {
        match self {
            Output::Plain(client) => Some(client),
            Output::Transactions { open, .. } => open.as_ref().map(|t| &t.client),
        }
    }
}

impl Drop for Output {
    /// Rows of an epoch that no checkpoint took over are taken back at once.
    fn drop(&mut self) {
        if let Output::Transactions { open: Some(t), .. } = self {
            let _ = t.client.producer.abort_transaction(Duration::from_secs(5));
        }
    }
}

/// A record that waits in the buffer.
struct Waiting {
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: Option<OwnedHeaders>,
}

struct KafkaWriter {
    topic: String,
    servers: String,
    output: Output,
    buffering: Option<Buffering>,
    /// Last record of each key.
    buffer: HashMap<Vec<u8>, Waiting>,
    /// When the buffer goes out, in milliseconds since 1970.
    flush_at: Option<i64>,
    value: Box<dyn Encoder>,
    value_columns: Vec<usize>,
    key: Option<(Box<dyn Encoder>, Vec<usize>)>,
    headers: Option<usize>,
    timestamp: Option<usize>,
    partitioner: Partitioner,
    partitions: usize,
    next: usize,
    subtask: usize,
    wait: bool,
    upsert: bool,
}

impl KafkaWriter {
    fn check_failure(&self) -> Result<()> {
        match self.output.used().and_then(Client::failure) {
            Some(e) => Err(unreachable(&self.servers, &e)
                .context(format!("while writing to topic '{}'", self.topic))),
            None => Ok(()),
        }
    }

    fn flush_buffer(&mut self) -> Result<()> {
        self.flush_at = None;
        for (key, w) in std::mem::take(&mut self.buffer) {
            let (key, value) = (Some(&key[..]), w.value.as_deref());
            self.send(Outgoing { key, value, timestamp: w.timestamp, headers: w.headers })?;
        }
        Ok(())
    }

    fn partition(&mut self) -> Result<Option<i32>> {
        if self.partitioner == Partitioner::Default {
            return Ok(None);
        }
        if self.partitions == 0 {
            let metadata = self
                .output
                .client(self.subtask)?
                .producer
                .client()
                .fetch_metadata(Some(&self.topic), Duration::from_secs(5))
                .map_err(|e| unreachable(&self.servers, &e))?;
            self.partitions = metadata.topics().first().map_or(0, |t| t.partitions().len()).max(1);
        }
        if self.partitioner == Partitioner::Fixed {
            return Ok(Some((self.subtask % self.partitions) as i32));
        }
        self.next += 1;
        Ok(Some((self.next % self.partitions) as i32))
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<()> {
        let partition = self.partition()?;
        let begun = Instant::now();
        loop {
            let mut r = BaseRecord::<[u8], [u8]>::to(&self.topic);
            if let Some(key) = record.key {
                r = r.key(key);
            }
            if let Some(value) = record.value {
                r = r.payload(value);
            }
            if let Some(p) = partition {
                r = r.partition(p);
            }
            if let Some(t) = record.timestamp {
                r = r.timestamp(t);
            }
            if let Some(h) = &record.headers {
                r = r.headers(h.clone());
            }
            let producer = &self.output.client(self.subtask)?.producer;
            match producer.send(r) {
                Ok(()) => return Ok(()),
                // The client's buffer is full: deliver some, then try again.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                    if begun.elapsed() < FLUSH_TIMEOUT =>
                {
                    producer.poll(Duration::from_millis(20));
                    self.check_failure()?;
                }
                Err((e, _)) => {
                    return Err(unreachable(&self.servers, &e)
                        .context(format!("while writing to topic '{}'", self.topic)));
                }
            }
        }
    }
}

fn now_millis() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as i64
}

struct Outgoing<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    timestamp: Option<i64>,
    headers: Option<OwnedHeaders>,
}

fn headers_of(column: &ArrayRef, row: usize) -> Option<OwnedHeaders> {
    if column.is_null(row) {
        return None;
    }
    let entries = column.as_map().value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
    let values = values.as_binary::<i32>();
    let mut out = OwnedHeaders::new_with_capacity(keys.len());
    for i in 0..keys.len() {
        let value = values.is_valid(i).then(|| values.value(i));
        out = out.insert(Header { key: keys.value(i), value });
    }
    Some(out)
}

fn project(batch: &ChangeBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|&i| Arc::clone(batch.column(i))).collect()
}

impl SinkWriter for KafkaWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let rows = batch.len();
        let (mut values, mut value_ends) = (Vec::new(), Vec::with_capacity(rows));
        let kinds = if self.upsert { None } else { batch.kind_bytes() };
        let columns = project(batch, &self.value_columns);
        self.value.encode(&columns, rows, kinds, &mut values, &mut value_ends)?;
        let (mut keys, mut key_ends) = (Vec::new(), Vec::new());
        if let Some((encoder, columns)) = &mut self.key {
            encoder.encode(&project(batch, columns), rows, None, &mut keys, &mut key_ends)?;
        }
        let start = |ends: &[usize], row: usize| if row == 0 { 0 } else { ends[row - 1] };
        for row in 0..rows {
            let kind = batch.kind(row);
            if self.upsert && kind == RowKind::UpdateBefore {
                continue;
            }
            let tombstone = self.upsert && kind == RowKind::Delete;
            let value = &values[start(&value_ends, row)..value_ends[row]];
            let key = key_ends.get(row).map(|&end| &keys[start(&key_ends, row)..end]);
            let timestamp = self.timestamp.and_then(|c| {
                let column = batch.column(c);
                column
                    .is_valid(row)
                    .then(|| column.as_primitive::<TimestampMillisecondType>().value(row))
            });
            let headers = self.headers.and_then(|c| headers_of(batch.column(c), row));
            let value = (!tombstone).then_some(value);
            match (&self.buffering, key) {
                (Some(_), Some(key)) => {
                    let value = value.map(<[u8]>::to_vec);
                    self.buffer.insert(key.to_vec(), Waiting { value, timestamp, headers });
                }
                _ => self.send(Outgoing { key, value, timestamp, headers })?,
            }
        }
        if let Some(b) = self.buffering {
            if self.buffer.len() >= b.rows {
                self.flush_buffer()?;
            } else if !self.buffer.is_empty() && self.flush_at.is_none() {
                self.flush_at = Some(now_millis() + b.interval.as_millis() as i64);
            }
        }
        if let Some(client) = self.output.used() {
            client.producer.poll(Duration::ZERO);
        }
        self.check_failure()
    }

    fn next_timer(&self) -> Option<i64> {
        self.flush_at
    }

    fn on_timer(&mut self, _now: i64) -> Result<()> {
        self.flush_buffer()
    }

    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        self.flush_buffer()?;
        if let (true, Some(client)) = (self.wait, self.output.used()) {
            client.producer.flush(FLUSH_TIMEOUT).map_err(|e| unreachable(&self.servers, &e))?;
        }
        self.check_failure()?;
        let Output::Transactions { shared, control, open } = &mut self.output else {
            return Ok(Vec::new());
        };
        let Some(id) = open.as_ref().map(|t| t.id.clone()) else { return Ok(Vec::new()) };
        let committable = transactions::encode(&shared.describe(control, &id)?)?;
        if let Some(t) = open.take() {
            shared.prepared(self.subtask, t);
        }
        Ok(vec![committable])
    }
}
