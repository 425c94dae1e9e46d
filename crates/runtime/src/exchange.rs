//! Scattering batches to the instances of a consumer.
//!
//! Keys are encoded and hashed once per batch; a counting sort gives one
//! permutation, every column is taken once and sliced per destination. With one
//! destination the batch passes untouched.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use weir_core::keys::{EncodedKeys, key_group, subtask_of_key_group};
use weir_core::{ChangeBatch, Error, Result};

use crate::channel::Sender;
use crate::graph::Exchange;
use crate::message::Message;

/// The producing side of one edge in one worker.
pub(crate) struct ExchangeWriter {
    exchange: Exchange,
    senders: Vec<Sender>,
    /// Fragments of one message that found no credit yet, by destination.
    pending: VecDeque<(usize, Message)>,
    next: usize,
    max_parallelism: u32,
    keys: EncodedKeys,
    routes: Vec<u32>,
}

impl ExchangeWriter {
    pub fn new(
        exchange: Exchange,
        senders: Vec<Sender>,
        next: usize,
        max_parallelism: u32,
    ) -> Self {
        Self {
            exchange,
            senders,
            pending: VecDeque::new(),
            next,
            max_parallelism,
            keys: EncodedKeys::default(),
            routes: Vec::new(),
        }
    }

    /// Takes a message; only allowed after `flush` returned true.
    pub fn offer(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Data(batch) => self.scatter(batch)?,
            control => {
                for d in 0..self.senders.len() {
                    self.pending.push_back((d, control.clone()));
                }
            }
        }
        Ok(())
    }

    /// Sends what is pending; false if some destination has no credit. Fragments of
    /// other destinations go ahead, so that one full channel does not starve the rest.
    pub fn flush(&mut self) -> bool {
        for _ in 0..self.pending.len() {
            let Some((d, message)) = self.pending.pop_front() else { break };
            if let Err(message) = self.senders[d].send(message) {
                self.pending.push_back((d, message));
            }
        }
        self.pending.is_empty()
    }

    fn scatter(&mut self, batch: ChangeBatch) -> Result<()> {
        let n = self.senders.len();
        if n <= 1 {
            self.pending.extend((n == 1).then_some((0, Message::Data(batch))));
            return Ok(());
        }
        self.routes.clear();
        match &self.exchange {
            Exchange::Forward | Exchange::Single => {
                self.pending.push_back((0, Message::Data(batch)));
                return Ok(());
            }
            Exchange::Rebalance => {
                self.next = (self.next + 1) % n;
                self.pending.push_back((self.next, Message::Data(batch)));
                return Ok(());
            }
            Exchange::Hash(columns) => {
                let columns: Vec<ArrayRef> =
                    columns.iter().map(|&c| Arc::clone(batch.column(c))).collect();
                self.keys.encode_into(&columns, batch.len())?;
                let (max, p) = (self.max_parallelism, n as u32);
                self.routes.extend(
                    self.keys
                        .hashes()
                        .iter()
                        .map(|&h| subtask_of_key_group(key_group(h, max), max, p)),
                );
            }
            Exchange::Custom(partitioner) => partitioner.route(&batch, n, &mut self.routes)?,
        }
        if self.routes.len() != batch.len() || self.routes.iter().any(|&r| r as usize >= n) {
            return Err(Error::internal("a partitioner gave a destination that does not exist"));
        }
        self.split(&batch, n)
    }

    fn split(&mut self, batch: &ChangeBatch, n: usize) -> Result<()> {
        let mut counts = vec![0u32; n];
        for &r in &self.routes {
            counts[r as usize] += 1;
        }
        if let Some(d) = counts.iter().position(|&c| c as usize == batch.len()) {
            self.pending.push_back((d, Message::Data(batch.clone())));
            return Ok(());
        }
        let mut at = 0;
        let mut cursors: Vec<u32> = counts
            .iter()
            .map(|&c| {
                at += c;
                at - c
            })
            .collect();
        let mut order = vec![0u32; batch.len()];
        for (row, &r) in self.routes.iter().enumerate() {
            let c = &mut cursors[r as usize];
            order[*c as usize] = row as u32;
            *c += 1;
        }
        // One take per destination, not slices of one: a slice would keep (and count)
        // the memory of all destinations.
        let mut start = 0usize;
        for (d, &count) in counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            let end = start + count as usize;
            let indices = UInt32Array::from(order[start..end].to_vec());
            self.pending.push_back((d, Message::Data(batch.take(&indices)?)));
            start = end;
        }
        Ok(())
    }
}
