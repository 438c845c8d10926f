//! Events of regions, rules of residency and transfers.

use super::s;
use crate::Event;
use crate::data::residency::{RegionSpec, RegionsDeclared, ResidencyRule, ResidencyRuled, StoreLocated};
use crate::data::transfers::{LegalBasis, TransferAttempted, TransferAuthorised, TransferRevoked};

pub(super) fn events() -> Vec<Event> {
    let within = |outer: Option<&str>| RegionSpec { within: outer.map(s) };
    let regions = [(s("au"), within(None)), (s("au-syd"), within(Some("au"))), (s("de"), within(None))];
    let rule = ResidencyRule {
        regions: vec![s("au"), s("de")],
        countries: [(s("de"), vec![s("de")])].into(),
        legal_basis: Some(LegalBasis::Adequacy),
        reference: s("POL-9"),
    };
    let attempted = TransferAttempted {
        attempt: s("tm_1"),
        object: s("dataset/loans/1"),
        class: s("personal"),
        by: s("a_1"),
        from: Some(s("au-syd")),
        to: None,
        rule: Some(s("personal@1")),
        transfer: None,
    };
    let went =
        TransferAttempted { attempt: s("tm_2"), to: Some(s("de")), transfer: Some(s("tr_1")), ..attempted.clone() };
    vec![
        Event::RegionsDeclared(RegionsDeclared { regions: regions.into() }),
        Event::StoreLocated(StoreLocated { store: s("node/n1"), region: Some(s("au-syd")) }),
        Event::ResidencyRuled(ResidencyRuled { class: s("personal"), rule: Some(rule) }),
        Event::TransferAuthorised(TransferAuthorised {
            transfer: s("tr_1"),
            class: s("personal"),
            of: Some(s("provider/acme")),
            from: s("au"),
            to: s("de"),
            legal_basis: LegalBasis::ContractClauses,
            reference: s("DPA-4"),
            expires_at: 9,
        }),
        Event::TransferRevoked(TransferRevoked { transfer: s("tr_1"), reference: s("DPA-5") }),
        Event::TransferRefused(attempted),
        Event::TransferMade(went),
    ]
}
