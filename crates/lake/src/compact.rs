//! Compaction of key tables after commits: the files of a bucket are merged into
//! sorted files of the highest level, so that readers have few runs to merge.
//!
//! The merged rows are numbered from 0. A bucket's files held at least as many
//! distinct sequence numbers, so every number stays below those of rows that are
//! written meanwhile, and newer rows win as before. The snapshot that replaces the
//! files is an OVERWRITE with the same logical content: scans that follow a table
//! read APPEND snapshots and changelogs only, so nothing is told twice.
//!
//! Invariants: one bucket is merged as a whole (deleted rows need no trace then);
//! nothing is deleted here: replaced files go when their snapshots expire, and
//! files of a compaction that lost a race stay unused.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use paimon::spec::{DataFileMeta, MergeEngine};
use paimon::{CommitMessage, DataSplit, Table};

use crate::lock::commit_lock;

/// How the commit users of compactions begin.
pub(crate) const COMPACT_USER: &str = "weir-compact-";
/// A row that compaction wrote (Paimon's file source).
const SOURCE_COMPACT: i32 = 1;
/// Buffer of the merging writer; a larger bucket becomes several files.
const BUFFER: &str = "67108864";

/// When buckets are compacted.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Files at level 0 that call for a compaction.
    pub(crate) trigger: usize,
    /// Level of the merged files.
    level: i32,
}

impl Policy {
    /// The policy of a table; `None` where its writers must not compact or the
    /// rows would have to go elsewhere.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        let schema = table.schema();
        let options = schema.options();
        let on = |key: &str| options.get(key).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let engine = schema.core_options().merge_engine().ok()?;
        let suits = !schema.primary_keys().is_empty()
            && schema.core_options().bucket() >= 1
            && engine != MergeEngine::FirstRow
            && !on("write-only")
            && !on("deletion-vectors.enabled");
        if !suits {
            return None;
        }
        let number = |key: &str| options.get(key).and_then(|v| v.trim().parse::<i32>().ok());
        let trigger = number("num-sorted-run.compaction-trigger").unwrap_or(5).max(2);
        let level = number("num-levels").map_or(trigger, |n| n - 1).max(1);
        Some(Self { trigger: trigger as usize, level })
    }

    /// Whether these files are worth rewriting: enough new ones, and not too few
    /// against what has to be rewritten with them.
    fn wants(&self, files: &[DataFileMeta]) -> bool {
        let (mut runs, mut new, mut old) = (0, 0, 0);
        for f in files {
            if f.level == 0 {
                runs += 1;
                new += f.file_size;
            } else {
                old += f.file_size;
            }
        }
        runs >= self.trigger && (new * 4 >= old || runs >= self.trigger * 4)
    }
}

/// Compacts the buckets that call for it; returns how many.
pub(crate) async fn compact(table: &Table, policy: &Policy) -> paimon::Result<usize> {
    let buckets = table.schema().core_options().bucket();
    let plan = table.new_read_builder().new_scan().with_scan_all_files().plan().await?;
    let mut groups: BTreeMap<(Vec<u8>, i32), Vec<DataSplit>> = BTreeMap::new();
    for split in plan.into_splits() {
        let key = (split.partition().to_serialized_bytes(), split.bucket());
        groups.entry(key).or_default().push(split);
    }
    let mut messages = Vec::new();
    for ((partition, bucket), splits) in groups {
        let files: Vec<DataFileMeta> =
            splits.iter().flat_map(|s| s.data_files().to_vec()).collect();
        let same_layout = splits.iter().all(|s| s.total_buckets() == buckets);
        if same_layout && policy.wants(&files) {
            let new_files = merge(table, policy, &splits[0], &files).await?;
            let mut message = CommitMessage::new(partition, bucket, new_files);
            message.deleted_files = files;
            messages.push(message);
        }
    }
    let done = messages.len();
    if done > 0 {
        let user = format!("{COMPACT_USER}{}", uuid::Uuid::new_v4());
        let builder = table.new_write_builder().with_commit_user(user)?;
        let _lock = commit_lock(table).await;
        builder.try_new_commit()?.commit_with_identifier(messages, 0).await?;
    }
    Ok(done)
}

/// Writes the merged rows of a bucket and describes the files.
async fn merge(
    table: &Table,
    policy: &Policy,
    like: &DataSplit,
    files: &[DataFileMeta],
) -> paimon::Result<Vec<DataFileMeta>> {
    let whole = DataSplit::builder()
        .with_snapshot(like.snapshot_id())
        .with_partition(like.partition().clone())
        .with_bucket(like.bucket())
        .with_bucket_path(like.bucket_path().to_owned())
        .with_total_buckets(like.total_buckets())
        .with_data_files(files.to_vec())
        .with_raw_convertible(false)
        .build()?;
    let mut rows = table.new_read_builder().new_read()?.to_arrow(&[whole])?;
    let target = plain_copy(table);
    let mut write = target.new_write_builder().with_overwrite().new_write()?;
    while let Some(batch) = rows.next().await {
        if let Err(e) = write.write_arrow(&[batch?], Some(like.bucket())).await {
            write.close().await;
            return Err(e);
        }
    }
    let last = files.iter().map(|f| f.max_sequence_number).max().unwrap_or(0);
    let mut out = Vec::new();
    for message in write.prepare_commit().await? {
        for mut file in message.new_files {
            file.level = policy.level;
            file.file_source = Some(SOURCE_COMPACT);
            // The next writer of the bucket numbers its rows after this.
            file.max_sequence_number = file.max_sequence_number.max(last);
            out.push(file);
        }
    }
    Ok(out)
}

/// The table as a plain one: its rows are merged already and are written as they are.
fn plain_copy(table: &Table) -> Table {
    let mut options: HashMap<String, String> = table.schema().options().clone();
    options.retain(|k, _| {
        let merging = k.starts_with("partial-update.")
            || k.starts_with("aggregation.")
            || k.ends_with(".aggregate-function")
            || k.ends_with(".sequence-group")
            || k.ends_with(".ignore-retract");
        let named = [
            "merge-engine",
            "changelog-producer",
            "rowkind.field",
            "sequence.field",
            "sequence.field.sort-order",
            "ignore-delete",
            "ignore-update-before",
        ];
        !merging && !named.contains(&k.as_str())
    });
    options.insert("write.parquet-buffer-size".to_owned(), BUFFER.to_owned());
    let schema = table.schema().copy_with_replaced_options(options);
    Table::new(
        table.file_io().clone(),
        table.identifier().clone(),
        table.location().to_owned(),
        schema,
        None,
    )
}
