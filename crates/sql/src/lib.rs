//! Flink SQL from text to logical plan.
pub mod memory_catalog;
pub mod rel;
pub mod session;
