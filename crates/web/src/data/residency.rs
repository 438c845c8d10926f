//! The page that says where data is processed: by service, data set and store, with region, class and legal basis; the
//! rules behind it; what is authorised beside them, and what was refused. Fit to be printed, and to be taken away as a
//! file.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Parameters, State};
use axum::response::{IntoResponse, Response};
use domain::data::places::{Place, PlaceStanding};
use http::header;
use serde::Deserialize;

use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page};

const RULES: &str = "SELECT seq, rule_id, classification, region, subject_country, legal_basis, reference, ruled_by, ruled_at\n\
                     FROM residency_rules\nWHERE ended_at IS NULL\nORDER BY classification, subject_country, region";

const AUTHORISED: &str = "SELECT seq, authorisation_id, classification, covers, from_region, to_region, legal_basis, legal_source, \
                          reference, authorised_by, expires_at, revoked_at\nFROM transfer_authorisations\n\
                          ORDER BY revoked_at IS NOT NULL, expires_at DESC\nLIMIT 200";

const REFUSED: &str = "SELECT seq, ts, object_ref, to_system, from_region, to_region, classification, policy_id\n\
                       FROM transfers\nWHERE decision = 'deny'\nORDER BY ts DESC\nLIMIT 50";

/// Columns of the report as a file.
const FILE: &str =
    "kind,name,what,class,region,jurisdiction,standing,rule,legal_basis,legal_source,reference,transfer,expires_at";

/// The page.
#[derive(Template)]
#[template(path = "data/residency.html")]
pub(crate) struct ResidencyPage {
    shell: Shell,
    places: Table,
    rules: Table,
    authorised: Table,
    refused: Table,
}

/// What queries found for the page.
struct Asked {
    rules: Found,
    authorised: Found,
    refused: Found,
}

impl ResidencyPage {
    fn new(shell: Shell, places: &[Place], asked: &Asked) -> Self {
        Self {
            shell,
            places: placed(places),
            rules: rules(&asked.rules),
            authorised: authorised(&asked.authorised),
            refused: refused(&asked.refused),
        }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let found =
            |row: serde_json::Value| Found { rows: vec![row.as_object().expect("an object").clone()], size: 18_204 };
        let none = || Found { rows: vec![], size: 18_204 };
        let asked = Asked {
            rules: found(serde_json::json!({"seq": 40, "rule_id": "personal@1", "classification": "personal",
                "region": "au-syd", "subject_country": null, "legal_basis": null, "reference": "POL-9",
                "ruled_by": "a_50", "ruled_at": "2026-11-22T20:54:09Z"})),
            authorised: found(serde_json::json!({"seq": 41, "authorisation_id": "tr_3f9ac2",
                "classification": "personal", "covers": "provider/acme", "from_region": "au", "to_region": "us",
                "legal_basis": "contract_clauses", "legal_source": "GDPR Art. 46(2)(c) and (d)", "reference": "DPA-4",
                "authorised_by": "a_50", "expires_at": "2027-02-20T20:54:09Z", "revoked_at": null})),
            refused: found(serde_json::json!({"seq": 42, "ts": "2026-11-22T20:54:09Z", "object_ref": "service/care",
                "to_system": "provider/acme", "from_region": "au-syd", "to_region": "us", "classification": "personal",
                "policy_id": "personal@1"})),
        };
        let nothing = Asked { rules: none(), authorised: none(), refused: none() };
        let shell = || Shell::sample(Section::Data);
        [Self::new(shell(), &[sample()], &asked), Self::new(shell(), &[], &nothing)]
    }
}

/// A place with all that one can have.
#[cfg(test)]
fn sample() -> Place {
    Place {
        kind: "service",
        name: "care".into(),
        what: "route chat: acme/large".into(),
        class: Some("personal".into()),
        region: Some("us-east-1".into()),
        jurisdiction: Some("us".into()),
        standing: Some(PlaceStanding::Authorised),
        rule: Some("personal@1".into()),
        legal_basis: Some("contract_clauses"),
        legal_source: Some("GDPR Art. 46(2)(c) and (d)"),
        reference: Some("DPA-4".into()),
        transfer: Some("tr_3f9ac2".into()),
        expires_at: Some(1_795_000_000_000),
    }
}

fn table(caption: &'static str, columns: &[&str], empty: Empty, sql: &str, size: u64) -> Table {
    let mut table = Table::new(caption, columns.iter().map(|title| Column::text(*title)).collect(), empty);
    table.query = Some(Query { sql: sql.to_owned(), size });
    table
}

fn moment(row: &Row, column: &str) -> Cell {
    rows::instant(row, column).map_or(Cell::None, Cell::Time)
}

fn placed(places: &[Place]) -> Table {
    let columns =
        ["kind", "name", "what", "class", "region", "standing", "rule", "legal basis", "reference", "until (UTC)"];
    let empty = Empty::new("Nothing is declared that has data", "Declare services and data sets in a file:")
        .command("counterfoil apply -f org.toml");
    let mut table = Table::new("Where data is", columns.map(Column::text).into(), empty);
    let row = |place: &Place| {
        let standing = place.standing.map_or(Cell::None, |standing| {
            let tone = match standing {
                PlaceStanding::Permitted | PlaceStanding::Authorised => Tone::Good,
                PlaceStanding::Refused => Tone::Bad,
                PlaceStanding::NoRule => Tone::Open,
            };
            Cell::Mark(Mark::new(standing.as_str(), tone))
        });
        let region = match (&place.region, &place.jurisdiction) {
            (Some(region), Some(around)) if region != around => Some(format!("{region} ({around})")),
            (Some(region), None) => Some(format!("{region}, not declared")),
            (region, _) => region.clone(),
        };
        let basis = place.legal_basis.map(|basis| match place.legal_source {
            Some(source) => format!("{basis} ({source})"),
            None => basis.to_owned(),
        });
        vec![
            Cell::Text(place.kind.to_owned()),
            Cell::Text(place.name.clone()),
            Cell::Wide(place.what.clone()),
            Cell::maybe(place.class.clone()),
            region.map_or_else(|| Cell::Text("not said".to_owned()), Cell::Text),
            standing,
            Cell::maybe(place.rule.clone()),
            basis.map_or(Cell::None, Cell::Wide),
            Cell::maybe(place.reference.clone()),
            place.expires_at.map_or(Cell::None, |at| Cell::Time(Instant(at))),
        ]
    };
    table.rows = places.iter().map(row).collect();
    table
}

fn rules(found: &Found) -> Table {
    let empty = Empty::new("No rule says where data may be: it may be anywhere", "To make one, in a file or at once:")
        .command("counterfoil residency rule personal --region au --reference POL-9");
    let columns = ["rule", "class", "region", "subjects of", "legal basis", "reference", "by", "since (UTC)"];
    let mut table = table("Rules", &columns, empty, RULES, found.size);
    let row = |row: &Row| {
        let text = |column: &str| rows::text(row, column);
        vec![
            Cell::Id(text("rule_id"), Link::into("/ledger", &text("seq"))),
            Cell::Text(text("classification")),
            Cell::Text(text("region")),
            Cell::maybe(rows::maybe(row, "subject_country")),
            Cell::maybe(rows::maybe(row, "legal_basis")),
            Cell::Text(text("reference")),
            Cell::actor(text("ruled_by")),
            moment(row, "ruled_at"),
        ]
    };
    table.rows = found.rows.iter().map(row).collect();
    table
}

fn authorised(found: &Found) -> Table {
    let empty =
        Empty::new("No transfer is authorised beside the rules", "To ask for one, which another person approves:")
            .command(
                "counterfoil residency authorise --class personal --of provider/NAME --from au --to us --basis \
             contract_clauses --reference DPA-4 --expires 90d",
            );
    let columns =
        ["transfer", "class", "of", "from", "to", "legal basis", "reference", "by", "until (UTC)", "revoked (UTC)"];
    let mut table = table("Authorised transfers", &columns, empty, AUTHORISED, found.size);
    let row = |row: &Row| {
        let text = |column: &str| rows::text(row, column);
        vec![
            Cell::Id(text("authorisation_id"), Link::into("/ledger", &text("seq"))),
            Cell::Text(text("classification")),
            Cell::maybe(rows::maybe(row, "covers")),
            Cell::Text(text("from_region")),
            Cell::Text(text("to_region")),
            Cell::Wide(format!("{} ({})", text("legal_basis"), text("legal_source"))),
            Cell::Text(text("reference")),
            Cell::actor(text("authorised_by")),
            moment(row, "expires_at"),
            moment(row, "revoked_at"),
        ]
    };
    table.rows = found.rows.iter().map(row).collect();
    table
}

fn refused(found: &Found) -> Table {
    let empty = Empty::new("Nothing was refused", "What a rule does not permit goes nowhere, and is here then.");
    let columns = ["when (UTC)", "what", "to", "from region", "to region", "class", "rule"];
    let mut table = table("Refused", &columns, empty, REFUSED, found.size);
    let row = |row: &Row| {
        let text = |column: &str| rows::text(row, column);
        vec![
            moment(row, "ts"),
            Cell::Text(text("object_ref")),
            Cell::Text(text("to_system")),
            Cell::Text(text("from_region")),
            Cell::Text(text("to_region")),
            Cell::Text(text("classification")),
            Cell::maybe(rows::maybe(row, "policy_id")),
        ]
    };
    table.rows = found.rows.iter().map(row).collect();
    table
}

/// Where data is now, as this node sees it.
pub(crate) fn places(app: &App) -> Vec<Place> {
    let node = app.engine.node().to_owned();
    app.engine.read(|state| state.places(&node, clock()))
}

/// The report as a file.
pub(crate) fn report(app: &App, format: &str) -> Result<Response, Failure> {
    let places = places(app);
    let (kind, bytes) = match format {
        "csv" => ("text/csv; charset=utf-8", csv(&places).into_bytes()),
        "json" => {
            let bytes = serde_json::to_vec(&places).map_err(|error| Failure::internal("write the report", &error))?;
            ("application/json", bytes)
        }
        other => return Err(Failure::invalid(format!("`{other}` is not a format: use csv or json"))),
    };
    let name = format!("attachment; filename=\"residency.{format}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}

fn csv(places: &[Place]) -> String {
    let mut out = format!("{FILE}\n");
    for place in places {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let cells = [
            place.kind.to_owned(),
            place.name.clone(),
            place.what.clone(),
            text(&place.class),
            text(&place.region),
            text(&place.jurisdiction),
            place.standing.map(|standing| standing.as_str().to_owned()).unwrap_or_default(),
            text(&place.rule),
            place.legal_basis.unwrap_or_default().to_owned(),
            place.legal_source.unwrap_or_default().to_owned(),
            text(&place.reference),
            text(&place.transfer),
            place.expires_at.map(|at| Instant(at).rfc3339()).unwrap_or_default(),
        ];
        // Names have neither quotes nor line breaks; what stands beside them may have commas.
        let quoted = cells
            .map(|cell| if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell });
        out += &quoted.join(",");
        out.push('\n');
    }
    out
}

/// In which form the page is wanted.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    format: String,
}

/// `GET /data/residency`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Parameters(wanted): Parameters<Wanted>,
) -> Page {
    app.may_read(&who, "residency")?;
    if !wanted.format.is_empty() {
        return Ok(report(&app, &wanted.format)?);
    }
    let asked = Asked {
        rules: app.ask(RULES).await?,
        authorised: app.ask(AUTHORISED).await?,
        refused: app.ask(REFUSED).await?,
    };
    let shell = Shell::new(&app, &who, Section::Data).await?;
    let mut shown = ResidencyPage::new(shell, &places(&app), &asked);
    Names::on_page(&app, &who, vec![], &mut [&mut shown.rules, &mut shown.authorised]).await;
    page(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_places_has_a_line_each_and_quotes_what_has_commas() {
        let place = Place { what: "data sets, payloads".into(), ..sample() };
        let text = csv(&[place]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].split(',').count(), 13);
        assert!(
            lines[1].starts_with("service,care,\"data sets, payloads\",personal,us-east-1,us,authorised,"),
            "{text}"
        );
        assert!(lines[1].ends_with(",DPA-4,tr_3f9ac2,2026-11-18T11:06:40.000Z"), "{text}");
    }
}
