//! The server's statuses and bodies, as C2SP tlog-witness gives them.

use axum::http::{HeaderMap, Method};
use http_body_util::BodyExt;
use ledger::vfs::RealVfs;
use merkle::{Checkpoint, Note, SignerKey, consistency_proof_of, leaf_hash, root_of};
use tower::ServiceExt;

use super::*;

const ORIGIN: &str = "example.com/log";

fn log() -> SignerKey {
    SignerKey::ed25519(ORIGIN, &[1; 32]).expect("a key")
}

fn leaves(size: u64) -> Vec<merkle::Hash> {
    (0..size).map(|seq| leaf_hash(&seq.to_be_bytes())).collect()
}

fn checkpoint(signer: &SignerKey, leaves: &[merkle::Hash]) -> String {
    let origin = signer.verifier_key().name().to_owned();
    let size = leaves.len() as u64;
    let checkpoint = Checkpoint { origin, size, root: root_of(leaves), extensions: Vec::new() };
    let mut note = Note::new(checkpoint.to_text()).expect("a note");
    note.signatures.push(signer.sign_note(&note.text));
    note.to_string()
}

fn request(old: u64, size: u64) -> AddCheckpoint {
    let leaves = leaves(size);
    let proof = if old == 0 { Vec::new() } else { consistency_proof_of(&leaves, old).expect("a proof") };
    AddCheckpoint { old, proof, checkpoint: checkpoint(&log(), &leaves) }
}

struct Rig {
    router: Router,
    vkey: VerifierKey,
    _dir: tempfile::TempDir,
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = WitnessStore::open(Arc::new(RealVfs), dir.path()).expect("a new state");
    let cosigner = CosignerKey::new("witness.example/w1", &[2; 32]).expect("a key");
    let logs = [log().verifier_key().to_string()];
    let witness = Witness::new(store, cosigner, &logs).expect("a witness");
    let vkey = witness.verifier_key().clone();
    Rig { router: router(Arc::new(witness)), vkey, _dir: dir }
}

impl Rig {
    async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> (u16, HeaderMap, String) {
        let request = axum::http::Request::builder().method(method).uri(path).body(body.into()).expect("a request");
        let (parts, body) = self.router.clone().oneshot(request).await.expect("infallible").into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn add(&self, request: impl ToString) -> (u16, HeaderMap, String) {
        self.send(Method::POST, "/add-checkpoint", request.to_string()).await
    }

    /// What the monitoring path serves.
    async fn latest(&self) -> (u16, String) {
        let path = format!("/{}/checkpoint", hex(&Sha256::digest(ORIGIN.as_bytes())));
        let (status, _, body) = self.send(Method::GET, &path, "").await;
        (status, body)
    }
}

#[tokio::test]
async fn given_a_log_that_grows_when_it_asks_then_it_gets_cosignatures_and_others_can_see_them() {
    let rig = rig();
    assert_eq!(rig.latest().await.0, 404);
    for (old, size) in [(0, 3), (3, 3), (3, 10)] {
        let asked = request(old, size);
        let (status, _, body) = rig.add(&asked).await;
        assert_eq!(status, 200, "{body}");
        let cosigned = Note::parse(asked.checkpoint.clone() + &body).expect("the answer is signature lines");
        assert!(rig.vkey.verify(&cosigned).expect("cosigned").timestamp > Some(1_700_000_000));
        let (status, latest) = rig.latest().await;
        assert_eq!((status, latest), (200, asked.checkpoint + &body));
    }
}

#[tokio::test]
async fn given_another_old_size_when_asked_then_409_tells_the_size_in_its_own_type() {
    let rig = rig();
    assert_eq!(rig.add(request(0, 5)).await.0, 200);
    for old in [0, 3, 6] {
        let (status, headers, body) = rig.add(request(old, 9)).await;
        assert_eq!((status, body.as_str()), (409, "5\n"), "old {old}");
        assert_eq!(headers[header::CONTENT_TYPE], "text/x.tlog.size");
    }
    let mut forked = leaves(5);
    forked[0] = leaf_hash(b"another history");
    let forked = AddCheckpoint { old: 5, proof: Vec::new(), checkpoint: checkpoint(&log(), &forked) };
    assert_eq!(rig.add(forked).await.0, 409);
}

#[tokio::test]
async fn given_what_must_not_be_cosigned_when_asked_then_each_has_its_status_and_nothing_changes() {
    let rig = rig();
    assert_eq!(rig.add(request(0, 5)).await.0, 200);
    let before = rig.latest().await;

    let stranger = SignerKey::ed25519("example.com/other", &[1; 32]).expect("a key");
    let unknown = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: checkpoint(&stranger, &leaves(9)) };
    let impostor = SignerKey::ed25519(ORIGIN, &[9; 32]).expect("a key");
    let forged = AddCheckpoint { checkpoint: checkpoint(&impostor, &leaves(9)), ..request(5, 9) };
    let mut bad_proof = request(5, 9);
    bad_proof.proof.reverse();
    bad_proof.proof.push([0; 32]);
    let smaller = AddCheckpoint { old: 9, proof: Vec::new(), checkpoint: checkpoint(&log(), &leaves(4)) };
    for (asked, status) in [(unknown, 404), (forged, 403), (bad_proof, 422), (smaller, 400)] {
        assert_eq!(rig.add(&asked).await.0, status, "{asked}");
    }
    for garbage in ["", "old 5\n", "old x\n\nnote", "old 05\n\nnote\n", "\u{0}"] {
        assert_eq!(rig.add(garbage).await.0, 400, "{garbage:?}");
    }
    assert_eq!(rig.add("x".repeat(MAX_REQUEST_BYTES + 1)).await.0, 413);
    assert_eq!(rig.send(Method::GET, "/add-checkpoint", "").await.0, 405);
    for path in ["/0/checkpoint", "/..%2fLOCK/checkpoint"] {
        assert_eq!(rig.send(Method::GET, path, "").await.0, 404, "{path}");
    }
    assert_eq!(rig.latest().await, before);
}

#[tokio::test]
async fn given_keys_that_are_no_logs_when_made_then_they_are_refused_by_name() {
    let witness = CosignerKey::new("w", &[2; 32]).expect("a key");
    let good = log().verifier_key().to_string();
    for (logs, word) in [
        (vec![witness.verifier_key().to_string()], "key of a witness"),
        (vec![good.clone(), good], "given twice"),
        (vec!["nonsense".to_owned()], "nonsense"),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = WitnessStore::open(Arc::new(RealVfs), dir.path()).expect("a new state");
        let failure = Witness::new(store, witness.clone(), &logs).err().expect("refused");
        assert!(failure.code == 64 && failure.message.contains(word), "{}", failure.message);
    }
}
