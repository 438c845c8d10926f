//! Requests as the stand-ins for other programs read them: HTTP/1.1 with a length.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A request that came.
pub struct Incoming {
    /// Its first line and its headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Incoming {
    /// Reads one; `None` when the connection ends before.
    pub async fn read(connection: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if connection.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut incoming = Self { head, body: bytes.split_off(end + 4) };
        let length = incoming.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while incoming.body.len() < length {
            if connection.read_buf(&mut incoming.body).await.ok()? == 0 {
                return None;
            }
        }
        Some(incoming)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
