//! Reading from Kafka. Each reader polls its own client, without blocking, and
//! decodes payloads straight from the client's buffers.
//!
//! A starter thread finds partitions and offsets, so that polling never waits for
//! the brokers. A split is a partition with its next offset; which partitions are
//! taken is shared by all readers, so that restored ones are not started twice.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, UInt32Array};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message, Timestamp};
use rdkafka::{Offset, TopicPartitionList};
use weir_core::config::bad_value;
use weir_core::value::values_to_array;
use weir_core::{Error, Result, RowKind, Schema, Value};
use weir_spec::{ChangelogMode, SourceSpec};

use super::discovery::{Place, Shared, Split, Starter, place, topics};
use super::{Layouts, properties, unreachable};
use crate::api::{Poll, Source, SourceReader};
use crate::assemble::{Extra, Layout};
use crate::format::{Decoder, FormatColumn, ReadSchema};
use crate::options;
use crate::restore::{self, Dealer};

const MAX_ROWS: usize = 8192;
const MAX_BYTES: usize = 1 << 20;

/// A scan of topics.
pub(super) struct KafkaSource {
    shared: Arc<Shared>,
    layouts: Arc<Layouts>,
    layout: Arc<Layout>,
    max_rows: usize,
    parallelism: Option<usize>,
    upsert: bool,
}

impl KafkaSource {
    pub(super) fn new(spec: &SourceSpec, schema: &Schema, upsert: bool) -> Result<Self> {
        let o = &spec.table.options;
        let layouts = Layouts::new(&spec.table, upsert)?;
        // Key columns come from the key if the value lacks them, or may be absent.
        let outside = match &layouts.key {
            Some((_, columns, _)) if layouts.except_key || upsert => columns.clone(),
            _ => Vec::new(),
        };
        let mut layout = Layout::new(spec, schema, super::METADATA, &outside, "value.")?;
        layout.read.primary_key = Vec::new();
        layouts.value_format.decoder(&layout.read)?;
        let mut config = properties::client_config(o)?;
        let group = o.get("properties.group.id");
        if group.is_none() {
            config.set("group.id", format!("weir-{}", uuid::Uuid::new_v4()));
        }
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        for (key, default) in
            [("isolation.level", "read_uncommitted"), ("auto.offset.reset", "error")]
        {
            if config.get(key).is_none() {
                config.set(key, default);
            }
        }
        let start = if upsert {
            Place::Earliest
        } else {
            let mode = o.get("scan.startup.mode").unwrap_or("group-offsets");
            place(o, "scan.startup", mode, true)?
        };
        let stop = match o.get("scan.bounded.mode").unwrap_or("unbounded") {
            "unbounded" => None,
            mode => Some(place(o, "scan.bounded", mode, false)?),
        };
        if stop.is_some() {
            config.set("enable.partition.eof", "true");
        }
        if group.is_none() && (start == Place::Group || stop == Some(Place::Group)) {
            let key = if start == Place::Group { "scan.startup.mode" } else { "scan.bounded.mode" };
            return Err(Error::option(format!(
                "'{key}' = 'group-offsets' needs option 'properties.group.id'"
            ))
            .hint("set it, or use 'scan.startup.mode' = 'earliest-offset' or 'latest-offset'"));
        }
        let discovery = o
            .duration_opt("scan.topic-partition-discovery.interval")?
            .unwrap_or(Duration::from_secs(300));
        let shared = Shared {
            servers: o.require("properties.bootstrap.servers")?.to_owned(),
            config,
            commits: group.is_some(),
            topics: topics(o)?,
            start,
            discovery: (stop.is_none() && !discovery.is_zero()).then_some(discovery),
            stop,
            reset: o.get("properties.auto.offset.reset").map(str::to_owned),
            state: Mutex::default(),
            dealer: Dealer::default(),
        };
        let max_rows = match o.i64_opt("properties.max.poll.records")? {
            Some(n) if n > 0 => (n as usize).min(MAX_ROWS),
            Some(n) => {
                let key = "properties.max.poll.records";
                return Err(bad_value(key, &n.to_string(), "a number above 0"));
            }
            None => MAX_ROWS,
        };
        Ok(Self {
            shared: Arc::new(shared),
            layouts: Arc::new(layouts),
            layout: Arc::new(layout),
            max_rows,
            parallelism: options::parallelism(o, "scan.parallelism")?,
            upsert,
        })
    }
}

impl Source for KafkaSource {
    fn is_bounded(&self) -> bool {
        self.shared.stop.is_some()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        if self.upsert { ChangelogMode::UPSERT } else { self.layouts.value_format.read_mode() }
    }

    fn limit_batches(&mut self, rows: usize) {
        self.max_rows = self.max_rows.min(rows);
    }

    fn reader(&self, subtask: usize, parallelism: usize) -> Result<Box<dyn SourceReader>> {
        let consumer: BaseConsumer = self
            .shared
            .config
            .create()
            .map_err(|e| Error::option(format!("kafka client settings: {e}")))?;
        let active = self.parallelism.unwrap_or(parallelism).min(parallelism).max(1);
        let wants_key = self.layout.extra.iter().any(|(e, _)| matches!(e, Extra::Physical(_)));
        let key = match &self.layouts.key {
            Some((format, _, schema)) if wants_key => {
                let columns = self
                    .layout
                    .extra
                    .iter()
                    .filter_map(|(e, _)| match e {
                        Extra::Physical(c) => self.key_position(*c),
                        Extra::Metadata(_) => None,
                    })
                    .map(|i| FormatColumn::Path(vec![i]))
                    .collect();
                let read =
                    ReadSchema { physical: schema.clone(), columns, primary_key: Vec::new() };
                Some(format.decoder(&read)?)
            }
            _ => None,
        };
        Ok(Box::new(KafkaReader {
            shared: Arc::clone(&self.shared),
            consumer: Arc::new(consumer),
            layout: Arc::clone(&self.layout),
            value: self.layouts.value_format.decoder(&self.layout.read)?,
            key,
            subtask,
            active,
            parallelism,
            max_rows: self.max_rows,
            upsert: self.upsert,
            splits: Vec::new(),
            starter: None,
            started: None,
            was_restored: false,
            undealt: false,
            to_commit: None,
            rows: RowOrigins::default(),
            metadata: self.layout.extra.iter().map(|_| Vec::new()).collect(),
        }))
    }
}

impl KafkaSource {
    fn key_position(&self, physical: usize) -> Option<usize> {
        let (_, columns, _) = self.layouts.key.as_ref()?;
        columns.iter().position(|c| *c == physical)
    }
}

/// Which message and which decoded value each row comes from.
#[derive(Default)]
struct RowOrigins {
    message: Vec<u32>,
    value: Vec<Option<u32>>,
    kinds: Vec<u8>,
    /// Every row is the value of its own message.
    plain: bool,
}

struct KafkaReader {
    shared: Arc<Shared>,
    consumer: Arc<BaseConsumer>,
    layout: Arc<Layout>,
    value: Box<dyn Decoder>,
    key: Option<Box<dyn Decoder>>,
    subtask: usize,
    active: usize,
    parallelism: usize,
    max_rows: usize,
    upsert: bool,
    splits: Vec<Split>,
    starter: Option<Receiver<Result<Vec<Split>>>>,
    /// When partitions were last looked for.
    started: Option<Instant>,
    was_restored: bool,
    /// Restored splits are not dealt yet.
    undealt: bool,
    to_commit: Option<Vec<Split>>,
    rows: RowOrigins,
    /// Per extra column: one value per message.
    metadata: Vec<Vec<Value>>,
}

impl KafkaReader {
    /// Starts looking for partitions when it is time, and takes what was found.
    /// Returns whether partitions are known.
    fn prepare(&mut self) -> Result<bool> {
        if let Some(receiver) = &self.starter {
            match receiver.try_recv() {
                Ok(found) => {
                    self.starter = None;
                    let found = found?;
                    if !found.is_empty() {
                        self.splits.extend(found);
                        self.assign()?;
                    }
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    return Err(Error::internal("the search for kafka partitions died"));
                }
            }
            return Ok(self.starter.is_none() || !self.splits.is_empty());
        }
        let due = match (self.started, self.shared.discovery) {
            (None, _) => true,
            (Some(at), Some(interval)) => at.elapsed() >= interval,
            (Some(_), None) => false,
        };
        if !due {
            return Ok(true);
        }
        if self.undealt {
            let Some(splits) = self.shared.dealer.deal(self.subtask, self.parallelism) else {
                return Ok(false);
            };
            self.splits = splits;
            self.undealt = false;
            let mut state = self.shared.state.lock().unwrap_or_else(|e| e.into_inner());
            state.taken.extend(self.shared.dealer.all().unwrap_or_default());
        }
        let first_time = self.started.is_none();
        self.started = Some(Instant::now());
        let starter = Starter {
            shared: Arc::clone(&self.shared),
            consumer: Arc::clone(&self.consumer),
            subtask: self.subtask,
            active: self.active,
            first: first_time && !self.was_restored,
        };
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("kafka-discovery".into())
            .spawn(move || {
                // The reader may be gone by now.
                let _ = sender.send(starter.run());
            })
            .map_err(|e| Error::io(format!("cannot start a thread: {e}")))?;
        self.starter = Some(receiver);
        if first_time && !self.splits.is_empty() {
            self.assign()?;
        }
        Ok(!self.splits.is_empty())
    }

    fn assign(&self) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for s in self.splits.iter().filter(|s| !s.finished()) {
            list.add_partition_offset(&s.topic, s.partition, Offset::Offset(s.offset))
                .map_err(|e| unreachable(&self.shared.servers, &e))?;
        }
        self.consumer.assign(&list).map_err(|e| unreachable(&self.shared.servers, &e))
    }

    /// Takes messages until the batch is full or none is there.
    fn collect(&mut self) -> Result<()> {
        let consumer = Arc::clone(&self.consumer);
        let mut bytes = 0;
        while self.rows.message.len() < self.max_rows && bytes < MAX_BYTES {
            match consumer.poll(Duration::ZERO) {
                None => return Ok(()),
                Some(Ok(message)) => {
                    bytes += message.payload_len() + message.key_len();
                    self.message(&message)?;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.partition_end(partition),
                Some(Err(e)) => self.client_error(&e)?,
            }
        }
        Ok(())
    }

    fn message(&mut self, m: &BorrowedMessage<'_>) -> Result<()> {
        let Some(split) =
            self.splits.iter_mut().find(|s| s.partition == m.partition() && s.topic == m.topic())
        else {
            return Ok(());
        };
        let next = m.offset() + 1;
        // Late deliveries of a former assignment, and what lies behind the end.
        if m.offset() < split.offset || split.finished() {
            return Ok(());
        }
        if split.stop.is_some_and(|stop| m.offset() >= stop) {
            split.offset = next;
            return Ok(());
        }
        let place = |e: Error| {
            e.context(format!(
                "message at offset {} of partition {} of topic '{}'",
                m.offset(),
                m.partition(),
                m.topic()
            ))
        };
        let before = self.value.rows();
        if let Some(payload) = m.payload() {
            self.value.decode_record(payload).map_err(place)?;
        }
        let decoded = self.value.rows() - before;
        let tombstone = self.upsert && m.payload().is_none();
        let number = self.metadata_len() as u32;
        if decoded > 0 || tombstone {
            if let Some(key) = &mut self.key {
                let keys = key.rows();
                // A message without key has NULL key columns, as an empty object has.
                key.decode_record(m.key().unwrap_or(b"{}")).map_err(place)?;
                if key.rows() != keys + 1 {
                    return Err(place(Error::data("the key of the message is not one record")));
                }
            }
            self.push_metadata(m);
        }
        if tombstone {
            self.rows.message.push(number);
            self.rows.value.push(None);
            self.rows.kinds.push(RowKind::Delete as u8);
            self.rows.plain = false;
        }
        for i in 0..decoded {
            self.rows.message.push(number);
            self.rows.value.push(Some((before + i) as u32));
            let kind = if self.upsert { RowKind::UpdateAfter } else { RowKind::Insert };
            self.rows.kinds.push(kind as u8);
        }
        if decoded != 1 {
            self.rows.plain = false;
        }
        if let Some(split) =
            self.splits.iter_mut().find(|s| s.partition == m.partition() && s.topic == m.topic())
        {
            split.offset = next;
        }
        Ok(())
    }

    /// Messages of this batch so far that gave rows.
    fn metadata_len(&self) -> usize {
        self.rows.message.last().map_or(0, |m| *m as usize + 1)
    }

    fn push_metadata(&mut self, m: &BorrowedMessage<'_>) {
        for ((extra, _), values) in self.layout.extra.iter().zip(&mut self.metadata) {
            let Extra::Metadata(key) = extra else { continue };
            values.push(metadata(m, key));
        }
    }

    /// With 'scan.bounded.mode' the end of a partition ends its split: the stop offset
    /// was at most the end when the job began, and transaction markers count as offsets.
    fn partition_end(&mut self, partition: i32) {
        let mut at: Vec<&mut Split> =
            self.splits.iter_mut().filter(|s| s.partition == partition && !s.finished()).collect();
        if let [only] = at.as_mut_slice()
            && let Some(stop) = only.stop
        {
            only.offset = only.offset.max(stop);
        }
    }

    fn client_error(&self, e: &KafkaError) -> Result<()> {
        use RDKafkaErrorCode::*;
        match e.rdkafka_error_code() {
            // The client goes on trying by itself.
            Some(
                BrokerTransportFailure
                | AllBrokersDown
                | OperationTimedOut
                | Resolve
                | RequestTimedOut
                | NetworkException
                | LeaderNotAvailable
                | NotLeaderForPartition
                | BrokerNotAvailable
                | CoordinatorLoadInProgress
                | CoordinatorNotAvailable,
            ) => Ok(()),
            Some(AutoOffsetReset | OffsetOutOfRange) => Err(Error::io(format!(
                "the offset to read from is no longer in Kafka: {e}"
            ))
            .hint("set 'properties.auto.offset.reset' = 'earliest' or 'latest' to go on there")),
            _ => Err(unreachable(&self.shared.servers, e)),
        }
    }

    fn batch(&mut self) -> Result<Poll> {
        let rows =
            std::mem::replace(&mut self.rows, RowOrigins { plain: true, ..Default::default() });
        let count = rows.message.len();
        let decoded = self.value.finish()?;
        let keys = match &mut self.key {
            Some(k) => k.finish()?.columns,
            None => Vec::new(),
        };
        let by_message = UInt32Array::from(rows.message);
        let spread = |array: ArrayRef| -> Result<ArrayRef> {
            if rows.plain {
                return Ok(array);
            }
            Ok(arrow::compute::take(&array, &by_message, None)?)
        };
        let mut key_columns = keys.into_iter();
        let mut extra = Vec::with_capacity(self.layout.extra.len());
        for ((kind, ty), values) in self.layout.extra.iter().zip(&mut self.metadata) {
            let array = match kind {
                Extra::Metadata(_) => values_to_array(&std::mem::take(values), ty)?,
                Extra::Physical(_) => key_columns
                    .next()
                    .ok_or_else(|| Error::internal("key column was not decoded"))?,
            };
            extra.push(spread(array)?);
        }
        let columns = if rows.plain {
            decoded.columns
        } else {
            let by_value = UInt32Array::from(rows.value);
            decoded
                .columns
                .iter()
                .map(|c| Ok(arrow::compute::take(c, &by_value, None)?))
                .collect::<Result<Vec<_>>>()?
        };
        let kinds = if self.upsert { Some(rows.kinds) } else { decoded.kinds };
        Ok(Poll::Batch(self.layout.batch(&columns, &extra, count, kinds)?))
    }
}

fn metadata(m: &BorrowedMessage<'_>, key: &str) -> Value {
    match key {
        "topic" => Value::String(m.topic().to_owned()),
        "partition" => Value::Int(m.partition().into()),
        "offset" => Value::Int(m.offset()),
        "timestamp" => m.timestamp().to_millis().map_or(Value::Null, Value::Timestamp),
        "timestamp-type" => Value::String(
            match m.timestamp() {
                Timestamp::NotAvailable => "NoTimestampType",
                Timestamp::CreateTime(_) => "CreateTime",
                Timestamp::LogAppendTime(_) => "LogAppendTime",
            }
            .to_owned(),
        ),
        "headers" => {
            let entries = m.headers().map_or_else(Vec::new, |headers| {
                headers
                    .iter()
                    .map(|h| {
                        let value = h.value.map_or(Value::Null, |v| Value::Bytes(v.to_vec()));
                        (Value::String(h.key.to_owned()), value)
                    })
                    .collect()
            });
            Value::Map(entries)
        }
        // The client does not tell the leader epoch of a message.
        _ => Value::Null,
    }
}

impl SourceReader for KafkaReader {
    fn poll(&mut self) -> Result<Poll> {
        if !self.prepare()? {
            return Ok(Poll::Pending(Duration::from_millis(2)));
        }
        self.rows.plain = true;
        self.collect()?;
        if !self.rows.message.is_empty() {
            return self.batch();
        }
        let searching = self.starter.is_some();
        if self.shared.stop.is_some() && !searching && self.splits.iter().all(Split::finished) {
            return Ok(Poll::End);
        }
        Ok(Poll::Pending(Duration::from_millis(1)))
    }

    fn position(&mut self) -> Result<Vec<Vec<u8>>> {
        self.to_commit = Some(self.splits.clone());
        restore::encode(self.splits.iter())
    }

    fn restore(&mut self, splits: Vec<Vec<u8>>) -> Result<()> {
        self.splits = self.shared.dealer.hand_in(self.subtask, &splits)?;
        // Without any partition the earlier run had not come to look for them.
        self.was_restored = !splits.is_empty();
        self.undealt = self.was_restored;
        Ok(())
    }

    fn on_checkpoint(&mut self) -> Result<()> {
        let Some(splits) = self.to_commit.take().filter(|s| self.shared.commits && !s.is_empty())
        else {
            return Ok(());
        };
        let mut list = TopicPartitionList::new();
        for s in &splits {
            // Offsets in the group are for monitoring; the checkpoint has the true ones.
            let _ = list.add_partition_offset(&s.topic, s.partition, Offset::Offset(s.offset));
        }
        let _ = self.consumer.commit(&list, CommitMode::Async);
        Ok(())
    }
}
