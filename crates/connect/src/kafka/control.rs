//! What librdkafka cannot do with transactions: look at one, end one of an earlier
//! process, find those that were left open.
//!
//! A transaction is (transactional id, producer id, producer epoch, time of its start).
//! Several transactions in a row share the first three, so the start tells whether a
//! recorded one is still open. Needs Kafka 3.0 (KIP-664).

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeTransactionsRequest, DescribeTransactionsResponse,
    EndTxnRequest, EndTxnResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    InitProducerIdRequest, InitProducerIdResponse, ListTransactionsRequest,
    ListTransactionsResponse, MetadataRequest, MetadataResponse, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};
use weir_core::{Error, Result};

use super::unreachable;
use super::wire::{Connection, Security};

/// How long brokers may be away or busy before a request is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Key type of a transaction's coordinator.
const TRANSACTION: i8 = 1;
/// Resource type of a broker.
const BROKER: i8 = 4;
const MAX_TIMEOUT: &str = "transaction.max.timeout.ms";

/// A transaction as its coordinator knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transaction {
    /// Transactional id.
    pub(super) id: String,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    /// Milliseconds since 1970 by the broker's clock.
    pub(super) started: i64,
}

/// What is known about a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) transaction: Transaction,
    /// `Empty`, `Ongoing`, `PrepareCommit`, `CompleteCommit`, ...
    pub(super) state: String,
}

/// A client for the requests above.
pub(super) struct Control {
    servers: String,
    security: Security,
    connections: HashMap<String, Connection>,
    coordinators: HashMap<String, String>,
    patience: Duration,
}

/// Why a try failed.
enum Failure {
    /// Later or elsewhere it may work.
    Again(Error),
    Final(Error),
}

impl Failure {
    fn code(what: &str, code: i16) -> Self {
        let Some(e) = ResponseError::try_from_code(code) else {
            return Self::Final(Error::internal(format!("{what}: no error")));
        };
        let error = Error::io(format!("Kafka refuses to {what}: {e}"));
        // The markers of the transaction before are still being written.
        if e.is_retriable() || e == ResponseError::ConcurrentTransactions {
            Self::Again(error)
        } else {
            Self::Final(error)
        }
    }
}

impl Control {
    /// A client with the settings of the data client; connects when first used.
    pub(super) fn new(config: &ClientConfig) -> Result<Self> {
        Ok(Self {
            servers: config.get("bootstrap.servers").unwrap_or_default().to_owned(),
            security: Security::new(config)?,
            connections: HashMap::new(),
            coordinators: HashMap::new(),
            patience: PATIENCE,
        })
    }

    fn connection(&mut self, address: &str) -> Result<&mut Connection> {
        if !self.connections.contains_key(address) {
            let opened = Connection::open(address, &self.security)?;
            self.connections.insert(address.to_owned(), opened);
        }
        self.connections.get_mut(address).ok_or_else(|| Error::internal("a lost connection"))
    }

    /// Repeats `each` until it works or the patience ends.
    fn patiently<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            match each(self) {
                Ok(done) => return Ok(done),
                Err(Failure::Final(e)) => return Err(e),
                Err(Failure::Again(e)) => {
                    if begun.elapsed() > self.patience {
                        return Err(unreachable(&self.servers, &e.message()));
                    }
                    self.connections.clear();
                    self.coordinators.clear();
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    /// Asks the first bootstrap server that answers.
    fn bootstrap<T>(&mut self, mut ask: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        let mut last = Error::io("no server in 'properties.bootstrap.servers'");
        for address in self.servers.clone().split(',').map(str::trim) {
            // A listener may be named in front of the address.
            let address = address.rsplit_once("://").map_or(address, |(_, a)| a);
            match self.connection(address).and_then(&mut ask) {
                Ok(answer) => return Ok(answer),
                Err(e) => {
                    self.connections.remove(address);
                    last = e;
                }
            }
        }
        Err(last)
    }

    /// Fails when the brokers are too old to look at transactions.
    pub(super) fn check_brokers(&mut self) -> Result<()> {
        let answer: ApiVersionsResponse = self.patiently(|c| {
            c.bootstrap(|b| b.call(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()))
                .map_err(Failure::Again)
        })?;
        let known = |key: ApiKey| answer.api_keys.iter().any(|k| k.api_key == key as i16);
        if known(ApiKey::DescribeTransactions) && known(ApiKey::ListTransactions) {
            return Ok(());
        }
        Err(Error::unsupported(
            "'sink.delivery-guarantee' = 'exactly-once' with Kafka brokers before 3.0",
        )
        .hint("use 'at-least-once', or upgrade the brokers"))
    }

    /// The longest transaction that the brokers allow; `None` if they do not tell.
    pub(super) fn max_timeout(&mut self) -> Result<Option<Duration>> {
        let nodes = self.brokers()?;
        let Some((node, address)) = nodes.into_iter().next() else { return Ok(None) };
        let resource = DescribeConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(StrBytes::from_string(node.to_string()))
            .with_configuration_keys(Some(vec![StrBytes::from_static_str(MAX_TIMEOUT)]));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer: DescribeConfigsResponse = self.patiently(|c| {
            c.connection(&address)
                .and_then(|b| b.call(ApiKey::DescribeConfigs, 1, &request))
                .map_err(Failure::Again)
        })?;
        let values = answer.results.iter().flat_map(|r| &r.configs);
        let found = values.filter(|c| &*c.name == MAX_TIMEOUT).find_map(|c| c.value.as_deref());
        Ok(found.and_then(|v| v.parse().ok()).map(Duration::from_millis))
    }

    /// All brokers: node number and address.
    fn brokers(&mut self) -> Result<Vec<(i32, String)>> {
        let request = MetadataRequest::default()
            .with_topics(Some(Vec::new()))
            .with_allow_auto_topic_creation(false);
        let answer: MetadataResponse = self.patiently(|c| {
            c.bootstrap(|b| b.call(ApiKey::Metadata, 4, &request)).map_err(Failure::Again)
        })?;
        let address = |b: &MetadataResponseBroker| format!("{}:{}", b.host, b.port);
        Ok(answer.brokers.iter().map(|b| (b.node_id.0, address(b))).collect())
    }

    fn coordinator(&mut self, id: &str) -> std::result::Result<String, Failure> {
        if let Some(known) = self.coordinators.get(id) {
            return Ok(known.clone());
        }
        let request = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(id.to_owned()))
            .with_key_type(TRANSACTION);
        let answer: FindCoordinatorResponse = self
            .bootstrap(|b| b.call(ApiKey::FindCoordinator, 3, &request))
            .map_err(Failure::Again)?;
        if answer.error_code != 0 {
            return Err(Failure::code("name a transaction coordinator", answer.error_code));
        }
        let address = format!("{}:{}", answer.host, answer.port);
        self.coordinators.insert(id.to_owned(), address.clone());
        Ok(address)
    }

    /// Asks the coordinator of a transactional id.
    fn at_coordinator<T>(
        &mut self,
        id: &str,
        mut ask: impl FnMut(&mut Connection) -> Result<T>,
    ) -> std::result::Result<T, Failure> {
        let address = self.coordinator(id)?;
        self.connection(&address).and_then(&mut ask).map_err(Failure::Again)
    }

    /// The state of a transactional id; `None` if the brokers do not know it.
    pub(super) fn describe(&mut self, id: &str) -> Result<Option<Found>> {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![name(id)]);
        self.patiently(|c| {
            let answer: DescribeTransactionsResponse =
                c.at_coordinator(id, |b| b.call(ApiKey::DescribeTransactions, 0, &request))?;
            let Some(state) = answer.transaction_states.into_iter().next() else {
                return Ok(None);
            };
            match ResponseError::try_from_code(state.error_code) {
                None => Ok(Some(Found {
                    transaction: Transaction {
                        id: id.to_owned(),
                        producer_id: state.producer_id.0,
                        producer_epoch: state.producer_epoch,
                        started: state.transaction_start_time_ms,
                    },
                    state: state.transaction_state.to_string(),
                })),
                Some(ResponseError::TransactionalIdNotFound) => Ok(None),
                Some(_) => Err(Failure::code("describe a transaction", state.error_code)),
            }
        })
    }

    /// Commits a transaction that [`Control::describe`] has just found open.
    pub(super) fn commit(&mut self, t: &Transaction) -> Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(name(&t.id))
            .with_producer_id(t.producer_id.into())
            .with_producer_epoch(t.producer_epoch)
            .with_committed(true);
        // Version 3 leaves the producer's epoch as it is.
        self.patiently(|c| {
            let answer: EndTxnResponse =
                c.at_coordinator(&t.id, |b| b.call(ApiKey::EndTxn, 3, &request))?;
            match answer.error_code {
                0 => Ok(()),
                code => Err(Failure::code("commit a transaction", code)),
            }
        })
    }

    /// Waits until the brokers have written the markers of a transaction that ends.
    ///
    /// Until then it is listed as open; taking its id over would make a committed
    /// transaction look like a lost one to the next recovery.
    pub(super) fn await_markers(&mut self, id: &str) -> Result<()> {
        self.patiently(|c| match c.describe(id).map_err(Failure::Final)? {
            Some(f) if f.state.starts_with("Prepare") => {
                Err(Failure::Again(Error::io(format!("the transaction '{id}' is {}", f.state))))
            }
            _ => Ok(()),
        })
    }

    /// Aborts whatever is open under a transactional id, by taking the id over.
    pub(super) fn abort(&mut self, id: &str) -> Result<()> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(name(id)))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        self.patiently(|c| {
            let answer: InitProducerIdResponse =
                c.at_coordinator(id, |b| b.call(ApiKey::InitProducerId, 3, &request))?;
            match answer.error_code {
                0 => Ok(()),
                code => Err(Failure::code("abort a transaction", code)),
            }
        })
    }

    /// Transactional ids with this prefix whose transactions are open, on all brokers.
    pub(super) fn open(&mut self, prefix: &str) -> Result<BTreeSet<String>> {
        let states = ["Ongoing", "PrepareCommit", "PrepareAbort"];
        let request = ListTransactionsRequest::default()
            .with_state_filters(states.into_iter().map(StrBytes::from_static_str).collect());
        self.patiently(|c| {
            let brokers = c.brokers().map_err(Failure::Final)?;
            let mut out = BTreeSet::new();
            for (_, address) in brokers {
                let answer: ListTransactionsResponse = c
                    .connection(&address)
                    .and_then(|b| b.call(ApiKey::ListTransactions, 0, &request))
                    .map_err(Failure::Again)?;
                if answer.error_code != 0 {
                    return Err(Failure::code("list transactions", answer.error_code));
                }
                let ids = answer.transaction_states.into_iter();
                out.extend(
                    ids.map(|s| s.transactional_id.0.to_string()).filter(|i| i.starts_with(prefix)),
                );
            }
            Ok(out)
        })
    }
}

fn name(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}
