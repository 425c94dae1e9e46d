//! Connectors and formats: how rows get in and out.
//!
//! [`api`] has the traits, [`factory`] finds a connector by the `'connector'`
//! option, [`format`] turns bytes into rows and back. Connectors that other
//! crates bring (lake tables) are added with [`register`].
//!
//! Invariants: every option is either acted on or refused; decoders never panic on
//! data; readers return within milliseconds.

pub mod api;
pub(crate) mod assemble;
pub mod blackhole;
pub mod datagen;
pub mod filesystem;
pub mod format;
pub mod kafka;
pub mod options;
pub mod print;
pub mod registry;
pub(crate) mod restore;

pub use api::{
    Committer, ConnectorFactory, Poll, Sink, SinkIdentity, SinkPartitioner, SinkWriter, Source,
    SourceReader,
};
pub use registry::{factory, register, registry};
