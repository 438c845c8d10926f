//! The first message of a client that speaks nothing newer than TLS 1.0 or 1.1, and whether a server agrees to that. Our
//! library for TLS speaks no such versions, so what an endpoint does with them is found out with these bytes, which
//! end before anything secret would be said (RFC 2246 and RFC 4346, section 7.4.1).

use domain::infrastructure::TlsVersion;

/// Bytes of an answer that tell whether the server agreed: the heads of record and message, and the version.
pub const ENOUGH: usize = 11;

/// A handshake record, and the two messages in it that matter.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Suites of those times: ECDHE, DHE and RSA with AES and 3DES, and the sign that renegotiation is safe (RFC 5746).
const SUITES: [u16; 13] =
    [0xc00a, 0xc014, 0xc009, 0xc013, 0x0039, 0x0033, 0x0035, 0x002f, 0xc008, 0xc012, 0x0016, 0x000a, 0x00ff];

/// Curves: X25519, P-256, P-384, P-521.
const CURVES: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];

/// The message. `host` is named in it when it is a name (RFC 6066, section 3).
pub fn hello(version: TlsVersion, host: &str, random: &[u8; 32]) -> Vec<u8> {
    let mut body = vec![3, minor(version)];
    body.extend(random);
    // No session to resume.
    body.push(0);
    body.extend(counted(&words(&SUITES)));
    // No compression.
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        let name = [&[0][..], &counted(host.as_bytes())].concat();
        extensions.extend(extension(0, &counted(&name)));
    }
    extensions.extend(extension(10, &counted(&words(&CURVES))));
    // Points of curves are written in full.
    extensions.extend(extension(11, &[1, 0]));
    body.extend(counted(&extensions));
    let message = [&[CLIENT_HELLO, 0], &counted(&body)[..]].concat();
    [&[HANDSHAKE, 3, 1], &counted(&message)[..]].concat()
}

/// Whether an answer begins with a server's hello in that version, or in an older one.
pub fn taken(answer: &[u8], version: TlsVersion) -> bool {
    let Some(&[record, _, _, _, _, message, _, _, _, major, said]) = answer.first_chunk::<ENOUGH>() else {
        return false;
    };
    (record, message, major) == (HANDSHAKE, SERVER_HELLO, 3) && said <= minor(version)
}

/// The second byte of a version on the wire.
fn minor(version: TlsVersion) -> u8 {
    match version {
        TlsVersion::V1_0 => 1,
        TlsVersion::V1_1 => 2,
        TlsVersion::V1_2 => 3,
        TlsVersion::V1_3 => 4,
    }
}

fn words(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// Bytes after their number, in two bytes. All that is written here is short.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &counted(bytes)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_version_when_offered_then_the_message_names_it_and_its_lengths_add_up() {
        for (version, byte) in [(TlsVersion::V1_0, 1), (TlsVersion::V1_1, 2)] {
            let message = hello(version, "acme.example", &[7; 32]);
            let length = |at: usize| usize::from(u16::from_be_bytes([message[at], message[at + 1]]));
            assert_eq!((message[0], message[5], length(3), length(7)), (22, 1, message.len() - 5, message.len() - 9));
            assert_eq!(message[9..11], [3, byte]);
            let named = |message: &[u8]| message.windows(12).any(|window| window == b"acme.example");
            assert!(named(&message));
            assert!(hello(version, "10.0.0.7", &[7; 32]).len() < message.len(), "an address is not named");
        }
    }

    #[test]
    fn given_an_answer_when_read_then_only_a_servers_hello_in_that_version_agrees() {
        let agreed = |minor: u8| [22, 3, minor, 0, 80, 2, 0, 0, 76, 3, minor, 9, 9];
        assert!(taken(&agreed(2), TlsVersion::V1_1) && taken(&agreed(1), TlsVersion::V1_1));
        assert!(!taken(&agreed(2), TlsVersion::V1_0), "not what was offered");
        for other in [&b""[..], &[21, 3, 1, 0, 2, 2, 70, 0, 0, 0, 0], &[22, 3, 1, 0, 80], b"HTTP/1.1 400 Bad Request"] {
            assert!(!taken(other, TlsVersion::V1_1), "{other:?}");
        }
    }
}
