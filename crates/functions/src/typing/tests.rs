//! Result types as Flink 2.3 reports them.
