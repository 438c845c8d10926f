//! The catalogue of controls and the list of SOC 2 criteria: data in `controls/`, compiled in.

use std::sync::LazyLock;

use domain::assurance::ScopedControl;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A control's files as they are in its directory.
struct Files {
    control: &'static str,
    query: &'static str,
    population: &'static str,
    pass: &'static str,
    fail: &'static str,
}

static FILES: &[Files] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

static CRITERIA: &str = include_str!("../../../controls/criteria.toml");

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::read().expect("the catalogue's test reads it whole"));

/// All controls and criteria.
#[derive(Debug)]
pub struct Catalogue {
    /// Controls, by identifier.
    pub controls: Vec<Control>,
    /// Criteria in the order of the framework.
    pub criteria: Vec<Criterion>,
}

/// A control: what it demands, and the SQL that tests it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Identifier, such as `AI-IN-01`.
    pub id: String,
    /// Family, such as `inference`.
    pub family: String,
    /// Short name.
    pub name: String,
    /// What must be so.
    pub objective: String,
    /// `preventive`, `detective` or `corrective`.
    #[serde(rename = "type")]
    pub kind: String,
    /// SOC 2 criteria that it answers.
    pub tsc: Vec<String>,
    /// NIST AI Risk Management Framework subcategories.
    pub ai_rmf: Vec<String>,
    /// ISO/IEC 42001 Annex A controls.
    pub iso42001: Vec<String>,
    /// What an auditor may want to see.
    pub evidence: Vec<String>,
    /// What the population is.
    pub population_note: String,
    /// How often it is tested.
    pub frequency: String,
    /// Who answers for it.
    pub owner: String,
    /// `critical`, `high`, `medium` or `low`.
    pub priority: String,
    /// `full` or `partial`: whether an attested input is needed.
    pub automation: String,
    /// When to introduce it: 1 first, 4 last.
    pub phase: u8,
    /// What the test does not show.
    pub limits: String,
    /// The query that returns violations as `item`, `detail`, `at`.
    #[serde(skip_deserializing)]
    pub query: String,
    /// The query that returns the population as `item`.
    #[serde(skip_deserializing)]
    pub population: String,
    /// Rows of a world that passes, as JSON Lines of `{"table", "row"}`.
    #[serde(skip)]
    pub pass_rows: &'static str,
    /// Rows which, added to those, make it fail.
    #[serde(skip)]
    pub fail_rows: &'static str,
}

/// A criterion of the Trust Services Criteria, in our own words.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Identifier, such as `CC6.1`.
    pub id: String,
    /// `common`, `availability`, `processing_integrity`, `confidentiality` or `privacy`.
    pub category: String,
    /// Our title.
    pub title: String,
    /// `auto`, `partial` or `attest`: what the platform can show of it.
    pub platform: String,
    /// What it means for an AI application.
    pub note: String,
}

#[derive(Deserialize)]
struct CriteriaFile {
    criterion: Vec<Criterion>,
}

/// The catalogue that this build carries.
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

impl Catalogue {
    fn read() -> Result<Self, toml::de::Error> {
        let read = |files: &Files| {
            let mut control: Control = toml::from_str(files.control)?;
            control.query = files.query.trim_end().to_owned();
            control.population = files.population.trim_end().to_owned();
            control.pass_rows = files.pass;
            control.fail_rows = files.fail;
            Ok(control)
        };
        let controls = FILES.iter().map(read).collect::<Result<_, toml::de::Error>>()?;
        let criteria: CriteriaFile = toml::from_str(CRITERIA)?;
        Ok(Self { controls, criteria: criteria.criterion })
    }

    /// A control by its identifier.
    pub fn control(&self, id: &str) -> Option<&Control> {
        self.controls.iter().find(|control| control.id == id)
    }

    /// The named controls (`all` names every one) with their logic, as a scope: sorted, each once.
    ///
    /// # Errors
    /// The first name that is not in the catalogue.
    pub fn scope(&self, names: &[String]) -> Result<Vec<ScopedControl>, String> {
        if let Some(unknown) = names.iter().find(|name| *name != "all" && self.control(name).is_none()) {
            return Err(unknown.clone());
        }
        let named = |control: &&Control| names.iter().any(|name| name == "all" || *name == control.id);
        let mut scoped: Vec<_> = self.controls.iter().filter(named).map(Control::scoped).collect();
        scoped.sort_by(|a, b| a.control.cmp(&b.control));
        Ok(scoped)
    }
}

impl Control {
    /// SHA-256 over both queries, each preceded by its length as u32 little-endian; hexadecimal.
    pub fn logic_sha256(&self) -> String {
        logic_sha256(&self.query, &self.population)
    }

    /// The control as it enters the scope.
    pub fn scoped(&self) -> ScopedControl {
        ScopedControl { control: self.id.clone(), logic_sha256: self.logic_sha256(), frequency: self.frequency.clone() }
    }
}

/// The digest of a control's logic: see [`Control::logic_sha256`].
pub fn logic_sha256(query: &str, population: &str) -> String {
    let mut hash = Sha256::new();
    for text in [query, population] {
        hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        hash.update(text);
    }
    merkle::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_the_catalogue_when_read_then_directories_are_identifiers_and_criteria_exist() {
        let catalogue = Catalogue::read().expect("the catalogue is well formed");
        assert!(!catalogue.controls.is_empty());
        assert_eq!(catalogue.criteria.len(), 61, "all criteria of the framework");
        for control in &catalogue.controls {
            for criterion in &control.tsc {
                let known = catalogue.criteria.iter().any(|c| &c.id == criterion);
                assert!(known, "{} names criterion {criterion}", control.id);
            }
        }
        assert!(catalogue.controls.is_sorted_by(|a, b| a.id < b.id));
    }

    #[test]
    fn given_names_when_scoped_then_each_control_comes_once_and_unknown_names_are_told() {
        let catalogue = catalogue();
        let names = ["AI-LG-01".to_owned(), "AI-IN-01".to_owned(), "AI-IN-01".to_owned()];
        let ids: Vec<_> = catalogue.scope(&names).expect("known").into_iter().map(|c| c.control).collect();
        assert_eq!(ids, ["AI-IN-01", "AI-LG-01"]);
        assert_eq!(catalogue.scope(&["AI-XX-01".to_owned()]), Err("AI-XX-01".to_owned()));
        assert_eq!(catalogue.scope(&["all".to_owned()]).expect("all").len(), catalogue.controls.len());
    }
}
