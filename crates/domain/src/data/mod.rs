//! Data: which data sets there are, their versions, and the encrypted objects that those lie in.

pub mod content;
pub mod datasets;
pub mod objects;
// Fields, what is found in them, and what goes out for a purpose.
pub mod fields;
pub mod findings;
pub mod views;

pub use content::{Content, ContentColumn, VersionDescribed};
pub use datasets::{
    DataClass, Dataset, DatasetDeclared, DatasetRetired, DatasetSpec, DestroyVersion, Form, LawfulBasis,
    RewriteVersion, StoreVersion, SubjectColumn, Version, VersionEnded, VersionRewritten, VersionStored,
};
pub use fields::{FieldDecision, FieldsDeclared, FoundKind, KnownField, KnownScan, ScannedColumn, VersionScanned};
pub use findings::{Finding, FindingOpened, FindingResolved, FindingWhy, Resolution};
pub use objects::{Doomed, ObjectDestroyed, ObjectNamed, StoredObject};
pub use views::{ColumnRule, DatePart, KnownView, ViewColumn, ViewDeclared, ViewRetired, ViewSpec};
