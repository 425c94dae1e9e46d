//! What crosses crate borders as data: catalog objects and operator specs.
//!
//! The planner writes specs, `weir-job` turns them into running operators,
//! connectors read table specs, catalogs store table definitions. Everything is
//! serialisable and knows neither SQL text (except stored view and column
//! expressions) nor threads.
//!
//! Where to look next: [`plan`] for the operators, [`catalog`] for tables.

pub mod catalog;
pub mod plan;

pub use catalog::{
    Catalog, CatalogColumn, CatalogDatabase, CatalogTable, PrimaryKey, TableKind, WatermarkSpec,
};
pub use plan::{
    AggregateCall, ChangelogMode, Distribution, InputSpec, JoinKind, JoinSpec, NodeSpec, OpSpec,
    OverFrame, OverSpec, Plan, RankSpec, ReadColumn, SinkSpec, SortKey, SourceSpec, TableSpec,
    TimeUnitMs, WindowKind, WindowSpec,
};
