//! Keys that data are encrypted under: how they stand, when they are replaced, and replacing them now.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use engine::{ClassInventory, KeyInventory};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::ApiError;

/// `GET /encryption`: the inventory, without any key.
pub(crate) async fn show(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "encryption")?;
    Ok(Answer(told(&app.engine.encryption_inventory().await?)))
}

fn told(inventory: &KeyInventory) -> Value {
    let class = |class: &ClassInventory| {
        json!({
            "class": class.class, "key": format!("class/{}/v{}", class.class, class.version),
            "version": class.version, "created_at": class.created_at, "rotation_due_at": class.rotation_due_at,
            "rotating": class.rotating, "bucket_keys": class.buckets,
            "subject_keys": { "live": class.subjects[0], "destroyed": class.subjects[1] },
            "day_keys": { "live": class.days[0], "destroyed": class.days[1] },
        })
    };
    let schedule = &inventory.schedule;
    json!({
        "custodian": { "kind": inventory.custodian, "key_id": inventory.root, "forgets": inventory.forgets },
        "schedule": { "class_days": schedule.class_days, "ratchet_hours": schedule.ratchet_hours },
        "ratcheted_at": inventory.ratcheted_at, "ratchet_due_at": inventory.ratchet_due_at,
        "requested": inventory.requested,
        "classes": inventory.classes.iter().map(class).collect::<Vec<_>>(),
    })
}

/// When keys are replaced.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    class_days: u32,
    ratchet_hours: u32,
}

/// `PUT /encryption/schedule`
pub(crate) async fn configure(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(schedule): Json<Schedule>,
) -> Result<Answer<Value>, ApiError> {
    let Schedule { class_days, ratchet_hours } = schedule;
    app.engine.configure_encryption(&who, class_days, ratchet_hours).await?;
    Ok(Answer(json!({ "class_days": class_days, "ratchet_hours": ratchet_hours })))
}

/// A class, or `root`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    key: String,
}

/// `POST /encryption/rotate`: answers when the key is replaced.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(rotation): Json<Rotation>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.rotate_encryption(&who, &rotation.key).await?;
    let now = app.engine.read(|state| {
        let encryption = &state.encryption;
        let root = encryption.ratcheted.as_ref().map(|(root, _)| root.key_id.clone());
        let class = encryption.classes.get(&rotation.key).map(|class| class.version);
        let waits = encryption.requested.contains_key(&rotation.key);
        match rotation.key == domain::keys::encryption::ROOT {
            true => json!({ "key": rotation.key, "key_id": root, "done": !waits }),
            false => json!({ "key": rotation.key, "version": class, "done": !waits }),
        }
    });
    Ok(Answer(now))
}
