//! The site that passkeys are good for: the server's public address, as browsers see it.

/// Why passkeys cannot be used at an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "browsers use passkeys at https:// and a name, or at http://localhost, and `{0}` is neither: set `server.public_url` \
     to the address that people use"
)]
pub struct NoPasskeys(String);

/// A site with a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub(crate) id: String,
    pub(crate) origin: String,
}

impl Site {
    /// The site at a public address, without a slash at its end.
    ///
    /// # Errors
    /// [`NoPasskeys`] when browsers would refuse to make passkeys there.
    pub fn at(public_url: &str) -> Result<Self, NoPasskeys> {
        let unfit = || NoPasskeys(public_url.to_owned());
        let (scheme, rest) = public_url.split_once("://").ok_or_else(unfit)?;
        let authority = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority.as_str(), None),
        };
        let digits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
        let local = host == "localhost" || host.ends_with(".localhost");
        let named = host.split('.').all(is_label) && host.parse::<core::net::Ipv4Addr>().is_err();
        let usual = match scheme {
            "https" if local || host.contains('.') => "443",
            "http" if local => "80",
            _ => return Err(unfit()),
        };
        if !digits || !named || host.len() > 253 {
            return Err(unfit());
        }
        let port = port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { id: host.to_owned(), origin: format!("{scheme}://{host}{port}") })
    }
}

/// Whether this is part of a host's name in its ASCII form.
fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_good_where_browsers_make_them() {
        for (address, id, origin) in [
            ("https://audit.example.com", "audit.example.com", "https://audit.example.com"),
            ("https://Audit.Example.com:443", "audit.example.com", "https://audit.example.com"),
            ("https://audit.example.com:8443/below", "audit.example.com", "https://audit.example.com:8443"),
            ("http://localhost:8600", "localhost", "http://localhost:8600"),
            ("http://localhost:80", "localhost", "http://localhost"),
            ("https://xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            let site = Site::at(address).expect(address);
            assert_eq!((site.id.as_str(), site.origin.as_str()), (id, origin));
        }
        for address in [
            "",
            "audit.example.com",
            "http://audit.example.com",
            "http://127.0.0.1:8600",
            "https://127.0.0.1",
            "https://[::1]:8600",
            "https://intranet",
            "https://user@audit.example.com",
            "https://audit.example.com:0443",
            "https://bücher.example",
            "ftp://audit.example.com",
        ] {
            assert!(Site::at(address).is_err(), "{address}");
        }
    }
}
