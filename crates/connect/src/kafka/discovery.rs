//! Which partitions there are, who reads them, and from where to where.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;
use serde::{Deserialize, Serialize};
use weir_core::config::bad_value;
use weir_core::{Error, Options, Result};

use super::unreachable;
use crate::restore::{Dealer, Progress};

/// How long the brokers may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

pub(super) type Partition = (String, i32);

/// Where reading starts or stops.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Earliest,
    Latest,
    Group,
    Timestamp(i64),
    Specific(HashMap<i32, i64>),
}

pub(super) enum Topics {
    List(Vec<String>),
    Pattern(Regex),
}

/// What all readers of a scan have in common.
pub(super) struct Shared {
    pub(super) servers: String,
    pub(super) config: rdkafka::ClientConfig,
    pub(super) commits: bool,
    pub(super) topics: Topics,
    pub(super) start: Place,
    pub(super) stop: Option<Place>,
    pub(super) discovery: Option<Duration>,
    pub(super) reset: Option<String>,
    pub(super) state: Mutex<State>,
    pub(super) dealer: Dealer<Split>,
}

#[derive(Default)]
pub(super) struct State {
    /// Partitions that some reader has had.
    pub(super) taken: HashSet<Partition>,
}

pub(super) fn topics(o: &Options) -> Result<Topics> {
    match (o.get("topic"), o.get("topic-pattern")) {
        (Some(list), None) => {
            Ok(Topics::List(list.split(';').map(|t| t.trim().to_owned()).collect()))
        }
        (None, Some(p)) => Regex::new(&format!("^(?:{p})$"))
            .map(Topics::Pattern)
            .map_err(|_| bad_value("topic-pattern", p, "a regular expression")),
        (Some(_), Some(_)) => Err(Error::option("'topic' and 'topic-pattern' exclude each other")),
        (None, None) => Err(Error::option("missing required option 'topic' (or 'topic-pattern')")
            .hint("add 'topic' = '...' to the WITH clause")),
    }
}

/// A startup or bounded mode with its own options.
pub(super) fn place(o: &Options, prefix: &str, mode: &str, start: bool) -> Result<Place> {
    Ok(match mode {
        "earliest-offset" if start => Place::Earliest,
        "latest-offset" => Place::Latest,
        "group-offsets" => Place::Group,
        "timestamp" => {
            let key = format!("{prefix}.timestamp-millis");
            o.require(&key)?;
            Place::Timestamp(o.i64_opt(&key)?.unwrap_or(0))
        }
        "specific-offsets" => {
            let key = format!("{prefix}.specific-offsets");
            let text = o.require(&key)?;
            Place::Specific(specific(text).ok_or_else(|| {
                bad_value(&key, text, "'partition:0,offset:42;partition:1,offset:300'")
            })?)
        }
        other => {
            let expected = if start {
                "'earliest-offset', 'latest-offset', 'group-offsets', 'timestamp' or 'specific-offsets'"
            } else {
                "'unbounded', 'latest-offset', 'group-offsets', 'timestamp' or 'specific-offsets'"
            };
            return Err(bad_value(&format!("{prefix}.mode"), other, expected));
        }
    })
}

fn specific(text: &str) -> Option<HashMap<i32, i64>> {
    text.split(';')
        .filter(|p| !p.trim().is_empty())
        .map(|pair| {
            let (p, o) = pair.trim().split_once(',')?;
            let partition = p.trim().strip_prefix("partition:")?.trim().parse().ok()?;
            let offset = o.trim().strip_prefix("offset:")?.trim().parse().ok()?;
            Some((partition, offset))
        })
        .collect()
}

/// A partition and how far it has been read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Split {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// Next offset.
    pub(super) offset: i64,
    /// First offset that is not read any more.
    pub(super) stop: Option<i64>,
}

impl Progress for Split {
    type Id = Partition;
    fn id(&self) -> Partition {
        (self.topic.clone(), self.partition)
    }
    fn progress(&self) -> u64 {
        self.offset.max(0) as u64
    }
}

impl Split {
    pub(super) fn finished(&self) -> bool {
        self.stop.is_some_and(|s| self.offset >= s)
    }
}

/// Finds partitions and their offsets; runs on its own thread.
pub(super) struct Starter {
    pub(super) shared: Arc<Shared>,
    pub(super) consumer: Arc<BaseConsumer>,
    pub(super) subtask: usize,
    pub(super) active: usize,
    /// The first search of a job that was not restored.
    pub(super) first: bool,
}

impl Starter {
    fn failed(&self, e: &KafkaError) -> Error {
        unreachable(&self.shared.servers, e)
    }

    pub(super) fn run(&self) -> Result<Vec<Split>> {
        let mut found = self.partitions()?;
        {
            let mut state = self.shared.state.lock().unwrap_or_else(|e| e.into_inner());
            found.retain(|p| owner(p, self.active) == self.subtask && !state.taken.contains(p));
            state.taken.extend(found.iter().cloned());
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        // Partitions that appear while the job runs are read from their beginning.
        let start = if self.first { &self.shared.start } else { &Place::Earliest };
        let starts = self.offsets(&found, start, true)?;
        let stops = match &self.shared.stop {
            Some(place) => self.offsets(&found, place, false)?.into_iter().map(Some).collect(),
            None => vec![None; found.len()],
        };
        Ok(found
            .into_iter()
            .zip(starts)
            .zip(stops)
            .map(|(((topic, partition), offset), stop)| Split { topic, partition, offset, stop })
            .collect())
    }

    fn partitions(&self) -> Result<Vec<Partition>> {
        let mut out = Vec::new();
        let mut add = |topic: &rdkafka::metadata::MetadataTopic| {
            out.extend(topic.partitions().iter().map(|p| (topic.name().to_owned(), p.id())));
        };
        match &self.shared.topics {
            Topics::List(names) => {
                for name in names {
                    let metadata = self
                        .consumer
                        .fetch_metadata(Some(name), ANSWER)
                        .map_err(|e| self.failed(&e))?;
                    let topic = metadata.topics().first().filter(|t| !t.partitions().is_empty());
                    let topic = topic.ok_or_else(|| {
                        Error::io(format!(
                            "topic '{name}' does not exist at Kafka '{}'",
                            self.shared.servers
                        ))
                        .hint("check option 'topic', or create the topic")
                    })?;
                    add(topic);
                }
            }
            Topics::Pattern(pattern) => {
                let metadata =
                    self.consumer.fetch_metadata(None, ANSWER).map_err(|e| self.failed(&e))?;
                metadata.topics().iter().filter(|t| pattern.is_match(t.name())).for_each(&mut add);
            }
        }
        Ok(out)
    }

    fn offsets(&self, partitions: &[Partition], place: &Place, start: bool) -> Result<Vec<i64>> {
        let by_list = match place {
            Place::Group => Some(self.committed(partitions)?),
            Place::Timestamp(millis) => {
                let mut list = TopicPartitionList::new();
                for (topic, partition) in partitions {
                    list.add_partition_offset(topic, *partition, Offset::Offset(*millis))
                        .map_err(|e| self.failed(&e))?;
                }
                let found =
                    self.consumer.offsets_for_times(list, ANSWER).map_err(|e| self.failed(&e))?;
                Some(offsets_of(&found))
            }
            _ => None,
        };
        partitions
            .iter()
            .map(|p| {
                let (low, high) = self
                    .consumer
                    .fetch_watermarks(&p.0, p.1, ANSWER)
                    .map_err(|e| self.failed(&e))?;
                Ok(match place {
                    Place::Earliest => low,
                    Place::Latest => high,
                    Place::Specific(m) => match m.get(&p.1) {
                        Some(o) => *o,
                        None if start => low,
                        None => high,
                    },
                    Place::Timestamp(_) => {
                        by_list.as_ref().and_then(|l| l.get(p)).copied().unwrap_or(high)
                    }
                    Place::Group => match by_list.as_ref().and_then(|l| l.get(p)) {
                        Some(o) => *o,
                        None => self.reset(p, low, high)?,
                    },
                })
            })
            .collect()
    }

    fn committed(&self, partitions: &[Partition]) -> Result<HashMap<Partition, i64>> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let found = self.consumer.committed_offsets(list, ANSWER).map_err(|e| self.failed(&e))?;
        Ok(offsets_of(&found))
    }

    /// The offset of a partition without a committed one.
    fn reset(&self, p: &Partition, low: i64, high: i64) -> Result<i64> {
        match self.shared.reset.as_deref() {
            Some("earliest") => Ok(low),
            Some("latest") => Ok(high),
            _ => Err(Error::io(format!(
                "the consumer group has no committed offset for partition {} of topic '{}'",
                p.1, p.0
            ))
            .hint(
                "set 'properties.auto.offset.reset' = 'earliest' or 'latest', or another \
                 'scan.startup.mode'",
            )),
        }
    }
}

fn offsets_of(list: &TopicPartitionList) -> HashMap<Partition, i64> {
    list.elements()
        .iter()
        .filter_map(|e| match e.offset() {
            Offset::Offset(o) if o >= 0 => Some(((e.topic().to_owned(), e.partition()), o)),
            _ => None,
        })
        .collect()
}

/// The subtask of a partition: partitions of a topic go round the subtasks.
fn owner(p: &Partition, active: usize) -> usize {
    let hash = p.0.bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
    ((hash as usize & 0x7FFF_FFFF) + p.1 as usize) % active
}
