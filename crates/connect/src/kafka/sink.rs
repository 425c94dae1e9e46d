//! Writing to Kafka, at least once: a checkpoint waits for all delivery reports.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::TimestampMillisecondType;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use weir_core::config::bad_value;
use weir_core::{ChangeBatch, Error, Result, RowKind, Schema};
use weir_spec::{ChangelogMode, SinkSpec};

use super::{Layouts, properties, unreachable};
use crate::api::{Sink, SinkWriter};
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
    upsert: bool,
    parallelism: Option<usize>,
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
        let wait = match o.get("sink.delivery-guarantee").unwrap_or("at-least-once") {
            "none" => false,
            "at-least-once" => true,
            "exactly-once" => {
                return Err(Error::unsupported("'sink.delivery-guarantee' = 'exactly-once'")
                    .hint("use 'at-least-once'"));
            }
            v => {
                return Err(bad_value(
                    "sink.delivery-guarantee",
                    v,
                    "'none', 'at-least-once' or 'exactly-once'",
                ));
            }
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
            servers: o.require("properties.bootstrap.servers")?.to_owned(),
            config,
            layouts: Arc::new(layouts),
            schema: schema.clone(),
            physical,
            metadata_keys: spec.metadata_keys.clone(),
            partitioner,
            wait,
            upsert,
            parallelism: options::parallelism(o, "sink.parallelism")?,
        })
    }
}

impl Sink for KafkaSink {
    fn changelog_mode(&self) -> ChangelogMode {
        if self.upsert { ChangelogMode::UPSERT } else { self.layouts.value_format.write_mode() }
    }

    fn writer(&self, subtask: usize, _parallelism: usize) -> Result<Box<dyn SinkWriter>> {
        let failure = Arc::new(Mutex::new(None));
        let context = Deliveries { failure: Arc::clone(&failure) };
        let producer: BaseProducer<Deliveries> = self
            .config
            .create_with_context(context)
            .map_err(|e| Error::option(format!("kafka client settings: {e}")))?;
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
            producer,
            failure,
        }))
    }

    fn max_parallelism(&self) -> Option<usize> {
        self.parallelism
    }
}

/// Remembers the first message that could not be delivered.
struct Deliveries {
    failure: Arc<Mutex<Option<String>>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((e, _)) = result {
            let mut slot = self.failure.lock().unwrap_or_else(|p| p.into_inner());
            slot.get_or_insert_with(|| e.to_string());
        }
    }
}

struct KafkaWriter {
    topic: String,
    servers: String,
    producer: BaseProducer<Deliveries>,
    failure: Arc<Mutex<Option<String>>>,
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
        let failure = self.failure.lock().unwrap_or_else(|p| p.into_inner()).take();
        match failure {
            Some(e) => Err(unreachable(&self.servers, &e)
                .context(format!("while writing to topic '{}'", self.topic))),
            None => Ok(()),
        }
    }

    fn partition(&mut self) -> Result<Option<i32>> {
        if self.partitioner == Partitioner::Default {
            return Ok(None);
        }
        if self.partitions == 0 {
            let metadata = self
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
            match self.producer.send(r) {
                Ok(()) => return Ok(()),
                // The client's buffer is full: deliver some, then try again.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                    if begun.elapsed() < FLUSH_TIMEOUT =>
                {
                    self.producer.poll(Duration::from_millis(20));
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
            self.send(Outgoing { key, value: (!tombstone).then_some(value), timestamp, headers })?;
        }
        self.producer.poll(Duration::ZERO);
        self.check_failure()
    }

    fn prepare_commit(&mut self, _epoch: u64) -> Result<Vec<Vec<u8>>> {
        if self.wait {
            self.producer.flush(FLUSH_TIMEOUT).map_err(|e| unreachable(&self.servers, &e))?;
        }
        self.check_failure()?;
        Ok(Vec::new())
    }
}
