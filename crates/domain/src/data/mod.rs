//! Data: which data sets there are, their versions, the encrypted objects that those lie in, and where data may be.

pub mod content;
pub mod datasets;
pub mod lineage;
pub mod objects;
pub mod places;
pub mod residency;
pub mod transfers;

pub use content::{Content, ContentColumn, VersionDescribed};
pub use datasets::{
    DataClass, Dataset, DatasetDeclared, DatasetRetired, DatasetSpec, DestroyVersion, Form, LawfulBasis,
    RewriteVersion, StoreVersion, SubjectColumn, Version, VersionEnded, VersionRewritten, VersionStored,
};
pub use lineage::{
    Checksum, ChecksumOf, ColumnEdge, LineageAliased, LineageReported, Named, Port, ReportLineage, Reported, RunStatus,
    SealedReport,
};
pub use objects::{Doomed, ObjectDestroyed, ObjectNamed, StoredObject};
