//! How many tokens a second: `cargo bench -p store --bench tokens`.
//!
//! Values in batches of 1,000, as the bulk command sends them, on one thread over a key store on disk: vaulted ones made,
//! found again and turned back, and numbers by FF1.

use std::sync::Arc;
use std::time::Instant;

use store::SqliteKeys;
use vault::memory::MemoryCustodian;
use vault::tokens::ff1::Way;
use vault::tokens::{Format, Owner};
use vault::{SecretKey, Vault};

const BATCHES: usize = 50;
const BATCH: usize = 1_000;

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let keys = Arc::new(SqliteKeys::open(&dir.path().join("keys.db")).expect("a key store"));
    let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[1; 32])));
    let vault = Vault::open("bench.example/1", keys, root, 1).expect("a vault");
    let numbers =
        |batch: usize| -> Vec<String> { (0..BATCH).map(|n| format!("+61 4{:08}", batch * BATCH + n)).collect() };
    let owned = |batch| -> Vec<(String, Owner)> { numbers(batch).into_iter().map(|n| (n, Owner::Scope)).collect() };
    fn rate(what: &str, work: impl FnMut(usize)) {
        let start = Instant::now();
        (0..BATCHES).for_each(work);
        let values = (BATCHES * BATCH) as f64;
        println!("{what}: {:.0} values a second", values / start.elapsed().as_secs_f64());
    }
    let mut tokens = Vec::new();
    let make = |batch| vault.tokenize("personal", Format::Phone, "bench", &owned(batch), 1).expect("tokens");
    rate("vaulted, new", |batch| tokens.push(make(batch)));
    rate("vaulted, known", |batch| assert_eq!(make(batch).len(), BATCH));
    rate("vaulted, turned back", |batch| {
        let values = vault.detokenize("personal", "bench", &tokens[batch]).expect("values");
        assert_eq!(values.len(), BATCH);
    });
    rate("ff1", |batch| {
        let turned = vault.format_preserving(Way::Encrypt, Format::Phone, "bench", "", &numbers(batch), 1);
        assert_eq!(turned.expect("tokens").len(), BATCH);
    });
}
