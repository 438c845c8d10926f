//! Data: which data sets there are, their versions, and the encrypted objects that those lie in.

pub mod datasets;
pub mod lineage;
pub mod objects;

pub use datasets::{
    DataClass, Dataset, DatasetDeclared, DatasetRetired, DatasetSpec, DestroyVersion, Form, LawfulBasis,
    RewriteVersion, StoreVersion, SubjectColumn, Version, VersionEnded, VersionRewritten, VersionStored,
};
pub use lineage::{
    Checksum, ChecksumOf, ColumnEdge, LineageAliased, LineageReported, Named, Port, ReportLineage, Reported, RunStatus,
    SealedReport,
};
pub use objects::{Doomed, ObjectDestroyed, ObjectNamed, StoredObject};
