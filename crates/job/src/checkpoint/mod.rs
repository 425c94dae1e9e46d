//! Checkpoints: when they happen, what they consist of, where they are kept.
//!
//! [`coordinator`] decides (a pure state machine: [`facts`] in, commands out; what it knows
//! of an [`instance`]); [`io`] carries the commands out on a thread of its own, so that
//! workers never wait for storage; [`store`] knows the layout of a job's directory and what
//! is garbage; [`manifest`] is the file whose creation is the decision; [`run_file`] keeps
//! sealed tables, [`pieces`] brings large ones there while they are sealed, past the page
//! cache ([`staged`]); [`patience`] tries again while storage fails; [`storage`] are the two
//! or three operations needed of a file system.
//!
//! Layout, close to Flink's:
//!
//! ```text
//! DIR/<job-id>/chk-<n>/_metadata    the manifest of checkpoint n, created once
//! DIR/<job-id>/chk-<n>/_committed   its sinks have committed
//! DIR/<job-id>/shared/<...>.run     sealed tables, referenced by manifests
//! DIR/<job-id>/owner/<g>            claim of generation g
//! SAVEPOINT_DIR/savepoint-<id>/     manifest and files, self-contained
//! ```
//!
//! Invariants: a checkpoint counts exactly when its manifest exists; sinks commit after
//! that and never before; only files that no manifest references are deleted.

pub mod coordinator;
pub mod facts;
pub mod history;
pub mod instance;
pub mod io;
pub mod manifest;
pub mod options;
pub mod patience;
pub mod pieces;
pub mod run_file;
pub mod staged;
pub mod storage;
pub mod store;
pub mod work;
