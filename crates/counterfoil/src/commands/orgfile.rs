//! The organisation as declared in a file: providers, models, services with their routes, roles, groups, and controls in
//! scope.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::data::detectors::DetectorSpec;
use domain::data::residency::{RegionSpec, ResidencyRule};
use domain::data::transfers::LegalBasis;
use domain::data::{DataClass, DatasetSpec};
use domain::keys::retention::{ANY_CLASS, Kind};
use domain::keys::tokens::{TokenKind, TokenMethod, TokenScope};
use domain::people::groups::mapping::{MAX_DAYS, MAX_ROLES};
use domain::people::{ApprovalRule, MappedRole, Purpose, TokenRule, WorkloadProof};
use domain::serving::{Guard, RiskTier, Route, ServiceSpec, Target};
use domain::vendors::ProviderSpec;
use serde::Deserialize;
use toml::Spanned;

use super::groups::mapped;
use crate::config::{at_line, position};
use crate::output::{Failure, parse_duration};

/// Days that a grant by a group holds when the file does not say.
const DAYS: u16 = 90;

/// What a file declares.
#[derive(Debug, Default)]
pub struct OrgFile {
    /// Providers by name.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Model versions.
    pub models: Vec<ModelFile>,
    /// Services by name.
    pub services: BTreeMap<String, ServiceSpec>,
    /// Data sets by name.
    pub datasets: BTreeMap<String, DatasetSpec>,
    /// Who answers for services, by pseudonym: those that the file names somebody for.
    pub accountable: BTreeMap<String, String>,
    /// Rules by which proofs of programs are believed, by name.
    pub workloads: BTreeMap<String, Workload>,
    /// Scopes of tokens by name.
    pub tokens: BTreeMap<String, TokenScope>,
    /// Days that keys may live; `None` when the file says nothing of keys.
    pub max_key_days: Option<u32>,
    /// Roles of the organisation's own: name, and what each permits, sorted.
    pub roles: BTreeMap<String, Vec<String>>,
    /// Groups of people by name.
    pub groups: BTreeMap<String, GroupFile>,
    /// Which commands need an approval, sorted by command; `None` when the file says nothing of approvals.
    pub approvals: Option<Vec<ApprovalRule>>,
    /// Rules of retention by name.
    pub retention: BTreeMap<String, RetentionFile>,
    /// Detectors of the organisation's own, by name.
    pub detectors: BTreeMap<String, DetectorSpec>,
    /// Regions by code; empty when the file says nothing of them.
    pub regions: BTreeMap<String, RegionSpec>,
    /// Where data may be, by class.
    pub residency: BTreeMap<String, ResidencyRule>,
    /// Controls in scope; `None` when the file says nothing of controls.
    pub controls: Option<Vec<String>>,
}

/// Where data of a class may be, or that of subjects of a country beside it, as people write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResidency {
    class: String,
    subject_country: Option<String>,
    regions: std::collections::BTreeSet<String>,
    legal_basis: Option<LegalBasis>,
    reference: Option<String>,
}

/// The rules of a file, by class. Each class has one of its own, which the narrower ones for countries stand beside.
fn residency(all: Vec<RawResidency>) -> Result<BTreeMap<String, ResidencyRule>, String> {
    let mut rules = BTreeMap::new();
    let (of_countries, of_classes): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.subject_country.is_some());
    for one in of_classes {
        let RawResidency { class, regions, legal_basis, reference, .. } = one;
        let reference = reference.ok_or_else(|| format!("residency of class `{class}`: give a `reference`"))?;
        let (regions, countries) = (regions.into_iter().collect(), BTreeMap::new());
        let rule = ResidencyRule { regions, countries, legal_basis, reference };
        if rules.insert(class.clone(), rule).is_some() {
            return Err(format!("residency of class `{class}` stands there twice"));
        }
    }
    for one in of_countries {
        let (class, country) = (one.class, one.subject_country.unwrap_or_default());
        let Some(rule) = rules.get_mut(&class) else {
            return Err(format!(
                "residency of class `{class}` for subjects of `{country}`: say where the class may be too"
            ));
        };
        if one.legal_basis.is_some() || one.reference.is_some() {
            return Err(format!(
                "residency of class `{class}` for subjects of `{country}`: only `regions` are said there"
            ));
        }
        if rule.countries.insert(country.clone(), one.regions.into_iter().collect()).is_some() {
            return Err(format!("residency of class `{class}` for subjects of `{country}` stands there twice"));
        }
    }
    Ok(rules)
}

/// How long something is kept, as people write it below the rule's name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionFile {
    /// What it is about.
    #[serde(default = "payloads")]
    pub kind: Kind,
    /// Of which class.
    #[serde(default = "any_class")]
    pub class: String,
    /// For how many days.
    pub days: u32,
    /// Where it is written down why.
    pub basis: String,
}

fn payloads() -> Kind {
    Kind::InferencePayload
}

fn any_class() -> String {
    ANY_CLASS.to_owned()
}

/// A group and what being in it asks for. Who is in it stands in no file.
#[derive(Debug, Default)]
pub struct GroupFile {
    /// The directory's own key for it.
    pub external_id: Option<String>,
    /// The roles, each with the place where the file says so.
    pub roles: Vec<(MappedRole, String)>,
    /// For how many days each grant holds.
    pub days: u16,
}

/// A model version and the file with its artifact.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The artifact, relative to the file that names it.
    pub file: PathBuf,
    /// The data class that it is encrypted as.
    #[serde(default = "internal")]
    pub class: DataClass,
    /// The versions of data sets that it learned from, each as `NAME@VERSION`.
    #[serde(default)]
    pub trained_on: Vec<String>,
    /// The run that made it, a UUID.
    #[serde(default)]
    pub run: Option<String>,
}

fn internal() -> DataClass {
    DataClass::Internal
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    provider: BTreeMap<String, ProviderSpec>,
    #[serde(default)]
    model: Vec<ModelFile>,
    #[serde(default)]
    service: BTreeMap<String, RawService>,
    #[serde(default)]
    dataset: BTreeMap<String, DatasetSpec>,
    #[serde(default)]
    workload: BTreeMap<String, RawWorkload>,
    #[serde(default)]
    tokens: BTreeMap<String, RawTokens>,
    keys: Option<RawKeys>,
    #[serde(default)]
    role: BTreeMap<String, RawRole>,
    #[serde(default)]
    group: BTreeMap<String, RawGroup>,
    approval: Option<BTreeMap<String, RawApproval>>,
    #[serde(default)]
    retention: BTreeMap<String, RetentionFile>,
    #[serde(default)]
    detector: BTreeMap<String, DetectorSpec>,
    #[serde(default)]
    region: BTreeMap<String, RegionSpec>,
    #[serde(default)]
    residency: Vec<RawResidency>,
    controls: Option<RawControls>,
}

/// A service as people write it: the same fields as in the ledger, with routes that read well.
#[derive(Deserialize)]
struct RawService {
    #[serde(default)]
    route: Vec<RawRoute>,
    /// The person who answers for it: registered by a command of its own.
    accountable: Option<String>,
    #[serde(flatten)]
    rest: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    name: String,
    provider: Option<String>,
    model: String,
    version: Option<String>,
    guard: Option<Guard>,
}

/// A rule by which a program proves who it is. What it leaves out of environments and purposes is taken from the services.
#[derive(Debug, Clone)]
pub struct Workload {
    /// What is believed.
    pub proof: WorkloadProof,
    /// The service account.
    pub actor: String,
    /// The services whose inference calls the keys open; none for the management API.
    pub services: Vec<String>,
    /// How long its keys live, in seconds.
    pub ttl_seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkload {
    issuer: Option<String>,
    audience: Option<String>,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    #[serde(default)]
    certificate: Vec<String>,
    actor: String,
    service: Option<String>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default = "a_quarter_of_an_hour")]
    ttl: String,
}

fn a_quarter_of_an_hour() -> String {
    "15m".to_owned()
}

/// A scope of tokens as people write it, below its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTokens {
    method: TokenMethod,
    kind: TokenKind,
    class: String,
    #[serde(default)]
    purposes: Vec<Purpose>,
    #[serde(default)]
    per_subject: bool,
}

impl From<RawTokens> for TokenScope {
    fn from(raw: RawTokens) -> Self {
        let RawTokens { method, kind, class, mut purposes, per_subject } = raw;
        purposes.sort_unstable_by_key(|purpose| purpose.as_str());
        purposes.dedup();
        Self { method, kind, class, purposes, per_subject }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    max_days: u32,
}

/// A role as people write it, below its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRole {
    actions: std::collections::BTreeSet<String>,
}

/// A group as people write it, below its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    external_id: Option<String>,
    roles: Spanned<Vec<Spanned<String>>>,
    days: Option<Spanned<u16>>,
}

/// An approval as people write it, below the command's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApproval {
    quorum: u64,
    role: String,
    risk_tier: Option<RiskTier>,
}

impl RawApproval {
    fn rule(self, command: String) -> ApprovalRule {
        let Self { quorum, role, risk_tier } = self;
        ApprovalRule { command, quorum, role, risk_tier }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawControls {
    in_scope: Vec<String>,
}

impl OrgFile {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong, with its line where that is known.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| Failure::io(format!("{name}: {e}")))?;
        Self::parse(&name, &text, path.parent().unwrap_or(Path::new(".")))
    }

    fn parse(name: &str, text: &str, dir: &Path) -> Result<Self, Failure> {
        let raw: Raw = toml::from_str(text).map_err(|e| Failure::usage(at_line(name, text, &e).to_string()))?;
        let (mut services, mut accountable) = (BTreeMap::new(), BTreeMap::new());
        for (service, raw) in raw.service {
            accountable.extend(raw.accountable.clone().map(|owner| (service.clone(), owner)));
            let spec = raw.spec(&service).map_err(|why| Failure::usage(format!("{name}: {why}")))?;
            services.insert(service, spec);
        }
        let models = raw.model.into_iter().map(|m| ModelFile { file: dir.join(&m.file), ..m }).collect();
        let controls = raw.controls.map(|controls| controls.in_scope);
        let rules =
            |raw: BTreeMap<String, RawApproval>| raw.into_iter().map(|(command, raw)| raw.rule(command)).collect();
        let approvals = raw.approval.map(rules);
        let roles = raw.role.into_iter().map(|(name, raw)| (name, raw.actions.into_iter().collect())).collect();
        let mut workloads = BTreeMap::new();
        for (workload, raw) in raw.workload {
            let rule = raw.rule().map_err(|why| Failure::usage(format!("{name}: workload `{workload}`: {why}")))?;
            workloads.insert(workload, rule);
        }
        let tokens = raw.tokens.into_iter().map(|(scope, raw)| (scope, raw.into())).collect();
        let max_key_days = raw.keys.map(|keys| keys.max_days);
        let place = |at: usize| {
            let (line, column) = position(text, at);
            format!("{name}:{line}:{column}")
        };
        let mut groups = BTreeMap::new();
        for (group, raw) in raw.group {
            let known = raw.group(place);
            let wrong = |(place, why): (String, String)| Failure::usage(format!("{place}: group `{group}`: {why}"));
            groups.insert(group.clone(), known.map_err(wrong)?);
        }
        Ok(Self {
            providers: raw.provider,
            models,
            services,
            datasets: raw.dataset,
            accountable,
            workloads,
            tokens,
            max_key_days,
            roles,
            groups,
            approvals,
            retention: raw.retention,
            detectors: raw.detector,
            regions: raw.region,
            residency: residency(raw.residency).map_err(|why| Failure::usage(format!("{name}: {why}")))?,
            controls,
        })
    }
}

impl RawGroup {
    /// The group, or the place where it cannot be, and why.
    fn group(self, place: impl Fn(usize) -> String) -> Result<GroupFile, (String, String)> {
        let list = self.roles.span().start;
        let mut roles: Vec<(MappedRole, String)> = Vec::new();
        for written in self.roles.into_inner() {
            let (at, role) = (place(written.span().start), mapped(written.get_ref()));
            if roles.iter().any(|(known, _)| *known == role) {
                return Err((at, format!("`{}` is named twice", written.get_ref())));
            }
            roles.push((role, at));
        }
        if roles.len() > MAX_ROLES {
            return Err((place(list), format!("it is mapped to {} roles, {MAX_ROLES} is the most", roles.len())));
        }
        let days = self.days.as_ref().map_or(DAYS, |days| *days.get_ref());
        if !(1..=MAX_DAYS).contains(&days) {
            let at = self.days.map_or(list, |days| days.span().start);
            return Err((place(at), format!("a grant holds 1 to {MAX_DAYS} days, not {days}")));
        }
        Ok(GroupFile { external_id: self.external_id, roles, days })
    }
}

impl RawWorkload {
    fn rule(self) -> Result<Workload, String> {
        let proof = match (self.issuer, self.audience, self.certificate.is_empty()) {
            (Some(issuer), Some(audience), true) => {
                WorkloadProof::Token(TokenRule { issuer, audience, claims: self.claims })
            }
            (None, None, false) if self.claims.is_empty() => WorkloadProof::Certificate(self.certificate),
            _ => {
                return Err("give `issuer`, `audience` and `claims` of a token, or the names of a `certificate`".into());
            }
        };
        let ms = parse_duration(&self.ttl)?;
        let ttl_seconds = u32::try_from(ms / 1000).map_err(|_| format!("`{}` is too long", self.ttl))?;
        let services = self.services.into_iter().chain(self.service).collect();
        Ok(Workload { proof, actor: self.actor, services, ttl_seconds })
    }
}

impl RawService {
    fn spec(self, service: &str) -> Result<ServiceSpec, String> {
        let mut spec: ServiceSpec = toml::Value::Table(self.rest).try_into().map_err(|e: toml::de::Error| {
            // What is read apart from the rest can be written too.
            let said =
                e.to_string().replace("expected one of `owner`", "expected one of `accountable`, `route`, `owner`");
            format!("service `{service}`: {}", said.trim().replace('\n', ", "))
        })?;
        for route in self.route {
            let target = match (route.provider, route.version) {
                (Some(provider), None) => Target::Provider { provider, model: route.model },
                (None, Some(version)) => Target::Model { model: route.model, version },
                _ => {
                    let rule = "name a `provider` and its `model`, or a registered `model` and its `version`";
                    return Err(format!("service `{service}`, route `{}`: {rule}", route.name));
                }
            };
            spec.routes.push(Route { name: route.name, target, guard: route.guard });
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[provider.stand-in]
kind = "openai"
base_url = "http://127.0.0.1:1/v1"

[[model]]
name = "credit-risk"
version = "1"
file = "model.onnx"

[service.support]
owner = "care"
accountable = "a_1"
purpose = "support"
risk_tier = "low"
classification = "confidential"
[[service.support.route]]
name = "chat"
provider = "stand-in"
model = "m"
[[service.support.route]]
name = "credit-risk"
model = "credit-risk"
version = "1"

[role.reader]
actions = ["sql", "read"]

[group."ML deployers"]
external_id = "guid-7"
roles = ["deployer@service/support", "monitor"]
days = 30

[approval."service.declare"]
quorum = 2
role = "model_approver"
risk_tier = "medium"

[retention.payloads]
days = 30
basis = "POL-7"

[detector.staff_number]
class = "personal"
pattern = 'ST-\d{5}'
examples = ["ST-00001"]

[region.eu]
[region.eu-fra]
within = "eu"

[[residency]]
class = "personal"
subject_country = "de"
regions = ["eu-fra"]

[[residency]]
class = "personal"
regions = ["eu"]
reference = "POL-9"

[controls]
in_scope = ["AI-IN-01"]
"#;

    #[test]
    fn given_a_good_file_when_read_then_routes_name_their_targets() {
        let file = OrgFile::parse("org.toml", GOOD, Path::new("/d")).expect("good");
        let routes = &file.services["support"].routes;
        assert_eq!(routes[0].target, Target::Provider { provider: "stand-in".into(), model: "m".into() });
        assert_eq!(routes[1].target, Target::Model { model: "credit-risk".into(), version: "1".into() });
        assert_eq!(file.accountable["support"], "a_1");
        assert_eq!(file.models[0].file, Path::new("/d/model.onnx"));
        assert_eq!(file.roles["reader"], ["read", "sql"]);
        let group = &file.groups["ML deployers"];
        let roles: Vec<_> = group.roles.iter().map(|(role, _)| (role.role.as_str(), role.scope.as_str())).collect();
        assert_eq!(roles, [("deployer", "service/support"), ("monitor", "org")]);
        assert_eq!((group.days, group.external_id.as_deref()), (30, Some("guid-7")));
        assert!(group.roles[0].1.starts_with("org.toml:31:"), "{}", group.roles[0].1);
        let rules = file.approvals.expect("rules of approval");
        assert_eq!((rules[0].command.as_str(), rules[0].quorum), ("service.declare", 2));
        let kept = &file.retention["payloads"];
        assert_eq!((kept.kind, kept.class.as_str(), kept.days), (Kind::InferencePayload, "*", 30));
        assert_eq!(file.regions["eu-fra"].within.as_deref(), Some("eu"));
        let detector = &file.detectors["staff_number"];
        assert_eq!((detector.pattern.as_deref(), detector.score_permille), (Some(r"ST-\d{5}"), 970));
        let rule = &file.residency["personal"];
        assert_eq!(
            (&rule.regions[..], &rule.countries["de"][..]),
            (&["eu".to_owned()][..], &["eu-fra".to_owned()][..])
        );
        assert_eq!(file.controls.as_deref(), Some(&["AI-IN-01".to_owned()][..]));
    }

    #[test]
    fn given_wrong_files_when_read_then_the_error_names_the_place() {
        for (from, to, word) in [
            ("risk_tier = \"low\"", "risk_tier = \"none\"", "risk_tier"),
            ("owner = \"care\"", "ownr = \"care\"", "ownr"),
            ("owner = \"care\"", "ownr = \"care\"", "`accountable`"),
            ("reference = \"POL-9\"", "", "give a `reference`"),
            (
                "regions = [\"eu\"]\nreference = \"POL-9\"",
                "subject_country = \"fr\"\nregions = [\"eu\"]",
                "the class may be too",
            ),
            ("version = \"1\"\n\n[role", "\n[role", "route `credit-risk`"),
            ("kind = \"openai\"", "kind = \"fax\"", "org.toml:3"),
            ("days = 30", "days = 0", "org.toml:32:8: group `ML deployers`: a grant holds"),
            ("days = 30", "members = [\"a_1\"]", "members"),
            ("\"monitor\"]", "\"deployer@service/support\"]", "named twice"),
            ("\"monitor\"]", "\"a\", \"b\", \"c\", \"d\"]", "org.toml:31:9: group `ML deployers`: it is mapped to 5"),
        ] {
            let text = GOOD.replace(from, to);
            let failure = OrgFile::parse("org.toml", &text, Path::new(".")).expect_err("wrong");
            assert!(failure.message.contains(word), "{}", failure.message);
        }
    }
}
