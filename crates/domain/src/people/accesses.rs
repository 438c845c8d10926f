//! Accesses: who asked for what at which door, why, and what the policies said to it.
//!
//! An access is a record and not an event: reads come at the rate of people and programs, and change nothing. It says
//! whom by pseudonym and what by name; what was read is not repeated, and the text of a query only committed to.

use serde::{Deserialize, Serialize};

use crate::record::record;

record! {
    /// One access, or several alike by strangers.
    AccessCore, schema 2, noun "access", table "accesses", payloads None;
    1 access_id Text required "UUIDv7 of the access";
    2 ts_start Time required "when it was asked for; of several alike, when the first was";
    3 ts_end Time required "when it was answered; of several alike, when the last was";
    4 door Text required "through what it came: `api`, `page`, `log`, `scim`, or `import` for what a storage system saw itself";
    5 route Text optional "the address asked for, with parameters by name, such as `GET /inferences/{id}`";
    6 actor Text optional "pseudonym of whoever asked; absent for strangers";
    7 key Text optional "public identifier of the key that was shown";
    8 session Text optional "public identifier of the session, as in `session.started`";
    9 action Text required "what was to be done: `read`, `sql`, a command's name, or `enter` for strangers";
    10 object_kind Text required "kind of the thing, such as `inference_log`, `artifact`, `evidence` or `ledger`";
    11 object_id Text optional "which one, when one was named";
    12 purpose Text optional "why, by the declared vocabulary";
    13 decision Text required "`allow` or `deny`";
    14 code Text optional "why it was denied or came to nothing, such as `forbidden` or `not_found`";
    15 http_status Int optional "HTTP status that was answered";
    16 policies Text optional "identifiers of the policies that decided, separated by commas";
    17 policies_sha256 Text optional "digest of the policies in force, as in `policies.installed`";
    18 grant_id Text optional "the grant whose role permitted it, or the emergency; `<actor>/<role>` for a role that an actor began with";
    19 occurrences Int required "how many accesses alike the record stands for: 1, or more for strangers and for values tokenised or turned back at once";
    20 tables Text optional "tables that a query named, separated by commas";
    21 at_size Int optional "ledger size that a query was answered at";
    22 source Text optional "the storage system that saw it itself; absent for what came through a door of ours";
    23 seen_as Text optional "identifier of the access there";
    41 r Bytes optional "24 random bytes from which the commitment's salt is derived, when a query was asked";
    43 c_root Bytes optional "commitment to the query's text, which is not kept";
    60 node Text required "node that wrote the record";
    61 incarnation Int required "the node's incarnation";
    62 node_seq Int required "number of the record in the incarnation, from 0 and without gaps";
    {}
}

/// What became of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was permitted.
    Allow,
    /// It was refused.
    Deny,
}

impl Decision {
    /// The word used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

macro_rules! purposes {
    ($($variant:ident $name:literal $doc:literal;)*) => {
        /// Why somebody asks. A declared vocabulary: free text would sooner or later name a person, for good.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Purpose { $( #[doc = $doc] #[serde(rename = $name)] $variant, )* }

        impl Purpose {
            /// All of them, with their meaning.
            pub const ALL: &'static [(Self, &'static str)] = &[$( (Self::$variant, $doc), )*];

            /// The word used in requests and records.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// The purpose of this name.
            #[must_use]
            pub fn find(name: &str) -> Option<Self> {
                Self::ALL.iter().map(|(purpose, _)| *purpose).find(|purpose| purpose.as_str() == name)
            }
        }
    };
}

purposes! {
    Operation "operation" "running and changing the installation";
    Monitoring "monitoring" "watching how services do";
    Incident "incident" "finding out about an incident and ending it";
    Support "support" "helping somebody who uses a service";
    Development "development" "building or testing models and services";
    Training "training" "training a model on data";
    Oversight "oversight" "looking at single decisions as the service's oversight demands";
    SubjectRequest "subject_request" "answering a request of a person whose data it is";
    AccessReview "access_review" "reviewing who has access";
    Audit "audit" "auditing";
    Legal "legal" "answering a court or an authority";
}
