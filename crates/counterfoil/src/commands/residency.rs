//! `counterfoil residency`.

use clap::{Args, Subcommand};
use domain::data::transfers::LegalBasis;
use http::Method;
use serde_json::{Value, json};

use super::apply::ASKABLE;
use super::retention::say;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// Where data may be, what may leave all the same, and where it is.
#[derive(Subcommand)]
pub enum Residency {
    /// List the regions, and where data of each class may be
    Rules,
    /// Say where data of a class may be; what would permit more than before, somebody else approves first
    Rule(Rule),
    /// Take the rule of a class away: its data may be anywhere then
    Lift {
        /// The class
        class: String,
    },
    /// Ask whether data may go somewhere; nothing goes anywhere, and 65 is the exit code when it may not
    Check(Check),
    /// Ask for a transfer to be authorised beside the rules; another person approves it
    Authorise(Authorise),
    /// End an authorisation before its time
    Revoke {
        /// The transfer, such as tr_0123456789abcdef
        transfer: String,
        /// Where the reason is written down, such as a ticket's number; never a name
        #[arg(long)]
        reference: String,
    },
    /// List authorised transfers, those that hold first
    Transfers,
    /// Say where data is: by service, data set and store, with region, class, rule, legal basis and its end
    Report {
        /// Print comma-separated values
        #[arg(long)]
        csv: bool,
    },
}

/// A rule.
#[derive(Args)]
pub struct Rule {
    /// The class, such as personal
    class: String,
    /// A region in which it may be, with all that lies in it; give it once for each
    #[arg(long = "region", value_name = "REGION", required = true)]
    regions: Vec<String>,
    /// For subjects of a country, in these regions too and not instead: such as de=eu, or de=eu,ch
    #[arg(long = "subjects", value_name = "COUNTRY=REGIONS")]
    subjects: Vec<String>,
    /// Why data may go from one of the regions to another
    #[arg(long, value_parser = bases())]
    basis: Option<String>,
    /// Where it is written down why, such as a clause; never a name
    #[arg(long)]
    reference: String,
    /// Where an approval is needed, ask for it, with where the reason is written down
    #[arg(long, value_name = "REFERENCE")]
    ask: Option<String>,
}

/// A question.
#[derive(Args)]
pub struct Check {
    /// The class of the data
    #[arg(long)]
    class: String,
    /// The region that it would go to
    #[arg(long)]
    to: Option<String>,
    /// The region that it is in; the server's own when left out
    #[arg(long)]
    from: Option<String>,
    /// What it is of or goes to: provider/NAME, service/NAME or dataset/NAME; give it once for each
    #[arg(long)]
    of: Vec<String>,
    /// The country of a subject, by two letters; when left out, every country's rule holds
    #[arg(long = "subject-country", value_name = "COUNTRY")]
    countries: Vec<String>,
}

/// A transfer.
#[derive(Args)]
pub struct Authorise {
    /// The class of the data
    #[arg(long)]
    class: String,
    /// What it is of or goes to: provider/NAME, service/NAME or dataset/NAME; all of the class when left out
    #[arg(long)]
    of: Option<String>,
    /// From which region
    #[arg(long)]
    from: String,
    /// To which region
    #[arg(long)]
    to: String,
    /// Why it may
    #[arg(long, value_parser = bases())]
    basis: String,
    /// Where that is written down, such as the number of a contract; never a name
    #[arg(long)]
    reference: String,
    /// Until when: a date, or a length of time
    #[arg(long)]
    expires: String,
}

/// Legal bases, each with where the law has it.
fn bases() -> clap::builder::PossibleValuesParser {
    let value = |basis: LegalBasis| clap::builder::PossibleValue::new(basis.as_str()).help(basis.source());
    clap::builder::PossibleValuesParser::new(LegalBasis::ALL.map(value))
}

const REGIONS: &str = "select region_id, within, jurisdiction from regions order by jurisdiction, region_id";

const RULES: &str = "select rule_id, classification, region, subject_country, legal_basis, reference, ruled_by, ruled_at \
                     from residency_rules where ended_at is null order by classification, subject_country, region";

const TRANSFERS: &str = "select authorisation_id, classification, covers, from_region, to_region, legal_basis, reference, \
                         authorised_by, expires_at, revoked_at from transfer_authorisations \
                         order by revoked_at is not null, expires_at desc";

impl Residency {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Rules if json => {
                let client = connect.open().await?;
                let answer = client.json(Method::GET, "/api/v1/residency", None).await?;
                client.close().await?;
                output::json(&json!({"regions": answer["regions"], "rules": answer["rules"]}))
            }
            Self::Rules => {
                super::sql::print(false, connect, REGIONS).await?;
                super::sql::print(false, connect, RULES).await
            }
            Self::Rule(rule) => rule.run(json, connect).await,
            Self::Lift { class } => {
                let path = format!("/api/v1/residency/rules/{class}");
                say(json, connect, Method::DELETE, &path, None, &format!("no rule is of class {class} any more")).await
            }
            Self::Check(check) => check.run(json, connect).await,
            Self::Authorise(wish) => wish.run(json, connect).await,
            Self::Revoke { transfer, reference } => {
                let body = json!({"reference": reference});
                let path = format!("/api/v1/transfers/{transfer}/revoke");
                say(json, connect, Method::POST, &path, Some(&body), &format!("revoked: {transfer}")).await
            }
            Self::Transfers if json => {
                let client = connect.open().await?;
                let answer = client.json(Method::GET, "/api/v1/transfers", None).await?;
                client.close().await?;
                output::json(&answer["transfers"])
            }
            Self::Transfers => super::sql::print(false, connect, TRANSFERS).await,
            Self::Report { csv } => report(json, *csv, connect).await,
        }
    }
}

impl Rule {
    fn body(&self) -> Result<Value, Failure> {
        let sorted = |mut list: Vec<String>| {
            list.sort_unstable();
            list.dedup();
            list
        };
        let mut rule = json!({"regions": sorted(self.regions.clone()), "reference": self.reference});
        for said in &self.subjects {
            let Some((country, regions)) = said.split_once('=') else {
                return Err(Failure::usage(format!("`{said}` is not COUNTRY=REGIONS, such as de=eu")));
            };
            rule["countries"][country] = json!(sorted(regions.split(',').map(str::to_owned).collect()));
        }
        if let Some(basis) = &self.basis {
            rule["legal_basis"] = json!(basis);
        }
        Ok(rule)
    }

    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let body = self.body()?;
        let answer = connect.asked(async |client| self.set(client, &body).await).await?;
        match (json, answer["approval"].as_str()) {
            (true, _) => output::json(&answer),
            (false, Some(approval)) => output::line(format!(
                "asked for {approval}: once it is approved, `counterfoil approvals carry-out {approval}`"
            )),
            (false, None) => output::line(format!("rule {}@{} holds", self.class, answer["version"])),
        }
    }

    async fn set(&self, client: &Client, body: &Value) -> Result<Value, Failure> {
        let path = format!("/api/v1/residency/rules/{}", self.class);
        let refused = match client.json(Method::PUT, &path, Some(body)).await {
            Ok(done) => return Ok(done),
            Err(refused) => refused,
        };
        if !refused.policies.iter().any(|rule| ASKABLE.contains(&rule.as_str())) {
            return Err(refused);
        }
        let Some(reference) = &self.ask else {
            let message = format!("{}; or say this again with `--ask REFERENCE`", refused.message);
            return Err(Failure { message, ..refused });
        };
        let command = json!({"command": "residency.rule", "body": {"class": self.class, "rule": body}});
        let request = json!({"command": command, "reference": reference});
        client.json(Method::POST, "/api/v1/approvals", Some(&request)).await
    }
}

impl Check {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let body = json!({
            "class": self.class, "to": self.to, "from": self.from, "of": self.of, "subject_countries": self.countries,
        });
        let client = connect.open().await?;
        let answer = client.json(Method::POST, "/api/v1/residency/check", Some(&body)).await?;
        client.close().await?;
        let word = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let (class, to) = (&self.class, self.to.as_deref().unwrap_or("a region that is not known"));
        if answer["refused"] == true {
            let message = format!("rule `{}` does not permit data of class `{class}` in {to}", word("rule"));
            return Err(Failure {
                policies: vec![format!("residency:{}", word("rule"))],
                ..Failure::refused("residency", message)
            });
        }
        if json {
            return output::json(&answer);
        }
        output::line(match (answer["permitted"] == true, answer["transfer"].as_str()) {
            (true, _) => format!("rule {} permits it", word("rule")),
            (false, Some(transfer)) => format!("transfer {transfer} is authorised"),
            (false, None) => format!("no rule is of class {class}"),
        })
    }
}

impl Authorise {
    async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let expires_at = output::in_future(&self.expires)?;
        let body = json!({
            "class": self.class, "of": self.of, "from": self.from, "to": self.to, "legal_basis": self.basis,
            "reference": self.reference, "expires_at": expires_at,
        });
        let client = connect.open().await?;
        let answer = client.json(Method::POST, "/api/v1/transfers", Some(&body)).await?;
        client.close().await?;
        if json {
            return output::json(&answer);
        }
        let word = |name: &str| answer[name].as_str().unwrap_or_default();
        let (transfer, approval) = (word("transfer"), word("approval"));
        output::line(format!(
            "asked for {approval}: once a privacy officer approved {transfer}, `counterfoil approvals carry-out {approval}`"
        ))
    }
}

async fn report(json: bool, csv: bool, connect: &Connect) -> Result<(), Failure> {
    let client = connect.open().await?;
    if csv {
        let path = "/api/v1/residency/report?format=csv";
        let answer = client.send(Method::GET, path, "application/json", Vec::new()).await?;
        client.close().await?;
        return output::bytes(&answer.body);
    }
    let answer = client.json(Method::GET, "/api/v1/residency/report", None).await?;
    client.close().await?;
    let places = answer["places"].as_array().cloned().unwrap_or_default();
    if json {
        return output::json(&answer["places"]);
    }
    if places.is_empty() {
        return output::line("nothing is declared that has data");
    }
    output::line(
        "kind      name              class         region           standing    rule, legal basis and its end",
    )?;
    for place in &places {
        let text = |name: &str| place[name].as_str().unwrap_or("-").to_owned();
        let until = place["expires_at"].as_i64().map(|at| format!("until {}", output::time(at))).unwrap_or_default();
        let standing = text("standing").replace('_', " ");
        output::line(format!(
            "{:<9} {:<17} {:<13} {:<16} {standing:<11} {} {} {until}",
            text("kind"),
            text("name"),
            text("class"),
            text("region"),
            text("rule"),
            text("legal_basis"),
        ))?;
    }
    Ok(())
}
