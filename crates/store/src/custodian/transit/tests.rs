//! Against a real OpenBao server, and against things at an address that are none.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;
use crate::custodian::tests::bao::Bao;

fn token(dir: &std::path::Path, text: &str) -> SecretSource {
    let path = dir.join("token");
    let _ = std::fs::remove_file(&path);
    crate::secret_file::create(&path, text.as_bytes()).expect("written");
    SecretSource::File(path)
}

fn options(address: &str, key: &str, token: SecretSource) -> TransitOptions {
    TransitOptions {
        address: address.to_owned(),
        mount: "transit".into(),
        key: key.into(),
        namespace: String::new(),
        token,
        ca_file: PathBuf::new(),
    }
}

/// Answers every request with the same bytes; its address.
fn stand_in(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    address
}

fn failure(options: &TransitOptions) -> String {
    TransitCustodian::open(options).err().expect("it cannot be used").to_string()
}

#[test]
fn given_a_real_openbao_when_it_is_the_custodian_then_it_keeps_the_contract() {
    let Some(bao) = Bao::start("transit") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let token = token(dir.path(), &format!("{}\n", Bao::TOKEN));
    let custodian = TransitCustodian::open(&options(&bao.address, "contract", token.clone())).expect("opened");
    vault::custodian_conformance::check(&custodian);
    assert_eq!(custodian.key_id(), "transit:transit/contract");
    // Another process with the same key unwraps what this one wrapped.
    let wrapped = custodian.wrap(b"class key", b"aad").expect("wrapped");
    let other = TransitCustodian::open(&options(&bao.address, "contract", token)).expect("opened");
    assert_eq!(other.unwrap(&wrapped, b"aad").expect("unwrapped"), b"class key");
}

#[test]
fn given_a_real_openbao_when_the_token_is_taken_back_or_the_server_stops_then_it_is_away_and_then_back() {
    let Some(bao) = Bao::start("transit-away") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let source = token(dir.path(), Bao::TOKEN);
    let custodian = TransitCustodian::open(&options(&bao.address, "away", source)).expect("opened");
    let wrapped = custodian.wrap(b"class key", b"aad").expect("wrapped");

    token(dir.path(), "another");
    let refused = custodian.unwrap(&wrapped, b"aad").expect_err("the token is not good");
    assert!(refused.is::<Unreachable>() && refused.to_string().contains("403"), "{refused}");
    token(dir.path(), Bao::TOKEN);
    assert!(custodian.unwrap(&wrapped, b"aad").is_ok(), "it is read anew each time");

    bao.pause(true);
    let silent = custodian.unwrap(&wrapped, b"aad").expect_err("nobody answers");
    assert!(silent.is::<Unreachable>() && silent.to_string().contains("no answer within 2 s"), "{silent}");
    bao.pause(false);
    assert_eq!(custodian.unwrap(&wrapped, b"aad").expect("back"), b"class key");
}

#[test]
fn given_nobody_or_something_else_at_the_address_when_opened_then_it_says_so_and_shows_no_token() {
    let dir = tempfile::tempdir().expect("a directory");
    let secret = "s.very-secret-token";
    let source = token(dir.path(), secret);
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
    let moved = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let sealed = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 32\r\nconnection: close\r\n\r\n{\"errors\":[\"Vault is sealed\"]}\r\n";
    let rsa = "HTTP/1.1 200 OK\r\ncontent-length: 48\r\nconnection: close\r\n\r\n{\"data\":{\"type\":\"rsa-4096\",\"latest_version\": 1}}";
    for (address, expected) in [
        (gone, "Connection refused"),
        (stand_in(page), "it is not JSON"),
        (stand_in(moved), "307"),
        (stand_in(sealed), "Vault is sealed"),
        (stand_in(rsa), "the key is of kind `rsa-4096`"),
    ] {
        let why = failure(&options(&address, "k", source.clone()));
        assert!(why.contains(expected) && why.starts_with("custodian transit:transit/k: "), "{why}");
        assert!(!why.contains(secret), "{why}");
    }
    let missing = options("http://127.0.0.1:9", "k", SecretSource::File(dir.path().join("none")));
    assert!(failure(&missing).contains("the custodian's token"), "{}", failure(&missing));
}
