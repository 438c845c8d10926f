//! The two doors out of the vault, and the values that pass through them: a [`KeyStore`] keeps
//! wrapped keys, a [`Custodian`] holds the root key. Drivers live elsewhere.

use std::collections::BTreeSet;

use crate::error::BoxError;
use crate::names::{KeyKind, KeyName, SubjectRef};
use crate::tokens::TokenStore;

/// Holds the root key, and wraps and unwraps the few keys at the top of the hierarchy with it.
pub trait Custodian: Send + Sync {
    /// Encrypts and authenticates `plaintext`, bound to `aad`.
    ///
    /// # Errors
    /// The driver's own.
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// Undoes [`Custodian::wrap`]; must fail when `wrapped` or `aad` differ in any bit, or when
    /// another root key wrapped it. The result must be wiped by the caller.
    ///
    /// # Errors
    /// The driver's own, and a refusal of what does not authenticate.
    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// A public name of the newest version of the root key, for inventories and messages.
    fn key_id(&self) -> String;

    /// Makes a new version of the root key, which [`Custodian::wrap`] uses from now on;
    /// [`Custodian::unwrap`] still opens what older versions wrapped. Durable when it returns. Gives
    /// the new [`Custodian::key_id`].
    ///
    /// # Errors
    /// The driver's own. After an error there may be a new version; that does no harm.
    fn advance(&self) -> Result<String, BoxError>;

    /// Destroys all versions but the newest, for good. Repeating it is allowed.
    ///
    /// # Errors
    /// The driver's own; repeat it then.
    fn forget_older(&self) -> Result<(), BoxError>;

    /// What holds the root key, for inventories.
    fn describe(&self) -> CustodianInfo;
}

/// What holds the root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodianInfo {
    /// `file`, `transit`, `pkcs11` or `memory`.
    pub kind: &'static str,
    /// As [`Custodian::key_id`].
    pub key_id: String,
    /// Whether [`Custodian::forget_older`] really destroys. Where it does not, whoever rules the custodian can
    /// open an old copy of the key store.
    pub forgets: bool,
}

/// Keeps wrapped keys: the only data that is truly mutable, and the only store that can forget.
///
/// The contract of a driver, beyond what each method says:
/// - Every method is atomic: it happens whole or not at all, also across a crash, and what it
///   acknowledged is durable. Calls may come from many threads, and from several processes when the
///   driver allows that.
/// - There is one row per [`KeyName`]. Once a name was destroyed it stays destroyed: the row remains
///   as a tombstone without key material. Outgoing bucket keys ([`KeyKind::Outgoing`]) alone come again: with
///   each [`KeyStore::turn`].
/// - What was destroyed or replaced is overwritten in the store's own files before the call
///   returns, as far as software can do that.
///
/// `vault::conformance` is this contract as tests.
pub trait KeyStore: TokenStore {
    /// The key of that name, live or destroyed; `None` when there never was one.
    ///
    /// # Errors
    /// The driver's own.
    fn get(&self, name: &KeyName) -> Result<Option<Stored>, BoxError>;

    /// Stores a key that is not there yet, if the key that wraps it is still the one it was wrapped
    /// under, and its subject, if it has one, was not erased. The four answers are exclusive.
    ///
    /// # Errors
    /// The driver's own.
    fn put(&self, key: &WrappedKey) -> Result<Put, BoxError>;

    /// All live keys whose [`KeyName::parent`] is `parent`, in no particular order. While a rotation is under way, some
    /// of a bucket's are still wrapped by its outgoing version.
    ///
    /// # Errors
    /// The driver's own.
    fn children(&self, parent: &KeyName) -> Result<Vec<WrappedKey>, BoxError>;

    /// All live keys that the root key wraps: class and index keys, ordered by name.
    ///
    /// # Errors
    /// The driver's own.
    fn wrapped_by_root(&self) -> Result<Vec<WrappedKey>, BoxError>;

    /// Replaces the wrappings of all keys that the root key wraps, in one step. When `keys` are not exactly the live
    /// ones, each at its version, nothing changes and the answer is [`DestroyOutcome::Conflict`].
    ///
    /// # Errors
    /// The driver's own. After an error it may or may not have happened; repeat it.
    fn rewrap_roots(&self, keys: &[WrappedKey]) -> Result<DestroyOutcome, BoxError>;

    /// Begins a rotation: see [`Turn`]. When any of its conditions does not hold, nothing changes and the answer is
    /// [`DestroyOutcome::Conflict`].
    ///
    /// # Errors
    /// The driver's own. After an error it may or may not have happened.
    fn turn(&self, turn: &Turn) -> Result<DestroyOutcome, BoxError>;

    /// Up to `limit` live keys of `class` that an outgoing bucket key wraps, in an order of the store's own in which
    /// those that lie together come together, from behind the mark `after`; each with its mark. The first mark is 0.
    ///
    /// # Errors
    /// The driver's own.
    fn lagging(&self, class: &str, after: u64, limit: usize) -> Result<Vec<(u64, WrappedKey)>, BoxError>;

    /// Replaces the wrappings of keys, in one step: of each that is live at its version, and whose bucket key is at the
    /// version that it was wrapped under. The others stay as they are. Gives how many were replaced.
    ///
    /// # Errors
    /// The driver's own. After an error it may or may not have happened.
    fn rewrap(&self, keys: &[WrappedKey]) -> Result<u64, BoxError>;

    /// Ends a rotation: destroys the outgoing bucket keys of `class` at `at_ms`, if they wrap no live key any more. Gives
    /// whether that was so. Repeating it is allowed and scrubs the files again.
    ///
    /// # Errors
    /// The driver's own; repeat it then.
    fn forget_outgoing(&self, class: &str, at_ms: u64) -> Result<bool, BoxError>;

    /// All live subject and link keys of `subject`, over all classes.
    ///
    /// # Errors
    /// The driver's own.
    fn keys_of(&self, subject: &SubjectRef) -> Result<Vec<WrappedKey>, BoxError>;

    /// Blind index lookup: the subject that `idx` stands for in `scope`.
    ///
    /// # Errors
    /// The driver's own.
    fn find_subject(&self, scope: &str, idx: &[u8; 32]) -> Result<Option<SubjectRef>, BoxError>;

    /// Binds `idx` in `scope` to `subject`, unless it is bound already; gives the one it is bound to
    /// now.
    ///
    /// # Errors
    /// The driver's own.
    fn bind_subject(&self, scope: &str, idx: &[u8; 32], subject: &SubjectRef) -> Result<SubjectRef, BoxError>;

    /// The same for several at once, in their order; a driver that waits for its disk with each should do better.
    ///
    /// # Errors
    /// The driver's own; those before the one at fault may be bound.
    fn bind_subjects(&self, scope: &str, rows: &[([u8; 32], SubjectRef)]) -> Result<Vec<SubjectRef>, BoxError> {
        rows.iter().map(|(idx, subject)| self.bind_subject(scope, idx, subject)).collect()
    }

    /// Notes that `holder`, such as a version of a data set, holds data of these subjects. Noting one again changes
    /// nothing that can be seen.
    ///
    /// # Errors
    /// The driver's own.
    fn hold(&self, holder: &str, subjects: &[SubjectRef]) -> Result<(), BoxError>;

    /// The holders of data of `subject`, each once, in order; none once it is destroyed.
    ///
    /// # Errors
    /// The driver's own.
    fn holders(&self, subject: &SubjectRef) -> Result<Vec<String>, BoxError>;

    /// Forgets that `holder` holds data of `subject`, or of anybody when none is named.
    ///
    /// # Errors
    /// The driver's own.
    fn release(&self, holder: &str, subject: Option<&SubjectRef>) -> Result<(), BoxError>;

    /// Destroys keys and re-wraps their neighbours, in one step: see [`Destruction`].
    ///
    /// When any of its conditions does not hold, nothing changes and the answer is
    /// [`DestroyOutcome::Conflict`]. Repeating a destruction that is done already is allowed and
    /// scrubs the files again.
    ///
    /// # Errors
    /// The driver's own. After an error the destruction may or may not have happened; repeat it.
    fn destroy(&self, destruction: &Destruction) -> Result<DestroyOutcome, BoxError>;

    /// Every key ever stored, tombstones included, ordered by name, without key material.
    ///
    /// # Errors
    /// The driver's own.
    fn list(&self) -> Result<Vec<KeyInfo>, BoxError>;

    /// How many keys there are of each kind and class, ordered by both.
    ///
    /// # Errors
    /// The driver's own.
    fn count(&self) -> Result<Vec<KeyCount>, BoxError>;
}

/// A live key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Its name.
    pub name: KeyName,
    /// Counts from 1; only class and bucket keys are ever replaced in place.
    pub version: u32,
    /// Version of the parent that wraps it; 0 when that is the root key.
    pub parent_version: u32,
    /// Ciphertext of the key (see [`crate::wrap`]).
    pub wrapped: Vec<u8>,
    /// When this version was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What a store holds under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The key can be used.
    Live(WrappedKey),
    /// The key was destroyed.
    Destroyed {
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
}

/// What became of a [`KeyStore::put`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored and durable.
    Stored,
    /// A key or a tombstone of that name is there already; nothing changed.
    Exists,
    /// The parent is absent or has another version than the key was wrapped under; nothing changed.
    ParentMoved,
    /// The subject was erased and may get no more keys; nothing changed.
    SubjectErased,
}

/// What to destroy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All keys, blind index rows and tokens of a subject, and the notes of who holds data of it; it can get no new
    /// ones afterwards.
    Subject(SubjectRef),
    /// One day key; its name becomes a tombstone even if there was no key yet.
    Day(KeyName),
    /// One object key; its name becomes a tombstone even if there was no key yet.
    Object(KeyName),
}

/// A destruction, with all that must change in the same step.
///
/// Conditions: each bucket in `rewraps` is stored with the version before the new one; its live
/// children, apart from the doomed, are exactly `children`; and every live doomed key has its bucket
/// in `rewraps`.
///
/// Effects: doomed keys become tombstones without key material; blind index rows and tokens of a target subject
/// go; buckets and children are replaced by the new wrappings, over the old bytes; an outgoing version of
/// a replaced bucket is destroyed, for it wraps nothing any more.
#[derive(Clone, Debug)]
pub struct Destruction {
    /// What to destroy.
    pub target: Target,
    /// New bucket keys, and the surviving keys wrapped under them.
    pub rewraps: Vec<Rewrap>,
    /// Time of the tombstones, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Destruction {
    /// Whether the key of that name is to be destroyed.
    #[must_use]
    pub fn dooms(&self, name: &KeyName) -> bool {
        match &self.target {
            Target::Subject(subject) => name.owner() == Some(*subject),
            Target::Day(key) | Target::Object(key) => name == key,
        }
    }

    /// The conditions on one bucket: `stored_version` is its version in the store, `live` the names
    /// of its live children there.
    #[must_use]
    pub fn fits(&self, rewrap: &Rewrap, stored_version: Option<u32>, live: &[KeyName]) -> bool {
        let surviving: BTreeSet<&KeyName> = live.iter().filter(|n| !self.dooms(n)).collect();
        let given: BTreeSet<&KeyName> = rewrap.children.iter().map(|c| &c.name).collect();
        stored_version.and_then(|v| v.checked_add(1)) == Some(rewrap.bucket.version) && surviving == given
    }

    /// The condition on the doomed: each one's bucket is replaced too.
    #[must_use]
    pub fn covers(&self, doomed: &[KeyName]) -> bool {
        doomed.iter().all(|name| {
            let parent = name.parent();
            self.rewraps.iter().any(|r| Some(&r.bucket.name) == parent.as_ref())
        })
    }
}

/// One bucket key replaced, with the surviving keys under its new version.
#[derive(Clone, Debug)]
pub struct Rewrap {
    /// The new bucket key.
    pub bucket: WrappedKey,
    /// The same keys as before, wrapped anew; versions and dates of their own are unchanged.
    pub children: Vec<WrappedKey>,
}

/// The beginning of a rotation: a new class key, and with it new versions of all its bucket keys, whose present
/// versions stay as outgoing ones until their children have moved over.
///
/// Conditions: the class key is stored with the version before the new one; its live bucket keys are exactly those
/// given, each with the version that goes out; and none of them has an outgoing version yet.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The new version of the class key.
    pub class: WrappedKey,
    /// Its bucket keys.
    pub buckets: Vec<TurnedBucket>,
}

/// A bucket key in a [`Turn`].
#[derive(Clone, Debug)]
pub struct TurnedBucket {
    /// The present version, named by [`KeyName::outgoing`] and wrapped by the new class key.
    pub outgoing: WrappedKey,
    /// The new version.
    pub incoming: WrappedKey,
}

impl Turn {
    /// The conditions: `stored` are the class key's version and the live keys below it, as the store has them.
    #[must_use]
    pub fn fits(&self, class_version: Option<u32>, stored: &[WrappedKey]) -> bool {
        let steps_up = |b: &TurnedBucket| b.incoming.version == b.outgoing.version.saturating_add(1);
        let given = self.buckets.iter().map(|b| (&b.incoming.name, b.outgoing.version));
        class_version.and_then(|v| v.checked_add(1)) == Some(self.class.version)
            && self.buckets.iter().all(steps_up)
            && stored.iter().all(|key| key.name.kind == KeyKind::Bucket)
            && given.collect::<BTreeSet<_>>() == versions(stored)
    }
}

/// Whether both hold the same names at the same versions, in whatever order: the condition of
/// [`KeyStore::rewrap_roots`].
#[must_use]
pub fn same_versions(one: &[WrappedKey], other: &[WrappedKey]) -> bool {
    versions(one) == versions(other)
}

fn versions(keys: &[WrappedKey]) -> BTreeSet<(&KeyName, u32)> {
    keys.iter().map(|key| (&key.name, key.version)).collect()
}

/// What became of a [`KeyStore::destroy`], or of another step that happens whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestroyOutcome {
    /// Done, durable, scrubbed.
    Done,
    /// The store changed since the destruction was prepared; nothing happened. Prepare it again.
    Conflict,
}

/// Whether a key can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It can.
    Live,
    /// It was destroyed.
    Destroyed {
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
}

/// How many keys there are of one kind in one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// What the keys are for.
    pub kind: KeyKind,
    /// Their data class; empty for index keys.
    pub class: String,
    /// How many can be used.
    pub live: u64,
    /// How many were destroyed.
    pub destroyed: u64,
}

/// One line of a key inventory; no key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// What the key is for.
    pub kind: KeyKind,
    /// Its data class; empty for index keys.
    pub class: String,
    /// Its unit: see [`KeyName::unit`].
    pub id: String,
    /// Its version, from 1.
    pub version: u32,
    /// Live or destroyed.
    pub state: KeyState,
    /// When this version was made, in milliseconds since 1970.
    pub created_ms: u64,
}
