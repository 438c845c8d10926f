//! Running a registered model: from the bytes of an inference request to the bytes of its answer.

use std::sync::Arc;

use bytes::Bytes;
use onnx::{Model, RunError, Tensor};

use crate::dialect::oip::{self, InferRequest, InferResponse, Output};
use crate::features::{Broken, Features};
use crate::permission::Permitted;
use crate::problem::Problem;
use crate::snapshot::Loaded;

/// Runs the model of a permitted route. Reading and computing happen on a thread of their own, because both are work
/// for the processor that a stranger's request may make long.
///
/// Answers also with what the inputs break of contracts that only warn.
pub(crate) async fn run(
    permitted: &Permitted,
    loaded: Arc<Loaded>,
    body: Bytes,
) -> Result<(Bytes, Vec<Broken>), Problem> {
    let (name, features) = (permitted.route().name.clone(), Arc::clone(&permitted.route().features));
    let answered = tokio::task::spawn_blocking(move || predict(&name, &loaded, &features, &body)).await;
    answered.map_err(|_| Problem::Internal)?
}

fn predict(name: &str, loaded: &Loaded, features: &[Features], body: &[u8]) -> Result<(Bytes, Vec<Broken>), Problem> {
    let unavailable = |why: &String| Problem::ModelUnavailable { model: name.to_owned(), why: why.clone() };
    let model = loaded.model.as_ref().map_err(unavailable)?;
    let request = oip::parse_infer(body).map_err(|error| Problem::Input(error.to_string()))?;
    let InferRequest { id, parameters, inputs, outputs: wanted } = request;
    if let Some(unknown) = wanted.iter().flatten().find(|name| !model.outputs().iter().any(|out| out.name == **name)) {
        let known: Vec<String> = model.outputs().iter().map(|output| format!("`{}`", output.name)).collect();
        let message = format!("output `{unknown}` is not one of the model's: it gives {}", known.join(", "));
        return Err(Problem::Input(message));
    }
    let broken: Vec<Broken> = features.iter().flat_map(|features| features.broken(&inputs)).collect();
    if broken.iter().any(|one| one.blocks) {
        let blocking = broken.iter().filter(|one| one.blocks).map(Broken::to_string).collect::<Vec<_>>();
        return Err(Problem::Contract(blocking.join(", ")));
    }
    let answers = model.run(&inputs).map_err(|error| failed(name, &error, uneven(model, &inputs)))?;
    let response = InferResponse {
        model_name: name,
        model_version: &loaded.registered.version,
        id: id.as_deref(),
        parameters: parameters.as_deref(),
        outputs: chosen(&answers, wanted.as_deref()),
    };
    let answer = serde_json::to_vec(&response).map_err(|_| Problem::Internal)?;
    Ok((Bytes::from(answer), broken))
}

/// The wanted outputs in the order wanted, or all.
fn chosen<'a>(answers: &'a [(String, Tensor)], wanted: Option<&[String]>) -> Vec<Output<'a>> {
    let output = |(name, tensor): &'a (String, Tensor)| Output::new(name, tensor);
    match wanted {
        None => answers.iter().map(output).collect(),
        Some(names) => names.iter().filter_map(|name| answers.iter().find(|(n, _)| n == name).map(output)).collect(),
    }
}

/// What is wrong with inputs that do not have equally many rows. Only a model that failed makes that wrong: some take
/// one row for all.
fn uneven(model: &Model, inputs: &[(String, Tensor)]) -> Option<String> {
    let any_rows =
        |name: &str| model.inputs().iter().any(|info| info.name == name && info.shape.first() == Some(&None));
    let rows = |(name, tensor): &(String, Tensor)| Some((name.clone(), *tensor.shape().first()?));
    let rows: Vec<(String, usize)> = inputs.iter().filter(|(name, _)| any_rows(name)).filter_map(rows).collect();
    let like = |count: usize| rows.iter().filter(|(_, other)| *other == count).count();
    let (most, usual) = rows.iter().max_by_key(|(_, count)| like(*count))?;
    let (odd, count) = rows.iter().find(|(_, count)| count != usual)?;
    Some(format!("input `{odd}` has {count} rows, but `{most}` has {usual}: give all inputs the same number of rows"))
}

fn failed(model: &str, error: &RunError, uneven: Option<String>) -> Problem {
    match error {
        RunError::MissingInput { .. }
        | RunError::UnknownInput { .. }
        | RunError::RepeatedInput(_)
        | RunError::InputType { .. }
        | RunError::InputShape { .. } => Problem::Input(error.to_string()),
        _ => match uneven {
            Some(message) => Problem::Input(message),
            None => Problem::ModelFailed { model: model.to_owned(), why: error.to_string() },
        },
    }
}
