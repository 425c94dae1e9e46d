//! Exactly once: every epoch of a subtask is one transaction.
//!
//! A subtask takes a producer from its pool at the first record of an epoch. At the
//! barrier the transaction is complete at the brokers and its identity becomes the
//! committable; the producer goes to the committer, which ends the transaction when the
//! checkpoint is decided. The next epoch meanwhile uses another producer.
//!
//! Transactional ids are `prefix-sink-generation-subtask-number`. The generation is the
//! epoch that the run was restored from, and a producer rests for one epoch after its
//! commit: so an id in a checkpoint carries no later transaction, and what the brokers
//! say about the id tells for sure whether the recorded transaction was committed.
//!
//! Invariants: a recorded transaction is never aborted by us; everything else that is
//! open under the sink's ids is aborted before the first writer begins.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use weir_core::{Error, Options, Result};

use super::control::{Control, Found, Transaction};
use super::deliveries::{Deliveries, lock};
use super::unreachable;
use crate::api::{Committer, SinkIdentity};

/// How long a transaction may stay open when the table does not say; Flink's default.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
/// The brokers' own limit unless configured otherwise.
const BROKER_DEFAULT: Duration = Duration::from_secs(900);
/// How long brokers may be away while a transaction begins or ends.
const PATIENCE: Duration = Duration::from_secs(130);

/// A client with what its delivery reports said.
pub(super) struct Client {
    pub(super) producer: BaseProducer<Deliveries>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Client {
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        let failure = Arc::new(Mutex::new(None));
        let producer = config
            .create_with_context(Deliveries { failure: Arc::clone(&failure) })
            .map_err(|e| Error::option(format!("kafka client settings: {e}")))?;
        Ok(Self { producer, failure })
    }

    /// The first message that could not be delivered, once.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.failure).take()
    }
}

/// A client with a transactional id.
pub(super) struct Transactional {
    pub(super) id: String,
    pub(super) client: Client,
}

/// What writers and committer of a sink share.
pub(super) struct Transactions {
    config: ClientConfig,
    servers: String,
    /// `sink.transactional-id-prefix`
    prefix: String,
    /// Producers are used again.
    pooled: bool,
    /// `properties.transaction.timeout.ms`
    timeout: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    identity: Option<SinkIdentity>,
    generation: u64,
    timeout: Option<Duration>,
    /// Numbers given to producers so far, per subtask.
    numbers: HashMap<usize, u64>,
    /// Complete transactions whose epoch is not decided yet.
    prepared: HashMap<String, (usize, Transactional)>,
    /// Committed, by epoch; free when a later epoch is decided.
    resting: BTreeMap<u64, Vec<(usize, Transactional)>>,
    free: HashMap<usize, Vec<Transactional>>,
}

impl Transactions {
    /// Checks the options that only exactly-once needs.
    pub(super) fn new(o: &Options, config: &ClientConfig, servers: &str) -> Result<Self> {
        let prefix = o.get("sink.transactional-id-prefix").ok_or_else(|| {
            Error::option(
                "'sink.delivery-guarantee' = 'exactly-once' needs option \
                 'sink.transactional-id-prefix'",
            )
            .hint("add 'sink.transactional-id-prefix' = '...', a name of this job's own")
        })?;
        let pooled = match o.get("sink.transaction-naming-strategy").unwrap_or("POOLING") {
            s if s.eq_ignore_ascii_case("pooling") => true,
            s if s.eq_ignore_ascii_case("incrementing") => false,
            v => {
                return Err(weir_core::config::bad_value(
                    "sink.transaction-naming-strategy",
                    v,
                    "'POOLING' or 'INCREMENTING'",
                ));
            }
        };
        let key = "properties.transaction.timeout.ms";
        let timeout = match o.i64_opt(key)? {
            None => None,
            Some(n) if n > 0 => Some(Duration::from_millis(n as u64)),
            Some(n) => {
                return Err(weir_core::config::bad_value(key, &n.to_string(), "milliseconds"));
            }
        };
        // Finds out now whether the requests of a recovery can be sent at all.
        Control::new(config)?;
        let mut config = config.clone();
        config.set("enable.idempotence", "true");
        Ok(Self {
            config,
            servers: servers.to_owned(),
            prefix: prefix.to_owned(),
            pooled,
            timeout,
            state: Mutex::default(),
        })
    }

    pub(super) fn identify(&self, identity: SinkIdentity) {
        lock(&self.state).identity = Some(identity);
    }

    /// How the transactional ids of this sink begin.
    fn family(&self) -> String {
        let sink = match &lock(&self.state).identity {
            Some(i) => SinkIdentity { job: String::new(), ..i.clone() }.name(),
            None => "-sink".to_owned(),
        };
        format!("{}{sink}-", self.prefix)
    }

    /// A producer that is ready to begin a transaction.
    pub(super) fn take(&self, subtask: usize) -> Result<Transactional> {
        if let Some(ready) = lock(&self.state).free.get_mut(&subtask).and_then(Vec::pop) {
            return Ok(ready);
        }
        let family = self.family();
        let (id, timeout) = {
            let mut state = lock(&self.state);
            let number = state.numbers.entry(subtask).or_default();
            *number += 1;
            let number = *number - 1;
            let timeout = state.timeout.or(self.timeout).unwrap_or(BROKER_DEFAULT);
            (format!("{family}{}-{subtask}-{number}", state.generation), timeout)
        };
        let mut config = self.config.clone();
        config.set("transactional.id", &id);
        config.set("transaction.timeout.ms", timeout.as_millis().to_string());
        let client = Client::new(&config)?;
        let begun = Instant::now();
        while let Err(e) = client.producer.init_transactions(Duration::from_secs(10)) {
            if !retriable(&e) || begun.elapsed() > PATIENCE {
                return Err(unreachable(&self.servers, &e)
                    .context(format!("while starting transactional id '{id}'")));
            }
        }
        Ok(Transactional { id, client })
    }

    /// Takes a complete transaction over until its epoch is decided.
    pub(super) fn prepared(&self, subtask: usize, t: Transactional) {
        lock(&self.state).prepared.insert(t.id.clone(), (subtask, t));
    }

    /// Gives back a producer whose transaction was ended.
    fn rest(&self, epoch: u64, subtask: usize, t: Transactional) {
        if self.pooled {
            lock(&self.state).resting.entry(epoch).or_default().push((subtask, t));
        }
    }

    /// A later epoch is decided: producers of earlier ones may be used again.
    fn release(&self, epoch: u64) {
        let mut state = lock(&self.state);
        let later = state.resting.split_off(&epoch);
        for (subtask, t) in std::mem::replace(&mut state.resting, later).into_values().flatten() {
            state.free.entry(subtask).or_default().push(t);
        }
    }

    fn control(&self) -> Result<Control> {
        Control::new(&self.config)
    }

    pub(super) fn committer(self: &Arc<Self>) -> Result<Box<dyn Committer>> {
        Ok(Box::new(KafkaCommitter { shared: Arc::clone(self), control: self.control()? }))
    }

    /// The identity of a producer's open transaction.
    pub(super) fn describe(&self, control: &mut Option<Control>, id: &str) -> Result<Transaction> {
        if control.is_none() {
            *control = Some(self.control()?);
        }
        let found = match control {
            Some(c) => c.describe(id)?,
            None => None,
        };
        match found {
            Some(Found { transaction, state }) if state == "Ongoing" => Ok(transaction),
            other => Err(Error::io(format!(
                "the transaction '{id}' should be open at the brokers, but is {}",
                other.map_or("unknown".to_owned(), |f| f.state)
            ))),
        }
    }

    /// The time a transaction may stay open, within what the brokers allow.
    fn settle_timeout(&self, control: &mut Control) -> Result<()> {
        let most = control.max_timeout().unwrap_or(None);
        let timeout = match (self.timeout, most) {
            (Some(wanted), Some(most)) if wanted > most => {
                return Err(Error::option(format!(
                    "'properties.transaction.timeout.ms' = '{}' is more than the brokers allow \
                     ('transaction.max.timeout.ms' = {})",
                    wanted.as_millis(),
                    most.as_millis()
                ))
                .hint(format!("set it to at most '{}'", most.as_millis())));
            }
            (Some(wanted), _) => wanted,
            (None, Some(most)) => DEFAULT_TIMEOUT.min(most),
            (None, None) => BROKER_DEFAULT,
        };
        lock(&self.state).timeout = Some(timeout);
        Ok(())
    }
}

fn retriable(e: &KafkaError) -> bool {
    matches!(e, KafkaError::Transaction(t) if t.is_retriable())
}

struct KafkaCommitter {
    shared: Arc<Transactions>,
    control: Control,
}

impl KafkaCommitter {
    fn commit_one(&mut self, epoch: u64, transaction: &Transaction) -> Result<()> {
        let own = lock(&self.shared.state).prepared.remove(&transaction.id);
        let Some((subtask, t)) = own else { return self.settle(transaction) };
        let begun = Instant::now();
        loop {
            match t.client.producer.commit_transaction(Duration::from_secs(10)) {
                Ok(()) => break,
                Err(e) if retriable(&e) && begun.elapsed() < PATIENCE => {}
                // The brokers know better how it stands, and the client is of no use any more.
                Err(_) => return self.settle(transaction),
            }
        }
        self.shared.rest(epoch, subtask, t);
        Ok(())
    }

    /// Commits a recorded transaction of which this process has no producer.
    fn settle(&mut self, t: &Transaction) -> Result<()> {
        let Some(now) = self.control.describe(&t.id)? else {
            return Err(Error::io(format!(
                "the brokers do not know the transaction '{}' any more, which the checkpoint \
                 wants committed",
                t.id
            ))
            .hint("they forget ids after 'transactional.id.expiration.ms'; start from a newer checkpoint"));
        };
        let same = now.transaction.producer_id == t.producer_id
            && now.transaction.producer_epoch == t.producer_epoch;
        match now.state.as_str() {
            "Ongoing" if same && now.transaction.started == t.started => {
                self.control.commit(t)?;
                self.control.await_markers(&t.id)
            }
            "PrepareCommit" if same => self.control.await_markers(&t.id),
            // A later transaction of the same producer: this one was committed before it.
            "Ongoing" | "CompleteCommit" if same => Ok(()),
            state => Err(Error::io(format!(
                "the transaction '{}', which the checkpoint wants committed, was ended by the \
                 brokers (now {state}): its records are lost",
                t.id
            ))
            .hint(
                "raise 'properties.transaction.timeout.ms' above the longest time that a job \
                 may be down; to go on all the same, start from an earlier checkpoint",
            )),
        }
    }

    /// Aborts what earlier runs left open under this sink's ids.
    fn abort_lingering(&mut self) -> Result<()> {
        let family = self.shared.family();
        for id in self.control.open(&family)? {
            let numbers: Vec<&str> = id[family.len()..].split('-').collect();
            let ours = numbers.len() == 3 && numbers.iter().all(|n| n.parse::<u64>().is_ok());
            if ours {
                self.control.abort(&id)?;
            }
        }
        Ok(())
    }
}

fn decode(committables: &[Vec<u8>]) -> Result<Vec<Transaction>> {
    let one = |bytes: &Vec<u8>| {
        serde_json::from_slice(bytes)
            .map_err(|e| Error::data(format!("cannot read a Kafka committable: {e}")))
    };
    committables.iter().map(one).collect()
}

pub(super) fn encode(t: &Transaction) -> Result<Vec<u8>> {
    serde_json::to_vec(t).map_err(|e| Error::internal(format!("Kafka committable: {e}")))
}

impl Committer for KafkaCommitter {
    fn commit(&mut self, epoch: u64, committables: Vec<Vec<u8>>) -> Result<()> {
        for t in decode(&committables)? {
            self.commit_one(epoch, &t)
                .map_err(|e| e.context(format!("while committing epoch {epoch} to Kafka")))?;
        }
        self.shared.release(epoch);
        Ok(())
    }

    fn recover(&mut self, restored: Option<(u64, Vec<Vec<u8>>)>) -> Result<()> {
        self.control.check_brokers()?;
        self.shared.settle_timeout(&mut self.control)?;
        if let Some((epoch, committables)) = restored {
            lock(&self.shared.state).generation = epoch;
            for t in decode(&committables)? {
                self.settle(&t)
                    .map_err(|e| e.context(format!("while committing epoch {epoch} to Kafka")))?;
            }
        }
        self.abort_lingering()
    }
}
