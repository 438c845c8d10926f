//! An authority for one test, and what it signs, made by the `openssl` program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tools;

/// Settings of our own, so that those of the machine do not matter.
const SETTINGS: &str = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = test\n[ca]\n\
    basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\nsubjectKeyIdentifier = hash\n";

const CURVE: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// An authority whose files lie in a directory.
pub struct Authority {
    dir: PathBuf,
    name: String,
    serial: AtomicU64,
}

/// A certificate's files.
#[derive(Clone, Debug)]
pub struct Files {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// A new authority; its own certificate is `<name>.pem`.
    pub fn new(dir: &Path, name: &str) -> Self {
        let authority = Self { dir: dir.to_owned(), name: name.to_owned(), serial: AtomicU64::new(1) };
        std::fs::write(dir.join("openssl.cnf"), SETTINGS).expect("written");
        let (certificate, key) = (authority.path(&format!("{name}.pem")), authority.path(&format!("{name}.key")));
        let subject = format!("/CN={name}");
        let outputs = ["-keyout", &key, "-out", &certificate, "-subj", &subject, "-extensions", "ca", "-days", "2"];
        authority
            .openssl(&[&["req", "-x509", "-config", &authority.path("openssl.cnf")], &CURVE[..], &outputs].concat());
        authority
    }

    /// A certificate for names (`localhost`, `127.0.0.1`, `spiffe://…`), good for clients and servers.
    pub fn sign(&self, file: &str, names: &[&str]) -> Files {
        let name = |name: &&str| match (name.parse::<std::net::IpAddr>(), name.contains("://")) {
            (Ok(_), _) => format!("IP:{name}"),
            (_, true) => format!("URI:{name}"),
            _ => format!("DNS:{name}"),
        };
        let names: Vec<String> = names.iter().map(name).collect();
        let extensions = format!(
            "subjectAltName = {}\nextendedKeyUsage = serverAuth,clientAuth\nbasicConstraints = CA:FALSE\n",
            names.join(",")
        );
        let [ext, request, key, certificate] =
            ["ext", "csr", "key.new", "pem.new"].map(|end| self.path(&format!("{file}.{end}")));
        std::fs::write(&ext, extensions).expect("written");
        let subject = format!("/CN={file}");
        let outputs = ["-keyout", &key, "-out", &request, "-subj", &subject];
        self.openssl(&[&["req", "-new", "-config", &self.path("openssl.cnf")], &CURVE[..], &outputs].concat());
        let (ca, ca_key) = (self.path(&format!("{}.pem", self.name)), self.path(&format!("{}.key", self.name)));
        let serial = self.serial.fetch_add(1, Ordering::Relaxed).to_string();
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-set_serial",
            &serial,
            "-days",
            "2",
            "-extfile",
            &ext,
            "-out",
            &certificate,
        ]);
        // Written beside and moved, as whoever renews certificates does.
        let moved = |from: &str| {
            let to = from.trim_end_matches(".new").to_owned();
            std::fs::rename(from, &to).expect("moved");
            to
        };
        Files { key: moved(&key), certificate: moved(&certificate) }
    }

    /// The file with the authority's own certificate.
    pub fn file(&self) -> String {
        self.path(&format!("{}.pem", self.name))
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn openssl(&self, arguments: &[&str]) {
        tools::run(Command::new("openssl").args(arguments));
    }
}
