//! The streaming runtime: worker threads, pipelines, channels, exchange,
//! alignment, barriers and timers. It knows no SQL.
//!
//! A job is a [`JobGraph`]; [`run`] lays it out as pipelines (operators fused
//! from one exchange to the next), gives every worker one instance of each, and
//! returns a [`JobHandle`]. In-band messages are data, watermarks, barriers and
//! end of stream, nothing else; everything else goes through the handle.
//!
//! Invariants:
//! * every queue is bounded; a pipeline that cannot send keeps a cursor and yields;
//! * a pipeline is a tree with one head, so alignment happens at heads only;
//! * a panic or error in a worker fails its job, never the process.
//!
//! Where to look next: [`operator`] for what operators implement, [`graph`] for
//! the layout, `pipeline` for how events move, `worker` for the loop.

mod channel;
mod exchange;
mod gate;
pub mod graph;
mod job;
mod message;
mod metrics;
pub mod operator;
mod panics;
mod partition;
mod pipeline;
mod report;
mod shared;
mod time;
mod worker;

pub use graph::{Edge, Exchange, JobGraph, Node, NodeBody, NodeFactory, Subtask};
pub use job::{JobHandle, RestoredState, RunConfig, run};
pub use message::{Barrier, BarrierKind, Mark};
pub use metrics::NodeSnapshot;
pub use operator::{Operator, Out, Seal, SourcePoll, SourceTask, Step, TaskContext};
pub use partition::Partitioner;
pub use report::{Cost, PieceStore, Report};
pub use time::now_ms;
