//! The stand-in for a provider: one thread that reads a request and gives the same answer each time. It does as little
//! as HTTP/1.1 allows, so that what is measured is what stands before it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// About 615 bytes, as a short chat completion is.
const ANSWER: &str = r#"{"id":"chatcmpl-stand-in-000000000001","object":"chat.completion","created":1700000000,"model":"stand-in-chat-1","choices":[{"index":0,"message":{"role":"assistant","content":"Your application has been received. A person will look at it within two working days, and will write to you at the address that you gave. You need not do anything until then. If your circumstances change in the meantime, please tell us.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":96,"completion_tokens":48,"total_tokens":144},"service_tier":"default","system_fingerprint":"fp_stand_in"}"#;

/// Starts it on a free port, on a thread of its own, until the process ends.
pub fn start() -> Result<SocketAddr, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    let serve = move || {
        runtime.block_on(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(converse(connection));
            }
        });
    };
    std::thread::Builder::new().name("stand-in".into()).spawn(serve)?;
    Ok(address)
}

/// Answers the requests of a connection until it closes or breaks; whoever asked sees that.
async fn converse(mut connection: TcpStream) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let length = ANSWER.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    let answer = (head + ANSWER).into_bytes();
    let mut bytes = Vec::with_capacity(4096);
    loop {
        while let Some(end) = message_end(&bytes) {
            bytes.drain(..end);
            connection.write_all(&answer).await?;
        }
        if connection.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

/// Where the first HTTP message in `bytes` ends; `None` while it is not whole. Its length must be stated.
pub fn message_end(bytes: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length:";
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let mut lines = bytes[..head].split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(LENGTH.len())?;
        name.eq_ignore_ascii_case(LENGTH).then_some(value)
    })?;
    let end = head + std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok()?;
    (bytes.len() >= end).then_some(end)
}
