//! The demo's traffic: credit applications through the Open Inference Protocol, and chat through the OpenAI protocol.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::output::Failure;

const APPLICATIONS: &str = include_str!("../../../../examples/credit-risk/german_credit.data");
const PROMPTS: &str = include_str!("../../../../examples/support-assistant/prompts.jsonl");

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// Columns of the data in order, with their Open Inference Protocol datatype; those without one are not used by the
/// model.
const COLUMNS: [(&str, Option<&str>); 20] = [
    ("checking_status", Some("BYTES")),
    ("duration_months", Some("INT64")),
    ("credit_history", Some("BYTES")),
    ("purpose", Some("BYTES")),
    ("credit_amount", Some("FP32")),
    ("savings", Some("BYTES")),
    ("employment_since", Some("BYTES")),
    ("installment_rate", Some("INT64")),
    ("personal_status_sex", None),
    ("other_debtors", Some("BYTES")),
    ("residence_since", Some("INT64")),
    ("property", Some("BYTES")),
    ("age_years", Some("INT64")),
    ("other_installment_plans", Some("BYTES")),
    ("housing", Some("BYTES")),
    ("existing_credits", Some("INT64")),
    ("job", Some("BYTES")),
    ("dependents", Some("INT64")),
    ("telephone", Some("BYTES")),
    ("foreign_worker", None),
];

/// What came back.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests sent.
    pub sent: AtomicU64,
    /// Answers with a 2xx status.
    pub answered: AtomicU64,
    /// Answers with another status.
    pub failed: AtomicU64,
}

impl Tally {
    /// What came back of both.
    pub fn with(self, other: &Self) -> Self {
        let pairs = [(&self.sent, &other.sent), (&self.answered, &other.answered), (&self.failed, &other.failed)];
        for (mine, theirs) in pairs {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self
    }
}

/// Sends requests with one key.
pub struct Traffic {
    base: String,
    key: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

struct Call {
    path: &'static str,
    subject: String,
    body: Value,
}

impl Traffic {
    /// Traffic to a gateway.
    pub fn new(base: &str, key: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { base: base.to_owned(), key: key.to_owned(), http }
    }

    /// Sends every credit application once.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub async fn applications(&self) -> Result<Tally, Failure> {
        let calls = APPLICATIONS.lines().enumerate().map(|(row, line)| Call {
            path: "/v2/models/credit-risk/infer",
            subject: format!("applicant-{row:04}"),
            body: application(line),
        });
        self.send_all(calls).await
    }

    /// Sends some of the chat requests, every third one streamed.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub async fn chats(&self, which: Range<usize>) -> Result<Tally, Failure> {
        let prompts: Vec<Value> = PROMPTS.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let calls = prompts.iter().cycle().enumerate().take(which.end).skip(which.start).map(|(i, prompt)| Call {
            path: "/v1/chat/completions",
            subject: prompt["customer"].as_str().unwrap_or("unknown").to_owned(),
            body: chat(prompt["prompt"].as_str().unwrap_or_default(), i % 3 == 2),
        });
        self.send_all(calls).await
    }

    async fn send_all(&self, calls: impl Iterator<Item = Call>) -> Result<Tally, Failure> {
        let tally = Arc::new(Tally::default());
        let mut under_way =
            futures_util::stream::iter(calls.map(|call| self.send(call, &tally))).buffer_unordered(AT_ONCE);
        while let Some(sent) = under_way.next().await {
            sent?;
        }
        drop(under_way);
        Ok(Arc::into_inner(tally).unwrap_or_default())
    }

    async fn send(&self, call: Call, tally: &Tally) -> Result<(), Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{}", self.base, call.path))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .header("x-counterfoil-subject", call.subject)
            .body(Full::from(call.body.to_string()))
            .map_err(|e| Failure::io(e.to_string()))?;
        tally.sent.fetch_add(1, Ordering::Relaxed);
        let response = self.http.request(request).await.map_err(|e| Failure::unreachable(e.to_string()))?;
        let counter = if response.status().is_success() { &tally.answered } else { &tally.failed };
        response.into_body().collect().await.map_err(|e| Failure::io(e.to_string()))?;
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn application(line: &str) -> Value {
    let tensor = |((name, datatype), cell): (&(&str, Option<&str>), &str)| {
        let datatype = (*datatype)?;
        let value = match datatype {
            "BYTES" => json!(cell),
            "FP32" => json!(cell.parse::<f64>().ok()?),
            _ => json!(cell.parse::<i64>().ok()?),
        };
        Some(json!({"name": name, "datatype": datatype, "shape": [1, 1], "data": [value]}))
    };
    let inputs: Vec<Value> = COLUMNS.iter().zip(line.split(' ')).filter_map(tensor).collect();
    json!({"inputs": inputs})
}

fn chat(prompt: &str, stream: bool) -> Value {
    let mut body = json!({"model": "assistant", "messages": [
        {"role": "system", "content": "You help customers of a lender."},
        {"role": "user", "content": prompt},
    ]});
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}
