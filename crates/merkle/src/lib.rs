//! The tamper-evident log, as algorithms only: RFC 6962 hashing and proofs, C2SP tiles, signed notes, checkpoints,
//! witness cosignatures, trust policies and portable proofs. Everything here is a function of its arguments; there is
//! no file, socket, clock, randomness or thread, so the same code runs in the server, in the auditor's tool and in a
//! browser. Every parser takes untrusted bytes: it is bounded, it never panics, and it accepts exactly one spelling of
//! each value, so that parsing and printing again gives the same bytes.

pub mod checkpoint;
pub mod cosignature;
pub mod encoding;
pub mod key;
pub mod note;
pub mod path;
pub mod policy;
pub mod proof;
pub mod statement;
pub mod stored;
pub mod tile;
pub mod tree;
pub mod witness;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::CosignerKey;
pub use encoding::{EncodingError, b64, hash_from_b64, hash_from_hex, hex, unb64, unhex};
pub use key::{KeyAlgorithm, KeyError, SignerKey, Verified, VerifierKey};
pub use note::{Note, NoteError, NoteSignature};
pub use path::{
    ProofError, consistency_proof_of, inclusion_proof_of, root_from_inclusion, verify_consistency, verify_inclusion,
};
pub use policy::{Policy, PolicyError, PolicyVerdict};
pub use proof::{TlogProof, TlogProofError};
pub use statement::statement;
pub use stored::{HashReader, StoredError, stored_consistency_proof, stored_inclusion_proof, stored_root};
pub use tile::{TILE_WIDTH, TileError, TileKind, TilePath, completed_by, decode_bundle, encode_bundle};
pub use tree::{Frontier, Hash, empty_root, leaf_hash, node_hash, root_of};
pub use witness::{AddCheckpoint, WitnessDecision, WitnessError};
