//! Transfers between regions: those that are authorised beside the rules, and those that were tried.
//!
//! An authorisation has a legal basis and an end, another person agrees to it, and it covers only what is known to be what
//! it names: the class, both regions and, if it says so, one provider, service or data set.

use serde::{Deserialize, Serialize};

use super::DataClass;
use super::residency::{Movement, Residency, by_the_system};
use crate::decide::{identifier_is_valid, name_is_valid, reference_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The longest time for which a transfer is authorised, in milliseconds: about two years.
pub const MAX_TRANSFER_MS: i64 = 732 * 24 * 60 * 60 * 1000;

/// Why data may go to another jurisdiction. Which one fits is for whoever answers for it to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// The other jurisdiction was found to protect people as well.
    Adequacy,
    /// Clauses that an authority adopted, in a contract with the recipient.
    ContractClauses,
    /// Rules that bind a group of companies, approved by an authority.
    BindingRules,
    /// The person agreed, knowing that it would not be protected as at home.
    Consent,
    /// A contract with the person, or for them, needs it.
    ContractNecessity,
    /// The recipient is under a law that protects people alike, which they can enforce.
    SimilarLaw,
    /// Reasonable steps were taken with the recipient, for whom the sender stays accountable.
    AccountableDisclosure,
    /// A law or a court demands it.
    RequiredByLaw,
    /// A situation that the law permits it in, such as a threat to somebody's life.
    PermittedSituation,
    /// The data is not about people.
    NotPersonal,
}

impl LegalBasis {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Adequacy,
        Self::ContractClauses,
        Self::BindingRules,
        Self::Consent,
        Self::ContractNecessity,
        Self::SimilarLaw,
        Self::AccountableDisclosure,
        Self::RequiredByLaw,
        Self::PermittedSituation,
        Self::NotPersonal,
    ];

    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adequacy => "adequacy",
            Self::ContractClauses => "contract_clauses",
            Self::BindingRules => "binding_rules",
            Self::Consent => "consent",
            Self::ContractNecessity => "contract_necessity",
            Self::SimilarLaw => "similar_law",
            Self::AccountableDisclosure => "accountable_disclosure",
            Self::RequiredByLaw => "required_by_law",
            Self::PermittedSituation => "permitted_situation",
            Self::NotPersonal => "not_personal",
        }
    }

    /// Where the law has it: the GDPR, and the Australian Privacy Principles.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Adequacy => "GDPR Art. 45",
            Self::ContractClauses => "GDPR Art. 46(2)(c) and (d)",
            Self::BindingRules => "GDPR Art. 47",
            Self::Consent => "GDPR Art. 49(1)(a); APP 8.2(b)",
            Self::ContractNecessity => "GDPR Art. 49(1)(b) and (c)",
            Self::SimilarLaw => "APP 8.2(a)",
            Self::AccountableDisclosure => "APP 8.1; Privacy Act 1988 s 16C",
            Self::RequiredByLaw => "APP 8.2(c)",
            Self::PermittedSituation => "APP 8.2(d); GDPR Art. 49(1)(d) to (f)",
            Self::NotPersonal => "no data about people",
        }
    }

    /// The basis of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == name)
    }

    pub(super) fn fits(self, class: &str) -> Result<(), Refusal> {
        let personal = DataClass::ALL.iter().any(|known| known.is_personal() && known.as_str() == class);
        match self == Self::NotPersonal && personal {
            false => Ok(()),
            true => Err(refuse(RefusalCode::Invalid, format!("class `{class}` is about people: name a legal basis"))),
        }
    }
}

/// Data may go to another region, until it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferAuthorised {
    /// Public identifier, `tr_` and random characters.
    pub transfer: String,
    /// The class of the data.
    pub class: String,
    /// What it is of or goes to: `provider/NAME`, `service/NAME` or `dataset/NAME`; left out, whatever is of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// From which region.
    pub from: String,
    /// To which region.
    pub to: String,
    /// Why it may.
    pub legal_basis: LegalBasis,
    /// Where that is written down, such as the number of a contract. Never a name.
    pub reference: String,
    /// Until when, in milliseconds since the epoch.
    pub expires_at: i64,
}

/// An authorisation is over before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferRevoked {
    /// Which one.
    pub transfer: String,
    /// Where the reason is written down.
    pub reference: String,
}

/// Somebody wanted a version of a data set in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferAttempted {
    /// Public identifier, `tm_` and random characters.
    pub attempt: String,
    /// What: `dataset/NAME/VERSION`.
    pub object: String,
    /// Its class.
    pub class: String,
    /// Who, by pseudonym.
    pub by: String,
    /// From which region; left out when the settings do not say where this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// To which region; left out when whoever asked did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The rule that decided; left out when the class has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The authorisation that it went by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
}

/// The report of such an attempt, before a byte goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportTransfer {
    /// Whether it was refused.
    pub refused: bool,
    /// What was tried.
    pub attempted: TransferAttempted,
}

/// An authorisation as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTransfer {
    /// What may go where.
    pub authorised: TransferAuthorised,
    /// The person who carried it out once it was approved.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The person who ended it, and when.
    pub revoked: Option<(String, i64)>,
}

impl KnownTransfer {
    /// Whether it still holds at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked.is_none() && now < self.authorised.expires_at
    }

    /// Whether it is of such a movement, for as long as it holds.
    pub(super) fn covers(&self, residency: &Residency, movement: &Movement<'_>) -> bool {
        let may = &self.authorised;
        let lies = |region: Option<&str>, outer: &str| region.is_some_and(|region| residency.within(region, outer));
        self.revoked.is_none()
            && may.class == movement.class
            && may.of.as_ref().is_none_or(|of| movement.of.contains(of))
            && lies(movement.from, &may.from)
            && lies(movement.to, &may.to)
    }
}

impl State {
    pub(crate) fn authorise_transfer(&mut self, body: &TransferAuthorised, by: &str, at: i64) {
        let known = KnownTransfer { authorised: body.clone(), by: self.person_of(by).to_owned(), at, revoked: None };
        self.residency.transfers.insert(body.transfer.clone(), known);
    }

    pub(crate) fn revoke_transfer(&mut self, body: &TransferRevoked, by: &str, at: i64) {
        let by = self.person_of(by).to_owned();
        if let Some(known) = self.residency.transfers.get_mut(&body.transfer) {
            known.revoked = Some((by, at));
        }
    }
}

pub(crate) fn authorise(state: &State, given: &Given, body: &TransferAuthorised) -> Result<Vec<Event>, Refusal> {
    identifier_is_valid("transfer", &body.transfer)?;
    if state.residency.transfers.contains_key(&body.transfer) {
        return Err(refuse(RefusalCode::Exists, format!("transfer `{}` is there already", body.transfer)));
    }
    name_is_valid("class", &body.class)?;
    reference_is_valid(&body.reference)?;
    body.legal_basis.fits(&body.class)?;
    state.residency.is_declared(&body.from)?;
    state.residency.is_declared(&body.to)?;
    if let Some(of) = &body.of {
        is_there(state, of)?;
    }
    if body.expires_at <= given.now || body.expires_at > given.now.saturating_add(MAX_TRANSFER_MS) {
        return Err(refuse(RefusalCode::Invalid, "a transfer is authorised for a time that ends within two years"));
    }
    Ok(vec![Event::TransferAuthorised(body.clone())])
}

/// An authorisation of a mistyped name would cover nothing.
fn is_there(state: &State, of: &str) -> Result<(), Refusal> {
    let known = match of.split_once('/') {
        Some(("provider", name)) => state.providers.contains_key(name),
        Some(("service", name)) => state.services.contains_key(name),
        Some(("dataset", name)) => state.datasets.contains_key(name),
        _ => {
            let message = "a transfer is of `provider/NAME`, `service/NAME` or `dataset/NAME`, or of a whole class";
            return Err(refuse(RefusalCode::Invalid, message));
        }
    };
    match known {
        true => Ok(()),
        false => Err(refuse(RefusalCode::NotFound, format!("there is no `{of}`: see `counterfoil residency report`"))),
    }
}

pub(crate) fn revoke(state: &State, body: &TransferRevoked) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    let Some(known) = state.residency.transfers.get(&body.transfer) else {
        // It is not repeated: what is no identifier could be anything.
        return Err(refuse(RefusalCode::NotFound, "there is no such transfer: see `counterfoil residency transfers`"));
    };
    match known.revoked {
        Some(_) => Ok(vec![]),
        None => Ok(vec![Event::TransferRevoked(body.clone())]),
    }
}

/// Only Counterfoil itself says what was tried.
pub(crate) fn report(state: &State, given: &Given, body: &ReportTransfer) -> Result<Vec<Event>, Refusal> {
    by_the_system(state, given)?;
    let attempted = body.attempted.clone();
    Ok(vec![match body.refused {
        true => Event::TransferRefused(attempted),
        false => Event::TransferMade(attempted),
    }])
}
