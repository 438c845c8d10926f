//! Data: which data sets there are, their versions, what must be true of those and was checked, the encrypted objects that they
//! lie in, and where data may be.

pub mod checks;
pub mod content;
pub mod contracts;
pub mod datasets;
pub mod lineage;
pub mod objects;
pub mod places;
// what tools elsewhere say of checks
pub mod reports;
pub mod residency;
pub mod transfers;
// Detectors of the organisation's own.
pub mod detectors;
// Fields, what is found in them, and what goes out for a purpose.
pub mod fields;
pub mod findings;
pub mod views;

pub use checks::{
    CheckVersion, ContractUsed, Found, RuleResult, Standing, Unsure, Verdict, VersionChecked, VersionQuarantined,
    VersionReleased,
};
pub use content::{Content, ContentColumn, VersionDescribed};
pub use contracts::{
    Check, ColumnType, Contract, ContractColumn, ContractError, ContractPublished, ContractRetired, Dimension,
    KnownContract, Literal, Reference, Tolerance, What,
};
pub use datasets::{
    DataClass, Dataset, DatasetDeclared, DatasetRetired, DatasetSpec, DestroyVersion, Form, LawfulBasis,
    RewriteVersion, StoreVersion, SubjectColumn, Version, VersionEnded, VersionRewritten, VersionStored,
};
pub use fields::{FieldDecision, FieldsDeclared, FoundKind, KnownField, KnownScan, ScannedColumn, VersionScanned};
pub use findings::{Finding, FindingOpened, FindingResolved, FindingWhy, Resolution};
pub use lineage::{
    Checksum, ChecksumOf, ColumnEdge, LineageAliased, LineageReported, Named, Port, ReportLineage, Reported, RunStatus,
    SealedReport,
};
pub use objects::{Doomed, ObjectDestroyed, ObjectNamed, StoredObject};
pub use reports::{ChecksReported, ReportChecks, ReportedResult, Tool};
pub use views::{ColumnRule, DatePart, KnownView, ViewColumn, ViewDeclared, ViewRetired, ViewSpec};
