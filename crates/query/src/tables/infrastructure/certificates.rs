//! `certificates`: what authorities gave to nodes for their listeners.

use domain::Event;
use domain::infrastructure::CertificateInstalled;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    at: i64,
    given: CertificateInstalled,
}

#[derive(Clone, Default)]
pub(crate) struct Certificates(Vec<Row>);

impl Table for Certificates {
    const ROOM: &'static str = "infrastructure";
    const NAME: &'static str = "certificates";
    const DOC: &'static str = "Certificates that nodes got by ACME for their listeners. Those that come from files are the operator's, and not here.";
    const COLUMNS: &'static [Column] = &[
        text("sha256", "SHA-256 of the certificate (DER)"),
        text("node_id", "The node that shows it"),
        time("installed_at", "Since when it is shown"),
        text("serial", "Its serial number, hexadecimal"),
        text("issuer_sha256", "SHA-256 of its issuer's name (DER)"),
        text("names_sha256", "SHA-256 of the DNS names that it is for: sorted, each with a line feed after it"),
        time("not_before", "From when it is valid"),
        time("not_after", "Until when it is valid"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::CertificateInstalled(body) = &leaf.entry.event {
            self.0.push(Row { origin: leaf.origin(), at: leaf.entry.ts, given: body.clone() });
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for Row { origin, at, given } in &self.0 {
            let cells = [
                (&given.sha256).into(),
                (&given.node).into(),
                ms(*at),
                (&given.serial).into(),
                (&given.issuer_sha256).into(),
                (&given.names_sha256).into(),
                ms(given.not_before),
                ms(given.not_after),
            ];
            out.push(*origin, cells);
        }
    }
}
