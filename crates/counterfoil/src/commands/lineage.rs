//! `counterfoil lineage`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// What to ask about lineage.
#[derive(Subcommand)]
pub enum Lineage {
    /// What learned from a thing: data sets, models, deployments and services that were made from it
    Impact(Impact),
    /// What is around a thing, both ways; without one, what there is to ask about
    Show {
        /// dataset/NAME, dataset/NAME/VERSION, model/NAME/VERSION, service/NAME, or a name that an answer gave
        node: Option<String>,
        /// How many steps to go
        #[arg(long, default_value_t = 20)]
        depth: u32,
    },
    /// Say what a data set is called elsewhere, in reports from here on
    Alias {
        /// The data set here
        dataset: String,
        #[command(flatten)]
        called: Called,
    },
    /// Say that what is called so elsewhere is no data set here any more
    Unalias {
        #[command(flatten)]
        called: Called,
    },
    /// Print an event as it was sent, by the number of its ledger entry
    Event {
        /// Number of the entry, as in the table `lineage_edges`
        seq: u64,
    },
}

/// A question.
#[derive(Args)]
pub struct Impact {
    /// dataset/NAME, dataset/NAME/VERSION, model/NAME/VERSION, service/NAME, or a name that an answer gave
    node: String,
    /// What it was made from instead
    #[arg(long)]
    up: bool,
    /// How many steps to go
    #[arg(long, default_value_t = 1_000)]
    depth: u32,
    /// Of one column only
    #[arg(long)]
    column: Option<String>,
    /// Count the inferences that each deployment answered
    #[arg(long)]
    counts: bool,
}

/// What a data set is called elsewhere.
#[derive(Args)]
pub struct Called {
    /// Its namespace there, as OpenLineage has it
    #[arg(long)]
    namespace: String,
    /// Its name there
    #[arg(long)]
    name: String,
}

impl Lineage {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let answer = connect.asked(async |client| self.ask(client).await).await?;
        if json {
            return output::json(&answer);
        }
        match self {
            Self::Impact(Impact { column: Some(_), .. }) => output::text(columns(&answer)),
            Self::Impact(_) => output::text(reached(&answer)),
            Self::Show { node: None, .. } => output::text(listed(&answer)),
            Self::Show { .. } => {
                let (up, down) = (reached(&answer["up"]), reached(&answer["down"]));
                output::text(format!("made from\n{up}made from it\n{down}"))
            }
            Self::Alias { dataset, called } => {
                output::line(format!("{} in {} is data set {dataset}", called.name, called.namespace))
            }
            Self::Unalias { called } => output::line(format!("{} in {} is none", called.name, called.namespace)),
            Self::Event { .. } => output::json(&answer),
        }
    }

    async fn ask(&self, client: &Client) -> Result<Value, Failure> {
        match self {
            Self::Impact(wish) => {
                let direction = if wish.up { "up" } else { "down" };
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("node", &wish.node).append_pair("direction", direction);
                query.append_pair("depth", &wish.depth.to_string());
                if let Some(column) = &wish.column {
                    query.append_pair("column", column);
                }
                if wish.counts {
                    query.append_pair("counts", "true");
                }
                let path = format!("/api/v1/lineage/impact?{}", query.finish());
                client.json(Method::GET, &path, None).await
            }
            Self::Show { node: None, .. } => client.json(Method::GET, "/api/v1/lineage/nodes", None).await,
            Self::Show { node: Some(node), depth } => {
                let path = |direction: &str| {
                    let query = form_urlencoded::Serializer::new(String::new())
                        .append_pair("node", node)
                        .append_pair("direction", direction)
                        .append_pair("depth", &depth.to_string())
                        .finish();
                    format!("/api/v1/lineage/impact?{query}")
                };
                let up = client.json(Method::GET, &path("up"), None).await?;
                let down = client.json(Method::GET, &path("down"), None).await?;
                Ok(json!({"up": up, "down": down}))
            }
            Self::Alias { dataset, called } => alias(client, called, Some(dataset)).await,
            Self::Unalias { called } => alias(client, called, None).await,
            Self::Event { seq } => client.json(Method::GET, &format!("/api/v1/lineage/events/{seq}"), None).await,
        }
    }
}

async fn alias(client: &Client, called: &Called, dataset: Option<&String>) -> Result<Value, Failure> {
    let mut body = json!({"namespace": called.namespace, "name": called.name});
    if let Some(dataset) = dataset {
        body["dataset"] = json!(dataset);
    }
    let command = json!({"command": "lineage.alias", "body": body});
    client.json(Method::POST, "/api/v1/commands", Some(&command)).await
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A line a node, nearest first.
fn reached(answer: &Value) -> String {
    let mut text = String::new();
    for node in answer["nodes"].as_array().into_iter().flatten() {
        let counted = node["inferences"].as_u64().map(|n| format!("  {n} inferences")).unwrap_or_default();
        let ended = if node["data"]["ended"] == json!(true) { "  ended" } else { "" };
        let (kind, id) = (word(node, "kind"), word(node, "id"));
        text += &format!("{:>4}  {kind:<11} {id}{ended}{counted}\n", node["distance"]);
    }
    if answer["truncated"] == json!(true) {
        text += "      there is more: ask with a smaller --depth, or of a node further on\n";
    }
    text
}

fn columns(answer: &Value) -> String {
    let line = |one: &Value| format!("{:>4}  {:<24} {}\n", one["distance"], word(one, "column"), word(one, "dataset"));
    match answer["columns"].as_array() {
        Some(columns) if !columns.is_empty() => columns.iter().map(line).collect(),
        _ => "no report speaks of this column\n".to_owned(),
    }
}

fn listed(answer: &Value) -> String {
    let mut text = String::new();
    for (kind, ids) in answer["nodes"].as_object().into_iter().flatten() {
        for id in ids.as_array().into_iter().flatten().filter_map(Value::as_str) {
            text += &format!("{kind:<11} {id}\n");
        }
    }
    for one in answer["mismatches"].as_array().into_iter().flatten() {
        let (node, entry) = (word(one, "node"), &one["seq"]);
        text += &format!("checksum read is not the one written: {node}, entry {entry}\n");
    }
    if text.is_empty() { "no lineage is known yet\n".to_owned() } else { text }
}
