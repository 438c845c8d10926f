//! Encrypting and decrypting an object as a stream, beside AES-256-GCM alone on one core, in the same run.
//!
//! `cargo bench -p store --bench objects -- [MiB, 1024 if absent] [directory]`

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use store::objects::{self, Incoming};
use vault::memory::{MemoryCustodian, MemoryKeys};
use vault::object::CHUNK_BYTES;
use vault::{SecretKey, Vault};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mib: usize = arguments.first().and_then(|mib| mib.parse().ok()).unwrap_or(1024);
    let dir = arguments.get(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(dir).expect("a directory");
    let chunks = mib * (1 << 20) / CHUNK_BYTES;
    let bytes = (chunks * CHUNK_BYTES) as f64;
    let rate = |since: Instant| bytes / since.elapsed().as_secs_f64() / 1e6;
    let plain: Vec<u8> = (0..CHUNK_BYTES).map(|at| (at % 251) as u8).collect();

    let cipher = Aes256Gcm::new(&[7; 32].into());
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 16);
    let since = Instant::now();
    for number in 0..chunks as u64 {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        buffer.clear();
        buffer.extend_from_slice(&plain);
        cipher.encrypt_in_place(&Nonce::from(nonce), b"", &mut buffer).expect("encrypts");
    }
    let alone = rate(since);
    println!("aes-256-gcm alone, one core       {alone:>8.0} MB/s");
    let tell = |what: &str, rate: f64| println!("{what:<33} {rate:>8.0} MB/s  {:>4.0} %", 100.0 * rate / alone);

    let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[3; 32])));
    let vault = Vault::open("bench", Arc::new(MemoryKeys::default()), root, 0).expect("a vault");
    let since = Instant::now();
    let (_, mut writer) = vault.object_writer("internal", std::io::sink(), 0).expect("begun");
    (0..chunks).for_each(|_| writer.write_all(&plain).expect("written"));
    writer.finish().expect("finished");
    tell("encrypted into nothing", rate(since));

    let since = Instant::now();
    let incoming = Incoming::new(dir.path()).expect("begun");
    let (id, mut writer) = vault.object_writer("internal", incoming, 0).expect("begun");
    (0..chunks).for_each(|_| writer.write_all(&plain).expect("written"));
    let (incoming, _) = writer.finish().expect("finished");
    let written = rate(since);
    incoming.keep(&id.to_string()).expect("kept");
    tell("encrypted, hashed and written", written);
    tell("the same until it is on the disk", rate(since));

    let since = Instant::now();
    let file = objects::open(dir.path(), &id.to_string()).expect("readable").expect("there");
    let mut reader = vault.object_reader("internal", &id, file).expect("opens");
    let mut read = 0;
    while let Some(chunk) = reader.next_chunk().expect("authentic") {
        read += chunk.len();
    }
    assert_eq!(read, chunks * CHUNK_BYTES);
    tell("read and decrypted", rate(since));

    let mut status = String::new();
    let read = std::fs::File::open("/proc/self/status").and_then(|mut file| file.read_to_string(&mut status));
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("most memory: {}", peak.filter(|_| read.is_ok()).unwrap_or("unknown"));
}
