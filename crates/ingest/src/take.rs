//! A version on its way in, from its first byte to its event.

use std::io::Read;
use std::sync::Arc;

use domain::data::{Content, Form, SubjectColumn, Version};
use domain::{Refusal, RefusalCode};
use engine::{About, Arrived, Done, Engine, ExecuteError, Principal};
use query::QueryError;
use query::rows::{Frame, RangeRead, RowsError};

use crate::Pieces;
use crate::describe::describe;

/// What is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// In which data set.
    pub dataset: String,
    /// Name of the version.
    pub version: String,
    /// How rows are written; `None` for bytes that nobody looks at.
    pub form: Option<Form>,
    /// Whom rows are about.
    pub about: About,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is stored.
    Stored {
        /// What was written to the ledger.
        done: Done,
        /// What is in it, when its form was said.
        content: Option<Content>,
    },
    /// The same bytes are in the data set already, and were not stored again.
    Known {
        /// The version that has them.
        version: String,
    },
}

/// Stores a version with all that `from` gives. Goes on to its end when nobody waits for the answer any more.
///
/// # Errors
/// As [`Engine::take_version`], and a refusal that names line or row group when the bytes are not as their form says. Then
/// nothing is stored.
pub async fn ingest(
    engine: &Arc<Engine>,
    who: &Principal,
    wish: Wish,
    from: impl Read + Send + 'static,
) -> Result<Outcome, ExecuteError> {
    let (engine, who) = (Arc::clone(engine), who.clone());
    let work = tokio::spawn(async move { take(&engine, &who, wish, from).await });
    work.await.unwrap_or_else(|error| Err(ExecuteError::Internal(error.to_string())))
}

async fn take(
    engine: &Arc<Engine>,
    who: &Principal,
    wish: Wish,
    from: impl Read + Send + 'static,
) -> Result<Outcome, ExecuteError> {
    let unsaid = wish.about == About::Unsaid;
    let arrived = engine.take_version(who, (&wish.dataset, &wish.version, wish.about), from).await?;
    let Some(form) = wish.form else {
        let done = engine.settle_version(who, arrived, None).await?;
        return Ok(Outcome::Stored { done, content: None });
    };
    let has = engine.read(|state| {
        let version = state.version_with(&wish.dataset, arrived.digest())?;
        Some((version.to_owned(), state.dataset_version(&wish.dataset, version)?.clone()))
    });
    if let Some((version, known)) = has {
        let about = if unsaid { &known.subjects } else { &arrived.wish().subjects };
        if let Some(why) = otherwise((&wish.dataset, &version), &known, form, about.as_ref()) {
            return Err(engine.refuse_version(who, arrived, Refusal::new(RefusalCode::Conflict, why)).await);
        }
        engine.drop_arrived(arrived).await?;
        return Ok(Outcome::Known { version });
    }
    let (arrived, looked) = looked_at(engine, arrived, form).await?;
    match looked {
        Ok((content, _rows)) => {
            // What else is to be known of a version before anybody sees it is asked here: the checks of its contract, and
            // of what class its columns are.
            let done = engine.settle_version(who, arrived, Some(content.clone())).await?;
            Ok(Outcome::Stored { done, content: Some(content) })
        }
        Err(ExecuteError::Refused(refusal)) => Err(engine.refuse_version(who, arrived, refusal).await),
        Err(error) => {
            let dropped = engine.drop_arrived(arrived).await;
            dropped.and(Err(error))
        }
    }
}

/// How a version with the same bytes was stored otherwise than is said now, if it was: then it is not what is wished for, and
/// erasure would go by what was said first.
fn otherwise(
    (dataset, version): (&str, &str),
    known: &Version,
    form: Form,
    about: Option<&SubjectColumn>,
) -> Option<String> {
    let stored_as = known.content.as_ref().map_or(form, |content| content.form);
    let said = |about: Option<&SubjectColumn>| match about {
        Some(subjects) => format!("about whom column `{}` names, in scope `{}`", subjects.column, subjects.scope),
        None => "about nobody in particular".to_owned(),
    };
    let (was, is) = if stored_as != form {
        (format!("as {}", stored_as.as_str()), format!("as {}", form.as_str()))
    } else if known.subjects.as_ref() != about {
        (said(known.subjects.as_ref()), said(about))
    } else {
        return None;
    };
    Some(format!(
        "version `{version}` of data set `{dataset}` has the same bytes, and was stored {was}, not {is}: nothing was stored. Say \
         the same of them, or destroy that version with `counterfoil data destroy` and store them anew"
    ))
}

/// What is in it, and its rows for whoever asks more of them.
type Looked = Result<(Content, Frame), ExecuteError>;

/// Reads all of it, and says what it is.
async fn looked_at(engine: &Arc<Engine>, arrived: Arrived, form: Form) -> Result<(Arrived, Looked), ExecuteError> {
    let pieces: Arc<dyn RangeRead> = match engine.arrived_reader(&arrived).await {
        Ok(pieces) => Arc::new(Pieces(pieces)),
        Err(error) => return Ok((arrived, Err(error))),
    };
    let (frame, survey) = match Frame::surveyed(form, Arc::clone(&pieces)).await {
        Ok(surveyed) => surveyed,
        Err(error) => return Ok((arrived, Err(refused(error)))),
    };
    let work = tokio::task::spawn_blocking(move || {
        let content = describe(&arrived, form, &survey, &*pieces);
        (arrived, content.map(|content| (content, frame)))
    });
    work.await.map_err(|error| ExecuteError::Internal(error.to_string()))
}

/// A version that cannot be read as its form says is refused; what fails here is another thing.
fn refused(error: RowsError) -> ExecuteError {
    match error {
        RowsError::Malformed(why) => Refusal::new(RefusalCode::Invalid, format!("{why}: nothing was stored")).into(),
        RowsError::Io(error) => ExecuteError::Unavailable(error.to_string()),
        RowsError::Query(QueryError::Internal(why)) => ExecuteError::Internal(why),
        RowsError::Query(error) => Refusal::new(RefusalCode::Invalid, error.to_string()).into(),
    }
}
