//! A check from the wish to the record: the version and what its contract refers to are opened, looked at, and what was
//! found is recorded, with the rows that break what blocks kept beside the version.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::data::{Contract, ContractUsed, Form, KnownContract, Reference, VersionChecked, What, checks};
use domain::people::Purpose;
use domain::{Refusal, RefusalCode, State};
use engine::{Attempt, Engine, ExecuteError, Principal, Recorded};
use query::rows::{Frame, RangeRead, RowsError};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{Checked, References, check, in_form, offending};

/// How long one question of a check may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// How long all of a check may take.
pub(super) const WHOLE: Duration = Duration::from_secs(1800);

/// Against which contract.
#[derive(Clone, Debug)]
pub enum Under {
    /// The one in force for the data set.
    InForce,
    /// The one of this name that is in force, for whatever data set.
    Named(String),
    /// This text, which need not be published. What is found is answered and not recorded.
    Text(String),
}

/// What is to be checked.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The data set.
    pub dataset: String,
    /// Its version.
    pub version: String,
    /// Against which contract.
    pub under: Under,
    /// At which stage of a pipeline.
    pub stage: String,
    /// In which run of it.
    pub run: Option<String>,
}

/// What became of a check.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was found.
    pub checked: VersionChecked,
    /// What was recorded; nothing of a text that is not published.
    pub recorded: Option<Recorded>,
    /// Why a check could not be asked, by its name, in words: what a reference cannot look in, or what a rule may not say.
    pub reasons: Vec<(String, String)>,
}

/// What the references of a contract refer to, and why what is not there is not.
type Beside = (References, Vec<(String, String)>);

/// Checks at once: each reads a version to its end several times.
pub(super) static TURNS: Semaphore = Semaphore::const_new(2);

/// Checks a version, and records it, unless it is against a text that is not published.
///
/// # Errors
/// [`ExecuteError::Refused`] when it may not be checked, there is no such contract, or the version cannot be read as rows;
/// then nothing is recorded but that.
pub async fn check_version(engine: &Arc<Engine>, who: &Principal, wish: Wish) -> Result<Outcome, ExecuteError> {
    let Wish { dataset, version, under, stage, run } = wish;
    let tried = matches!(under, Under::Text(_));
    let at = (stage.as_str(), run.as_deref());
    let object = match tried {
        true => engine.may_try(who, (&dataset, &version), at).await?,
        false => engine.may_check(who, (&dataset, &version), at).await?,
    };
    let (contract, used) = contract(engine, &dataset, under)?;
    if let Some((rule, why)) = refused(&contract).next().filter(|_| tried) {
        let message = format!("rule `{rule}`: {why}");
        return Err(Refusal::new(RefusalCode::Invalid, message).into());
    }
    let reader = tried.then_some(who);
    let looked = async {
        let _turn = TURNS.acquire().await;
        look(engine, (&dataset, &version), &contract, reader).await
    };
    let looked = tokio::time::timeout(WHOLE, looked).await;
    let (Checked { rows, results }, kept, reasons) = looked.map_err(|_| late("check", &dataset, &version))??;
    let verdict = checks::overall(&results);
    let checked = VersionChecked {
        dataset,
        version,
        check: String::new(),
        object,
        contract: used,
        stage,
        run,
        rows,
        verdict,
        results,
    };
    if tried {
        return Ok(Outcome { checked, recorded: None, reasons });
    }
    let recorded = engine.record_check(who, checked.clone(), kept).await?;
    let checked = VersionChecked { check: recorded.check.clone(), ..checked };
    Ok(Outcome { checked, recorded: Some(recorded), reasons })
}

/// Rules that are no expression that may be asked, and why. One that was published before may say what none may say now.
fn refused(contract: &Contract) -> impl Iterator<Item = (String, String)> {
    contract.checks().into_iter().filter_map(|check| match &check.what {
        What::Row(sql) | What::Set(sql) => Some((check.name.clone(), query::expression(sql).err()?.to_string())),
        _ => None,
    })
}

/// What was found, the rows that break what blocks and how many they are, and why checks could not be asked.
type Looked = (Checked, Option<(Vec<u8>, u64)>, Vec<(String, String)>);

/// Evaluates a contract over a version; the rows that break what blocks are gathered when they may be kept.
async fn look(
    engine: &Arc<Engine>,
    (dataset, version): (&str, &str),
    contract: &Contract,
    reader: Option<&Principal>,
) -> Result<Looked, ExecuteError> {
    let unreadable = |error: RowsError| unreadable(dataset, version, &error);
    let mut frame = opened(engine, dataset, version).await?.map_err(unreadable)?.with_timeout(PATIENCE);
    let (references, mut reasons) = references(engine, contract, &mut frame, reader).await;
    reasons.extend(refused(contract));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let checked = check(contract, &frame, &references, now).await.map_err(unreadable)?;
    let kept = match reader {
        Some(_) => None,
        None => offending(contract, &frame, &references, &checked.results).await.map_err(unreadable)?,
    };
    Ok((checked, kept, reasons))
}

pub(super) fn late(what: &str, dataset: &str, version: &str) -> Refusal {
    let message = format!(
        "the {what} of version `{version}` of data set `{dataset}` did not end within {} minutes, with the time that it waited \
         for others: try again, or with fewer rules",
        WHOLE.as_secs() / 60
    );
    Refusal::new(RefusalCode::Conflict, message)
}

/// The rows that are kept of a quarantined version, in a form.
///
/// # Errors
/// As [`Engine::quarantined_rows`].
pub async fn kept_rows(
    engine: &Arc<Engine>,
    who: &Principal,
    (dataset, version): (&str, &str),
    form: Form,
) -> Result<Vec<u8>, ExecuteError> {
    let rows = engine.quarantined_rows(who, dataset, version).await?;
    in_form(rows, form).await.map_err(|error| unreadable(dataset, version, &error))
}

/// Tries a contract on no rows at all: what cannot be read as SQL, or does not fit the columns, shows then.
///
/// # Errors
/// What is wrong, with the rule.
pub async fn try_contract(contract: &Contract) -> Result<(), String> {
    if let Some((rule, why)) = refused(contract).next() {
        return Err(format!("rule `{rule}`: {why}"));
    }
    let internal = |error: RowsError| error.to_string();
    let row = |names: &mut dyn Iterator<Item = String>| {
        let quoted: Vec<String> = names.map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        Arc::new(format!("{}\n", quoted.join(",")).into_bytes()) as Arc<dyn RangeRead>
    };
    let header = row(&mut contract.columns.iter().map(|column| column.name.clone()));
    let mut frame = Frame::open(Form::Csv, header).await.map_err(internal)?.with_timeout(PATIENCE);
    for (n, reference) in contract.references.iter().enumerate() {
        let mut names: Vec<String> = reference.target.iter().chain(&reference.agree).cloned().collect();
        names.sort_unstable();
        names.dedup();
        frame.add_table(&table(n), Form::Csv, row(&mut names.into_iter())).await.map_err(internal)?;
    }
    super::try_each(contract, &frame).await
}

/// The contract that is meant, and how it is recorded.
fn contract(engine: &Engine, dataset: &str, under: Under) -> Result<(Contract, ContractUsed), Refusal> {
    let missing = |message: String| Refusal::new(RefusalCode::NotFound, message);
    let known = match under {
        Under::Text(text) => return read(&text, None),
        Under::InForce => engine.contract_in_force(dataset).ok_or_else(|| {
            missing(format!(
                "data set `{dataset}` has no contract in force: publish one with `counterfoil contracts publish`, or give \
                 a file with `--contract`"
            ))
        })?,
        Under::Named(name) => {
            let known = engine.read(|state| state.contracts.get(&name).cloned());
            let known = known.filter(|known: &KnownContract| known.retired_at.is_none());
            known.ok_or_else(|| missing(format!("no contract `{name}` is in force")))?
        }
    };
    read(&known.published.text, Some(known.published.version))
}

fn read(text: &str, version: Option<u64>) -> Result<(Contract, ContractUsed), Refusal> {
    let contract = Contract::parse(text)
        .map_err(|error| Refusal::new(RefusalCode::Invalid, format!("the contract cannot be read: {error}")))?;
    let sha256 = merkle::hex(&Sha256::digest(text.as_bytes()));
    let used = ContractUsed { contract: contract.name.clone(), version, sha256 };
    Ok((contract, used))
}

/// What a table is called that a reference refers to, by its place in the contract.
pub(super) fn table(n: usize) -> String {
    format!("reference_{n}")
}

/// Puts beside the rows what the contract refers to; of what is not there, or may not be seen, it is said why. For a text that
/// is not published, `reader` needs to be somebody who may read it; of a published contract that was asked of its publisher.
async fn references(
    engine: &Arc<Engine>,
    contract: &Contract,
    frame: &mut Frame,
    reader: Option<&Principal>,
) -> Beside {
    let (mut found, mut reasons) = Beside::default();
    for (n, reference) in contract.references.iter().enumerate() {
        match beside(engine, reference, (&mut *frame, &table(n)), reader).await {
            Ok(()) => found.push((reference.clone(), table(n))),
            Err(why) => reasons.push((reference.name.clone(), why)),
        }
    }
    (found, reasons)
}

async fn beside(
    engine: &Arc<Engine>,
    reference: &Reference,
    (frame, table): (&mut Frame, &str),
    reader: Option<&Principal>,
) -> Result<(), String> {
    let dataset = &reference.dataset;
    let purpose = match reader {
        None => Some(Purpose::Operation),
        Some(who) => who.attempt.as_ref().and_then(Attempt::why),
    };
    let purpose = purpose.ok_or_else(|| "nobody said what it is read for: say so with `--purpose`".to_owned())?;
    let version = engine.read(|state| seen(state, reference, purpose))?;
    if let Some(who) = reader {
        engine.readable_version(who, dataset, &version).await.map_err(|error| error.to_string())?;
    }
    let unread = |error: String| format!("version `{version}` of data set `{dataset}` cannot be read as rows: {error}");
    let (form, bytes) = stored(engine, dataset, &version).await.map_err(|error| unread(error.to_string()))?;
    frame.add_table(table, form, bytes).await.map_err(|error| unread(error.to_string()))
}

/// The version that a reference refers to, when its data set has the purpose and its rows may be seen for it.
fn seen(state: &State, reference: &Reference, purpose: Purpose) -> Result<String, String> {
    let dataset = &reference.dataset;
    let Some(known) = state.datasets.get(dataset) else { return Err(format!("there is no data set `{dataset}`")) };
    if !known.spec.purposes.contains(&purpose) {
        return Err(format!(
            "data set `{dataset}` may not be read for `{}`, which is what a check looks there for: have it declared with that \
             purpose too, then check again",
            purpose.as_str()
        ));
    }
    let waits = |name: &String| state.may_see(dataset, name, purpose).is_err();
    match &reference.version {
        Some(version) if !known.versions.contains_key(version) => {
            Err(format!("data set `{dataset}` has no version `{version}`: store it, or name another in the contract"))
        }
        Some(version) if waits(version) => Err(format!(
            "version `{version}` of data set `{dataset}` may not be read yet: it waits for its check, or is quarantined"
        )),
        Some(version) => Ok(version.clone()),
        None => {
            let open = known.versions.iter().filter(|(name, _)| !waits(name));
            let newest = open.max_by_key(|(_, version)| version.at).map(|(name, _)| name.clone());
            newest.ok_or_else(|| {
                format!("data set `{dataset}` has no version that may be read: store one, and have it checked")
            })
        }
    }
}

pub(super) async fn opened(
    engine: &Arc<Engine>,
    dataset: &str,
    version: &str,
) -> Result<Result<Frame, RowsError>, ExecuteError> {
    let (form, bytes) = stored(engine, dataset, version).await?;
    Ok(match columns(engine, dataset, version) {
        Some(columns) => Frame::known(form, bytes, columns).await,
        None => Frame::open(form, bytes).await,
    })
}

/// The columns of a version, when all of them are on record.
fn columns(engine: &Engine, dataset: &str, version: &str) -> Option<Vec<(String, String)>> {
    engine.read(|state| {
        let content = state.dataset_version(dataset, version)?.content.as_ref()?;
        let listed = content.columns.iter().map(|column| (column.name.clone(), column.kind.clone()));
        (content.columns.len() as u64 == content.width).then(|| listed.collect())
    })
}

/// The bytes of a version, decrypted as they are read, and how rows are written in them.
async fn stored(
    engine: &Arc<Engine>,
    dataset: &str,
    version: &str,
) -> Result<(Form, Arc<dyn RangeRead>), ExecuteError> {
    let bytes = crate::stored(engine, dataset, version).await?;
    let said = engine.read(|state| {
        let known = state.dataset_version(dataset, version)?;
        let described = known.content.as_ref().map(|content| content.form);
        described.or_else(|| known.subjects.as_ref().map(|subjects| subjects.form))
    });
    let form = match said {
        Some(form) => form,
        None => {
            let start = Arc::clone(&bytes);
            let looked = tokio::task::spawn_blocking(move || form_of(start.as_ref())).await;
            looked.map_err(|error| ExecuteError::Internal(error.to_string()))?
        }
    };
    Ok((form, bytes))
}

/// How rows are written, by how the bytes begin.
fn form_of(bytes: &dyn RangeRead) -> Form {
    let mut start = [0; 6];
    let most = usize::try_from(bytes.len()).map_or(start.len(), |len| len.min(start.len()));
    if bytes.read_at(0, &mut start[..most]).is_err() {
        return Form::Csv;
    }
    match &start {
        [b'P', b'A', b'R', b'1', ..] => Form::Parquet,
        b"ARROW1" => Form::Arrow,
        [b'{', ..] => Form::Jsonl,
        _ => Form::Csv,
    }
}

pub(super) fn unreadable(dataset: &str, version: &str, error: &RowsError) -> ExecuteError {
    let message = format!("version `{version}` of data set `{dataset}` cannot be read as rows: {error}");
    Refusal::new(RefusalCode::Invalid, message).into()
}
