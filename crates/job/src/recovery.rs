//! From what a user names to the state that a job starts with.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::Arc;
use weir_core::{Error, Field, Result};
use weir_runtime::{RestoredState, Seal};
use weir_state::{MergeRules, Run, RunSource, SealedGroup, SealedTable, merge_runs};

use crate::checkpoint::manifest::{InstanceState, OperatorState, RunData};
use crate::checkpoint::run_file;
use crate::checkpoint::storage::Places;
use crate::checkpoint::store::{self, Found, Latest};

/// What the option names: `latest:DIR` or a path.
pub fn resolve(recovery: &str, prefix: &str, places: &Places) -> Result<Latest> {
    let Some(dir) = recovery.strip_prefix("latest:") else {
        let found = store::open_path(recovery, places)
            .map_err(|e| e.context("cannot start from a savepoint or checkpoint"))?;
        let job_id = Some(found.manifest.job_id.clone());
        return Ok(Latest { found: Some(found), job_id, damaged: vec![] });
    };
    store::latest(&places.open(dir)?, prefix, places)
}

/// A node of the new plan, as far as its state is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Identity.
    pub uid: String,
    /// Display name.
    pub name: String,
    /// Hash of what the encoding of its state depends on.
    pub layout: String,
    /// Columns that its state is kept by.
    pub key: Vec<Field>,
    /// What its values are read by; see [`OperatorState::spec`].
    pub spec: Option<serde_json::Value>,
}

/// What becomes of an operator's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Taken over by the same operator.
    Same,
    /// Taken over by an operator that has another identity but keeps the same state.
    Migrated,
    /// No operator takes it, or only one that keeps other state.
    Lost,
    /// The operator is new and starts empty.
    New,
}

/// One line of a compatibility report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The operator's name.
    pub name: String,
    /// Its identity in the checkpoint, or of the new operator.
    pub uid: String,
    /// The outcome.
    pub fate: Fate,
    /// Why.
    pub reason: String,
}

/// Who takes which state.
#[derive(Debug, Default)]
pub struct Mapping {
    /// New node's uid -> operator of the checkpoint.
    pub taken: BTreeMap<String, usize>,
    /// The report, operators with state only.
    pub verdicts: Vec<Verdict>,
}

impl Mapping {
    /// Whether state would get lost.
    pub fn loses(&self) -> bool {
        self.verdicts.iter().any(|v| v.fate == Fate::Lost)
    }

    /// The report as text; empty when everything stays the same.
    pub fn report(&self) -> Vec<String> {
        let word = |fate| match fate {
            Fate::Same => "same",
            Fate::Migrated => "migratable",
            Fate::Lost => "lost",
            Fate::New => "new",
        };
        self.verdicts
            .iter()
            .map(|v| {
                format!("{:<10}  {} [{}]  {}", word(v.fate), v.name, v.uid, v.reason)
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }
}

fn has_state(o: &OperatorState) -> bool {
    o.instances.iter().any(holds_state)
}

/// Whether an instance contributed anything.
pub fn holds_state(i: &InstanceState) -> bool {
    !i.runs.is_empty() || !i.positions.is_empty() || !i.committables.is_empty()
}

/// Compares the operators of a checkpoint with a plan.
pub fn map(operators: &[OperatorState], nodes: &[NodeState]) -> Mapping {
    let mut mapping = Mapping::default();
    let mut left: BTreeSet<usize> =
        (0..operators.len()).filter(|&i| has_state(&operators[i])).collect();
    let mut fresh: Vec<&NodeState> = Vec::new();
    for node in nodes {
        let Some(at) = operators.iter().position(|o| o.uid == node.uid) else {
            fresh.push(node);
            continue;
        };
        let old = &operators[at];
        if !left.remove(&at) {
            // Nothing is kept of it, which for a source means that it has read everything.
            if old.layout == node.layout {
                mapping.taken.insert(node.uid.clone(), at);
            }
            continue;
        }
        let (fate, reason) = if old.layout == node.layout {
            mapping.taken.insert(node.uid.clone(), at);
            (Fate::Same, String::new())
        } else {
            (
                Fate::Lost,
                "its columns or functions have changed, and with them its state".to_owned(),
            )
        };
        let (name, uid) = (node.name.clone(), node.uid.clone());
        mapping.verdicts.push(Verdict { name, uid, fate, reason });
    }
    for &at in &left {
        let old = &operators[at];
        let alike =
            |o: &OperatorState| o.layout == old.layout && kind_of(&o.uid) == kind_of(&old.uid);
        let twins = left.iter().filter(|&&i| alike(&operators[i])).count();
        let heirs: Vec<usize> = (0..fresh.len())
            .filter(|&i| {
                fresh[i].layout == old.layout && kind_of(&fresh[i].uid) == kind_of(&old.uid)
            })
            .collect();
        let (name, uid) = (old.name.clone(), old.uid.clone());
        let (fate, reason) = match heirs.as_slice() {
            [one] if twins == 1 && !old.layout.is_empty() => {
                let heir = fresh.remove(*one);
                mapping.taken.insert(heir.uid.clone(), at);
                (Fate::Migrated, format!("to {} [{}]", heir.name, heir.uid))
            }
            _ => (Fate::Lost, "no operator of the plan keeps this state".to_owned()),
        };
        mapping.verdicts.push(Verdict { name, uid, fate, reason });
    }
    for node in fresh.iter().filter(|n| !n.layout.is_empty()) {
        let (name, uid) = (node.name.clone(), node.uid.clone());
        mapping.verdicts.push(Verdict {
            name,
            uid,
            fate: Fate::New,
            reason: "starts empty".into(),
        });
    }
    mapping
}

/// The kind of an operator, the first word of its uid.
pub fn kind_of(uid: &str) -> &str {
    uid.split_once('-').map_or(uid, |(kind, _)| kind)
}

/// Reads the state that the nodes take over.
pub fn load(found: &Found, mapping: &Mapping) -> Result<RestoredState> {
    let mut state = RestoredState::new();
    for (uid, &at) in &mapping.taken {
        let mut seals = Vec::new();
        for instance in &found.manifest.operators[at].instances {
            let positions = instance.positions.iter().map(|b| b.0.clone()).collect();
            seals.push(Seal { tables: tables(found, instance)?, positions, ..Seal::default() });
        }
        state.insert(uid.clone(), seals);
    }
    Ok(state)
}

/// The tables of an instance, each whole.
pub fn tables(found: &Found, instance: &InstanceState) -> Result<Vec<SealedTable>> {
    let mut chain = Vec::new();
    for run in &instance.runs {
        chain.extend(match &run.data {
            RunData::Inline(blob) => run_file::decode(blob.0.clone())?,
            RunData::File { path, .. } => found.read_run(path)?,
        });
    }
    merge(chain)
}

/// Makes one full table of each chain: what an instance has sealed, oldest first.
fn merge(chain: Vec<SealedTable>) -> Result<Vec<SealedTable>> {
    let mut chains: Vec<Vec<SealedTable>> = Vec::new();
    for table in chain {
        match chains.iter_mut().find(|c| c[0].name == table.name) {
            Some(known) if table.full => *known = vec![table],
            Some(known) => known.push(table),
            None => chains.push(vec![table]),
        }
    }
    chains.into_iter().map(merge_table).collect()
}

fn merge_table(mut chain: Vec<SealedTable>) -> Result<SealedTable> {
    let (base, newest) = match chain.as_slice() {
        [base, .., newest] => (base, newest),
        _ => return chain.pop().ok_or_else(|| Error::internal("an empty chain of runs")),
    };
    if let Some(other) = chain.iter().find(|t| t.version != newest.version) {
        return Err(Error::data(format!(
            "state table '{}' holds versions {} and {} in one checkpoint",
            newest.name, other.version, newest.version
        )));
    }
    let (name, version, full) = (newest.name.clone(), newest.version, base.full);
    let mut groups: BTreeMap<u32, Vec<Run>> = BTreeMap::new();
    for group in chain.into_iter().flat_map(|t| t.groups) {
        groups.entry(group.key_group).or_default().push(group.run);
    }
    let mut merged = Vec::new();
    for (key_group, runs) in groups {
        let chain = Chain { runs, full };
        if chain.runs.iter().any(|r| matches!(r, Run::Stream(_))) {
            merged.push(SealedGroup { key_group, run: Run::Stream(Arc::new(chain)) });
            continue;
        }
        let (bytes, keys) = chain.merged()?;
        if keys > 0 {
            merged.push(SealedGroup { key_group, run: bytes.into() });
        }
    }
    Ok(SealedTable { name, version, full, groups: merged })
}

/// Runs of one key group, oldest first, that are one run to their reader.
#[derive(Debug)]
struct Chain {
    runs: Vec<Run>,
    full: bool,
}

impl Chain {
    /// The merged run and its number of keys.
    fn merged(&self) -> Result<(Vec<u8>, u64)> {
        let open = self.runs.iter().map(Run::open).collect::<Result<Vec<_>>>()?;
        merge_runs(open, MergeRules { full: self.full, expired: None }, Vec::new())
    }
}

impl RunSource for Chain {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(self.merged()?.0)))
    }
}

/// The error for state that would get lost.
pub fn refuse(mapping: &Mapping, place: &str) -> Error {
    let lost: Vec<String> = mapping
        .verdicts
        .iter()
        .filter(|v| v.fate == Fate::Lost)
        .map(|v| format!("{} [{}]: {}", v.name, v.uid, v.reason))
        .collect();
    Error::validation(format!("starting from {place} would lose state:\n  {}", lost.join("\n  ")))
        .hint(
            "--allow-lost-state, or SET 'execution.state-recovery.ignore-unclaimed-state' = 'true', \
             accepts the loss",
        )
}

#[cfg(test)]
mod tests {
    use weir_state::{Entry, NO_STAMP, RunReader, RunWriter};

    use super::*;
    use crate::checkpoint::manifest::Blob;

    fn old(uid: &str, layout: &str) -> OperatorState {
        let instance = InstanceState { positions: vec![Blob(vec![1])], ..InstanceState::default() };
        OperatorState {
            uid: uid.into(),
            name: uid.into(),
            layout: layout.into(),
            instances: vec![instance],
            ..OperatorState::default()
        }
    }

    fn new(uid: &str, layout: &str) -> NodeState {
        NodeState {
            uid: uid.into(),
            name: uid.into(),
            layout: layout.into(),
            key: vec![],
            spec: None,
        }
    }

    fn fates(old: &[OperatorState], new: &[NodeState]) -> Vec<(String, Fate)> {
        map(old, new).verdicts.into_iter().map(|v| (v.uid, v.fate)).collect()
    }

    #[test]
    fn state_goes_to_its_like() {
        let same = fates(&[old("join-1", "a")], &[new("join-1", "a")]);
        assert_eq!(same, [("join-1".to_owned(), Fate::Same)]);
        let changed = fates(&[old("join-1", "a")], &[new("join-1", "b")]);
        assert_eq!(changed, [("join-1".to_owned(), Fate::Lost)]);
        // Under another name, where only one operator keeps such state.
        let moved = map(&[old("join-1", "a")], &[new("join-2", "a"), new("rank-1", "c")]);
        assert_eq!(moved.taken.get("join-2"), Some(&0));
        let moved: Vec<Fate> = moved.verdicts.iter().map(|v| v.fate).collect();
        assert_eq!(moved, [Fate::Migrated, Fate::New]);
        let unclear = map(&[old("join-1", "a")], &[new("join-2", "a"), new("join-3", "a")]);
        assert!(unclear.loses());
        assert!(!map(&[], &[new("join-1", "a")]).loses());
        let done = OperatorState { instances: vec![], ..old("source-t", "s") };
        assert_eq!(map(&[done], &[new("source-t", "s")]).taken.get("source-t"), Some(&0));
    }

    fn table(full: bool, entries: &[(&str, Option<&str>)]) -> SealedTable {
        let mut w = RunWriter::new(Vec::new());
        let mut sorted = entries.to_vec();
        sorted.sort_by(|a, b| weir_state::run::key_order(a.0.as_bytes(), b.0.as_bytes()));
        for (key, value) in sorted {
            w.key(key.as_bytes(), true).unwrap();
            if let Some(value) = value.map(str::as_bytes) {
                w.entry(&Entry { sub: b"", stamp: NO_STAMP, value: Some(value) }).unwrap();
            }
        }
        let run = w.finish().unwrap().0.into();
        let groups = vec![SealedGroup { key_group: 7, run }];
        SealedTable { name: "t".into(), version: 1, full, groups }
    }

    #[test]
    fn chains_become_one_table() {
        let chain = vec![
            table(true, &[("old", Some("0"))]),
            table(true, &[("a", Some("1")), ("b", Some("2"))]),
            table(false, &[("a", None), ("c", Some("3"))]),
            table(false, &[("c", Some("4"))]),
        ];
        let merged = merge(chain).unwrap();
        assert!(merged.len() == 1 && merged[0].full);
        let mut run = RunReader::new(merged[0].groups[0].run.open().unwrap()).unwrap();
        let mut left = Vec::new();
        while run.next_key().unwrap() {
            let key = String::from_utf8(run.key().to_vec()).unwrap();
            assert!(run.advance().unwrap());
            left.push((key, run.entry().value.unwrap().to_vec()));
        }
        left.sort();
        assert_eq!(left, [("b".to_owned(), b"2".to_vec()), ("c".to_owned(), b"4".to_vec())]);
    }

    #[test]
    fn versions_do_not_mix() {
        let other = SealedTable { version: 2, ..table(false, &[]) };
        assert!(merge(vec![table(true, &[]), other]).is_err());
    }
}
