//! The manifest of a checkpoint: JSON behind a line with its checksum. That it
//! exists is the decision that the checkpoint counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use weir_core::{Error, Field, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::history::CheckpointStats;

/// First word of a manifest.
const MAGIC: &str = "WEIR-CHECKPOINT-1";

/// Bytes as base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Where the bytes of a run are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunData {
    /// In the manifest: small runs cost no file.
    Inline(Blob),
    /// In a file.
    File {
        /// Relative to the directory that holds the job's checkpoints, or for savepoints
        /// to the manifest; absolute (a URI) where it lies elsewhere.
        path: String,
        /// Size in bytes.
        bytes: u64,
    },
}

/// One table of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTable {
    /// Name within the operator.
    pub name: String,
    /// Version of the value encoding.
    pub version: u16,
    /// Replaces all earlier runs of the table.
    pub full: bool,
    /// Size of its groups in bytes.
    pub bytes: u64,
}

/// Tables that one instance sealed at one barrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// The barrier.
    pub epoch: u64,
    /// What is inside.
    pub tables: Vec<RunTable>,
    /// Where.
    pub data: RunData,
}

impl RunRef {
    /// Size of the stored run in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.data {
            RunData::Inline(b) => b.0.len() as u64,
            RunData::File { bytes, .. } => *bytes,
        }
    }
}

/// What one instance of an operator contributed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InstanceState {
    /// Number of the instance.
    pub subtask: usize,
    /// Its input had ended.
    pub finished: bool,
    /// Positions of the splits that it read.
    pub positions: Vec<Blob>,
    /// What its sink needs to commit.
    pub committables: Vec<Blob>,
    /// Its tables, oldest run first.
    pub runs: Vec<RunRef>,
}

/// One operator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OperatorState {
    /// Identity over changes of the plan.
    pub uid: String,
    /// Display name.
    pub name: String,
    /// Hash of what the encoding of its state depends on; empty for stateless operators.
    pub layout: String,
    /// Columns that its state is kept by, for readers of the checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<Field>,
    /// What its values are read by ([`weir_ops::shown::StateSpec`]), for the same readers;
    /// a checkpoint counts whether or not they can make sense of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<serde_json::Value>,
    /// Its instances.
    pub instances: Vec<InstanceState>,
}

/// Whether a manifest is a checkpoint, a savepoint or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestKind {
    /// Periodic.
    Checkpoint,
    /// Asked for, self-contained, never deleted by the job.
    Savepoint,
    /// The job has read all its input; nothing is left to run.
    Finished,
}

/// A complete checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is.
    pub kind: ManifestKind,
    /// Identifier of the job, the same over restores.
    pub job_id: String,
    /// Display name of the job.
    pub job_name: String,
    /// Claim under which it was written.
    pub generation: u64,
    /// Number of the checkpoint.
    pub epoch: u64,
    /// Workers of the job.
    pub parallelism: usize,
    /// Key groups of the job.
    pub max_parallelism: u32,
    /// Time and size of this and the checkpoints before.
    pub history: Vec<CheckpointStats>,
    /// The operators.
    pub operators: Vec<OperatorState>,
}

impl Manifest {
    /// The file's bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_vec(self)
            .map_err(|e| Error::internal(format!("checkpoint manifest: {e}")))?;
        let mut out = format!("{MAGIC} {:016x}\n", xxh3_64(&body)).into_bytes();
        out.extend(body);
        Ok(out)
    }

    /// Reads what `encode` wrote; an error where bytes were lost or changed.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::data(format!("the checkpoint manifest is damaged: {why}"));
        let split =
            bytes.iter().position(|&b| b == b'\n').ok_or_else(|| bad("too short".into()))?;
        let (head, body) = (String::from_utf8_lossy(&bytes[..split]), &bytes[split + 1..]);
        let sum = head
            .strip_prefix(MAGIC)
            .ok_or_else(|| bad(format!("it does not start with {MAGIC}")))?
            .trim();
        if sum != format!("{:016x}", xxh3_64(body)) {
            return Err(bad("its checksum is wrong".into()));
        }
        serde_json::from_slice(body).map_err(|e| bad(e.to_string()))
    }

    /// Bytes of state that the manifest references.
    pub fn state_bytes(&self) -> u64 {
        self.operators
            .iter()
            .flat_map(|o| &o.instances)
            .flat_map(|i| &i.runs)
            .map(RunRef::bytes)
            .sum()
    }

    /// Committables of an operator.
    pub fn committables(&self, uid: &str) -> Vec<Vec<u8>> {
        self.operators
            .iter()
            .filter(|o| o.uid == uid)
            .flat_map(|o| &o.instances)
            .flat_map(|i| i.committables.iter().map(|b| b.0.clone()))
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn manifest(epoch: u64) -> Manifest {
        Manifest {
            kind: ManifestKind::Checkpoint,
            job_id: "j".into(),
            job_name: "insert".into(),
            generation: 1,
            epoch,
            parallelism: 1,
            max_parallelism: 128,
            history: vec![],
            operators: vec![OperatorState {
                uid: "a".into(),
                instances: vec![InstanceState {
                    positions: vec![Blob(vec![1, 2])],
                    committables: vec![Blob(vec![3])],
                    ..InstanceState::default()
                }],
                ..OperatorState::default()
            }],
        }
    }

    #[test]
    fn round_trip_and_damage() {
        let m = manifest(3);
        let bytes = m.encode().unwrap();
        assert_eq!(Manifest::decode(&bytes).unwrap(), m);
        for at in [0, 20, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Manifest::decode(&damaged).is_err(), "byte {at}");
        }
        for length in [0, 10, bytes.len() / 2] {
            assert!(Manifest::decode(&bytes[..length]).is_err(), "length {length}");
        }
    }
}
