//! Breaking the glass: a role at once, for minutes, reviewed afterwards.

use std::sync::Arc;

use domain::Command;
use domain::people::{EmergencyDeclared, EmergencyNamed, EmergencyReviewed, Finding};

use crate::{Engine, ExecuteError, Principal, identity};

impl Engine {
    /// Takes a role at once, until `ends_at` (milliseconds since the epoch); returns the emergency's identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal names the rule.
    pub async fn declare_emergency(
        self: &Arc<Self>,
        who: &Principal,
        role: &str,
        scope: &str,
        ends_at: i64,
        reference: &str,
    ) -> Result<String, ExecuteError> {
        let emergency = identity::identifier("e_");
        let declared = EmergencyDeclared {
            emergency: emergency.clone(),
            role: role.to_owned(),
            scope: scope.to_owned(),
            ends_at,
            reference: reference.to_owned(),
        };
        self.execute(who, Command::DeclareEmergency(declared)).await?;
        tracing::warn!(emergency, role, scope, actor = who.actor, "a role was taken in an emergency");
        Ok(emergency)
    }

    /// Ends an emergency before its time.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn end_emergency(self: &Arc<Self>, who: &Principal, emergency: &str) -> Result<(), ExecuteError> {
        let named = EmergencyNamed { emergency: emergency.to_owned() };
        self.execute(who, Command::EndEmergency(named)).await.map(drop)
    }

    /// Says what a look at an emergency afterwards found.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn review_emergency(
        self: &Arc<Self>,
        who: &Principal,
        emergency: &str,
        finding: Finding,
        reference: &str,
    ) -> Result<(), ExecuteError> {
        let (emergency, reference) = (emergency.to_owned(), reference.to_owned());
        self.execute(who, Command::ReviewEmergency(EmergencyReviewed { emergency, finding, reference })).await.map(drop)
    }
}
