//! Expressions against the results of Flink 2.3.
