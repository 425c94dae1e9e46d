//! What crosses crate borders as data: catalog objects and operator specs.
//!
//! The planner writes specs, `weir-job` turns them into running operators,
//! connectors read table specs, catalogs store table definitions. Everything is
//! serialisable and knows neither SQL text (except stored view and column
//! expressions) nor threads.
//!
//! Where to look next: [`plan`] for the operators, [`catalog`] for tables.

pub mod catalog;
pub mod external;
pub mod lookup;
pub mod plan;

pub use catalog::{
    Catalog, CatalogColumn, CatalogDatabase, CatalogTable, PartitionSpec, PrimaryKey, TableKind,
    WatermarkSpec,
};
pub use lookup::{LookupCache, LookupHint, LookupRetry, LookupSpec, Reload};
pub use plan::{
    AggregateCall, Branch, ChangelogMode, ConflictAction, Distribution, FrameEdge, InputSpec,
    JoinKind, JoinSpec, MatchExpr, MatchRef, MatchSpec, MultiJoinInput, MultiJoinSpec, NodeSpec,
    OpSpec, OverFrame, OverSpec, PatternTerm, Plan, RankSpec, ReadColumn, SinkSpec, SkipStrategy,
    SortKey, SourceSpec, TableSpec, TimeUnitMs, WindowKind, WindowSpec,
};
