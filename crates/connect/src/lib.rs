//! Connectors and formats: how rows get in and out.

pub mod api;
