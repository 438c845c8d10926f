//! The page of contracts: which are in force, what they check, and what they say.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use domain::data::{Contract, KnownContract};

use crate::App;
use crate::auth::Visitor;
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Section, Shell, Table, Tone, page};

/// The page.
#[derive(Template)]
#[template(path = "data/contracts.html")]
pub(crate) struct ContractsPage {
    shell: Shell,
    contracts: Table,
    /// Those in force: an identifier for the page, name and text.
    texts: Vec<(String, String, String)>,
}

impl ContractsPage {
    fn new(shell: Shell, known: &[KnownContract]) -> Self {
        let columns = vec![
            Column::text("contract"),
            Column::number("version"),
            Column::text("data set"),
            Column::number("checks"),
            Column::text("dimensions"),
            Column::text("published (UTC)"),
            Column::text("standing"),
        ];
        let empty = Empty::new("No contract is published", "Write one, and ask for its approval:")
            .command("counterfoil contracts publish FILE --ask TICKET");
        let mut contracts = Table::new("Contracts", columns, empty);
        contracts.rows = known.iter().map(row).collect();
        let live = known.iter().filter(|known| known.retired_at.is_none()).enumerate();
        let text = |(n, known): (usize, &KnownContract)| {
            (format!("text-{n}"), known.published.contract.clone(), known.published.text.clone())
        };
        Self { shell, contracts, texts: live.map(text).collect() }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let known: KnownContract = serde_json::from_value(serde_json::json!({
            "published": {
                "contract": "loans", "version": 2, "dataset": "loans",
                "text": "name = \"loans\"\ndataset = \"loans\"\n[[column]]\nname = \"id\"\ntype = \"integer\"\n",
            },
            "at": 1_795_000_000_000_i64, "since": 1_795_000_000_000_i64, "retired_at": null,
        }))
        .expect("a contract");
        let shell = || Shell::sample(Section::Data);
        [Self::new(shell(), &[known]), Self::new(shell(), &[])]
    }
}

fn row(known: &KnownContract) -> Vec<Cell> {
    let published = &known.published;
    let read = Contract::parse(&published.text).ok();
    let checks = read.as_ref().map_or(0, |contract| contract.checks().len());
    let dimensions: Vec<&str> =
        read.iter().flat_map(|contract| contract.dimensions()).map(|dimension| dimension.as_str()).collect();
    let standing = match known.retired_at {
        None => Mark::new("in force", Tone::Good),
        Some(_) => Mark::new("retired", Tone::Open),
    };
    vec![
        Cell::Text(published.contract.clone()),
        Cell::count(published.version),
        Cell::Link(published.dataset.clone(), Link::into("/data", &published.dataset)),
        Cell::count(checks as u64),
        Cell::Wide(dimensions.join(", ")),
        Cell::Time(Instant::at(&known.at)),
        Cell::Mark(standing),
    ]
}

/// `GET /data/contracts`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "contracts")?;
    let known: Vec<KnownContract> = app.engine.read(|state| state.contracts.values().cloned().collect());
    page(&ContractsPage::new(Shell::new(&app, &who, Section::Data).await?, &known))
}
