//! Who comes in by the provider: whoever its issuer and subject belong to. An e-mail address is nobody's identity: it can be
//! given to somebody else, and look like another.

use std::sync::Arc;

use ::oidc::IdToken;
use domain::people::{ActorKind, IdentitySource, Proof};
use engine::{Engine, ExecuteError, Proven};
use sha2::{Digest, Sha256};

use super::Oidc;
use crate::App;

/// The most groups that one token may name; more are left out.
const MAX_GROUPS: usize = 500;

/// Why somebody whom the provider knows is not let in. All of them read the same to whoever tries.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAdmitted {
    /// The domain of the e-mail address is none of those in the settings, or not verified.
    #[error("the domain of the e-mail address is not one that the settings name, or was not verified")]
    Domain,
    /// Nobody here is known by this identity.
    #[error("nobody here is known by this identity")]
    Unknown,
    /// The ledger refuses.
    #[error(transparent)]
    Refused(#[from] ExecuteError),
}

impl Oidc {
    /// The actor whom an ID token speaks of, registered if the settings say so, and what to note of their proof.
    pub(super) async fn admit(&self, app: &Arc<App>, token: &IdToken) -> Result<Proven, NotAdmitted> {
        let domains = &self.settings.email_domains;
        let domain = token.email_domain();
        let welcome = |domain: &String| domains.iter().any(|known| known.eq_ignore_ascii_case(domain));
        if !domains.is_empty() && !domain.as_ref().is_some_and(welcome) {
            return Err(NotAdmitted::Domain);
        }
        let actor = self.actor(app, token).await?;
        self.note_profile(app, &actor, token).await?;
        // Before the session begins: what ends with a group must not open it.
        let groups = token.list(&self.settings.groups_claim, MAX_GROUPS);
        app.engine.follow_claims(&actor, &groups).await?;
        Ok(Proven {
            actor,
            proof: Proof::Oidc,
            // Not said is not fresh: then it takes another proof to do what is critical.
            authenticated_at: token.authenticated_at.map_or(0, |seconds| seconds.saturating_mul(1000)),
            mfa: token.mfa,
            provider_session_sha256: token.session.as_deref().map(|session| self.session_digest(session)),
            ..Proven::default()
        })
    }

    async fn actor(&self, app: &Arc<App>, token: &IdToken) -> Result<String, NotAdmitted> {
        let (engine, identifier) = (&app.engine, self.identifier(&token.subject));
        if let Some(actor) = engine.find_identity(IdentitySource::Oidc, &identifier).await? {
            return Ok(actor);
        }
        if !self.settings.register {
            return Err(NotAdmitted::Unknown);
        }
        let _turn = self.registering.lock().await;
        if let Some(actor) = engine.find_identity(IdentitySource::Oidc, &identifier).await? {
            return Ok(actor);
        }
        let system = engine.system();
        let actor = engine.register_actor(system, ActorKind::Human).await?;
        engine.link_identity(system, &actor, IdentitySource::Oidc, &identifier).await?;
        Ok(actor)
    }

    /// Writes down what the provider calls somebody, unless a directory does: that one knows better.
    async fn note_profile(&self, app: &Arc<App>, actor: &str, token: &IdToken) -> Result<(), NotAdmitted> {
        let text = |claim: &str| token.text(claim).filter(|text| (1..=320).contains(&text.len())).map(str::to_owned);
        let mut profile = app.engine.profile(actor).await?.unwrap_or_default();
        if profile.user_name.is_some() {
            return Ok(());
        }
        profile.name = text("name").filter(|name| engine::label_is_valid(name).is_ok()).or(profile.name);
        profile.email = text("email").filter(|email| engine::email_is_valid(email).is_ok()).or(profile.email);
        if profile.name.is_some() || profile.email.is_some() {
            app.engine.set_profile(app.engine.system(), actor, &profile).await?;
        }
        Ok(())
    }

    /// What the vault knows somebody's name at the provider by.
    pub(crate) fn identifier(&self, subject: &str) -> String {
        format!("{}\n{subject}", self.settings.issuer)
    }

    /// What the ledger knows a session of the provider by.
    pub(super) fn session_digest(&self, session: &str) -> String {
        merkle::hex(&Sha256::digest(format!("{}\n{session}", self.settings.issuer)))
    }
}

/// The actor whom a subject of the provider belongs to.
pub(super) async fn known(oidc: &Oidc, engine: &Arc<Engine>, subject: &str) -> Result<Option<String>, ExecuteError> {
    engine.find_identity(IdentitySource::Oidc, &oidc.identifier(subject)).await
}
