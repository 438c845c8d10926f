//! What a certificate says of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, Error, KeyUsage};

/// What is told of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its issuer's name, hexadecimal.
    pub issuer_sha256: String,
    /// The names that it is for, in lower case.
    pub names: BTreeSet<String>,
    /// From when it is valid, in milliseconds since the epoch.
    pub not_before: i64,
    /// Until when it is valid, in milliseconds since the epoch.
    pub not_after: i64,
}

impl Facts {
    /// Reads them; `None` when it is no certificate of a server.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        let (not_before, not_after) = validity(&parsed)?;
        let issuer = DistinguishedName::in_sequence(parsed.issuer());
        // A number whose first bit is set has a byte in front that says it is not negative.
        let serial = parsed.serial();
        let serial = serial.strip_prefix(&[0]).filter(|digits| !digits.is_empty()).unwrap_or(serial);
        Some(Self {
            sha256: merkle::hex(&Sha256::digest(certificate)),
            serial: merkle::hex(serial),
            issuer_sha256: merkle::hex(&Sha256::digest(issuer.as_ref())),
            names: parsed.valid_dns_names().map(str::to_ascii_lowercase).collect(),
            not_before,
            not_after,
        })
    }

    /// SHA-256 of the names, sorted, each with a line feed after it; hexadecimal.
    pub fn names_sha256(&self) -> String {
        let lines: String = self.names.iter().map(|name| format!("{name}\n")).collect();
        merkle::hex(&Sha256::digest(lines))
    }
}

/// From when and until when it is valid, in milliseconds since the epoch. The parser tells when it is asked whether it
/// was valid at the beginning of time, and will be at its end; it looks at that before anything else.
fn validity(certificate: &EndEntityCert<'_>) -> Option<(i64, i64)> {
    let asked = |seconds| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        certificate.verify_for_usage(&[], &[], &[], at, KeyUsage::server_auth(), None, None).err()
    };
    let ms = |time: UnixTime| i64::try_from(time.as_secs()).ok()?.checked_mul(1000);
    match (asked(0)?, asked(u64::MAX)?) {
        (Error::CertNotValidYet { not_before, .. }, Error::CertExpired { not_after, .. }) => {
            Some((ms(not_before)?, ms(not_after)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_certificate_when_read_then_names_and_validity_are_its_own() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params =
            rcgen::CertificateParams::new(["B.example".to_owned(), "a.example".to_owned()]).expect("names");
        params.serial_number = Some(vec![0xf3, 0xa1].into());
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2026, 4, 2);
        let certificate = params.self_signed(&key).expect("a certificate");
        let facts = Facts::of(certificate.der()).expect("facts");
        assert_eq!(facts.serial, "f3a1");
        assert_eq!((facts.not_before, facts.not_after), (1_767_312_000_000, 1_775_088_000_000));
        assert_eq!(facts.names.iter().map(String::as_str).collect::<Vec<_>>(), ["a.example", "b.example"]);
        assert_eq!(facts.names_sha256(), merkle::hex(&Sha256::digest("a.example\nb.example\n")));
        assert_eq!(Facts::of(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
