//! Purpose-bound views of data sets: who gets one, links to one, and tokens in the place of a column's values.
//!
//! A link is a random secret of which the digest is kept in memory until it expires, within an hour. A restart ends all.
//! Whoever comes with one reads as whoever made it, with what roles they hold at that moment, and for no longer than what it
//! was made with, their key or session, is good.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::data::{SubjectColumn, ViewSpec, views};
use domain::people::Purpose;
use domain::{Refusal, RefusalCode};
use tokio::sync::OwnedSemaphorePermit;

use crate::identity::{digest, secret};
use crate::{Engine, ExecuteError, Principal};

/// The longest life of a link, in milliseconds.
pub const MAX_LINK_MS: i64 = 60 * 60 * 1000;

/// Most links at once.
const MAX_LINKS: usize = 10_000;

/// What somebody may read for a purpose.
pub struct View {
    /// Of which data set.
    pub dataset: String,
    /// Of which version.
    pub version: String,
    /// What goes out.
    pub spec: ViewSpec,
    /// Where the version says whom rows are about.
    pub subjects: Option<SubjectColumn>,
    /// The object that it lies in.
    pub object: String,
    _permit: OwnedSemaphorePermit,
}

/// A link to a view of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewLink {
    /// Of which data set.
    pub dataset: String,
    /// Of which version.
    pub version: String,
    /// For which purpose.
    pub purpose: Purpose,
    /// Who made it.
    pub by: String,
    /// Until when it is good, in milliseconds since the epoch.
    pub expires_at: i64,
    spec: ViewSpec,
    object: String,
    /// The key that it was made with.
    key: Option<String>,
    /// The session that it was made in.
    session: Option<String>,
}

/// Links by the digest of their secret.
#[derive(Default)]
pub(crate) struct Links(Mutex<BTreeMap<String, ViewLink>>);

impl Engine {
    /// The view of a version for a purpose, for somebody who may read it.
    ///
    /// # Errors
    /// A refusal when the policies or the data set's purposes do not allow it, there is no view for the purpose, or what is
    /// said of its fields does not let it give them any more.
    pub fn view_for(
        &self,
        who: &Principal,
        dataset: &str,
        version: &str,
        purpose: Purpose,
    ) -> Result<View, ExecuteError> {
        who.attempt.iter().for_each(|attempt| attempt.purpose(purpose));
        self.authorize(who, "dataset.view.read", &format!("dataset/{dataset}"))?;
        let known = self.version_for_purpose(dataset, version, Some(purpose), false)?;
        let (spec, may) = self.read(|state| {
            let spec = state.view(dataset, purpose).map(|view| view.spec.clone());
            let may = spec.as_ref().map_or(Ok(()), |spec| views::may_give(state, dataset, purpose, spec));
            (spec, may)
        });
        let word = purpose.as_str();
        let Some(spec) = spec else {
            let message = format!("data set `{dataset}` has no view for `{word}`: declare one, or read it as it is");
            return Err(Refusal::new(RefusalCode::NotFound, message).into());
        };
        may?;
        who.attempt.iter().for_each(|attempt| attempt.concerns(&known.stored.object));
        let permit = self.transfers.begin()?;
        let (dataset, version) = (dataset.to_owned(), version.to_owned());
        Ok(View { dataset, version, spec, subjects: known.subjects, object: known.stored.object, _permit: permit })
    }

    /// Whether somebody may read what a view would change. Where there is a view, for whichever purpose, it is what is read:
    /// a purpose is stated by whoever reads, and another one would be a way around it.
    pub(crate) fn may_read_raw(&self, who: &Principal, dataset: &str) -> Result<(), Refusal> {
        let viewed: Vec<String> =
            self.read(|state| state.views.get(dataset).into_iter().flat_map(|of| of.keys().cloned()).collect());
        if viewed.is_empty() {
            return Ok(());
        }
        let allowed = self.authorize(who, "dataset.read.raw", &format!("dataset/{dataset}"));
        allowed.map(drop).map_err(|refusal| {
            let words = viewed.join("`, `");
            let message = format!(
                "data set `{dataset}` is read through its view, which there is for `{words}`: `counterfoil data view`; to read it as it is needs \
                 a role that permits `dataset.read.raw`"
            );
            Refusal { message, ..refusal }
        })
    }

    /// Makes a link to a view of a version that is good for so long; returns its secret.
    ///
    /// # Errors
    /// As [`Engine::view_for`], and when it would live longer than an hour or there are too many.
    pub fn link_view(
        &self,
        who: &Principal,
        wish: (&str, &str, Purpose),
        lives_ms: i64,
    ) -> Result<(String, ViewLink), ExecuteError> {
        let (dataset, version, purpose) = wish;
        let view = self.view_for(who, dataset, version, purpose)?;
        let now = Self::now_ms();
        if !(1_000..=MAX_LINK_MS).contains(&lives_ms) {
            let message = "a link is good for a second to an hour: say for how many seconds, 1 to 3600";
            return Err(Refusal::new(RefusalCode::Invalid, message).into());
        }
        let made = secret("cfv_")?;
        let link = ViewLink {
            dataset: view.dataset.clone(),
            version: view.version.clone(),
            purpose,
            by: who.actor.clone(),
            expires_at: now.saturating_add(lives_ms),
            spec: view.spec.clone(),
            object: view.object.clone(),
            key: who.key.clone(),
            session: who.session.as_ref().map(|visit| visit.session.clone()),
        };
        let mut links = self.view_links.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| link.expires_at > now);
        if links.len() >= MAX_LINKS {
            let message = format!("{MAX_LINKS} links are good at the moment: try again when some have expired");
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        links.insert(digest(&made), link.clone());
        Ok((made, link))
    }

    /// What a link leads to, and whoever made it, with the roles that they hold now.
    ///
    /// # Errors
    /// A refusal when it is unknown or expired, what it was made with is good no more, or it leads to what is not as it was
    /// when it was made.
    pub fn follow_view_link(&self, shown: &str) -> Result<(Principal, ViewLink), Refusal> {
        let now = Self::now_ms();
        let found = {
            let links = self.view_links.0.lock().unwrap_or_else(PoisonError::into_inner);
            links.get(&digest(shown)).filter(|link| link.expires_at > now).cloned()
        };
        let expired = |why: &str| Refusal::new(RefusalCode::Expired, why.to_owned());
        let link = found.ok_or_else(|| expired("the link is not known here or has expired: ask for another"))?;
        let stands = self.read(|state| {
            let key = link.key.as_ref().is_none_or(|key| state.keys.get(key).is_some_and(|key| key.is_live(now)));
            let session = link.session.as_ref().is_none_or(|session| self.session_is_open(state, session, now));
            key && session && !state.left.contains_key(&link.by)
        });
        if !stands {
            return Err(expired(
                "the key or session that the link was made with is good no more: ask for another link",
            ));
        }
        let same = self.read(|state| {
            let view = state.view(&link.dataset, link.purpose).is_some_and(|view| view.spec == link.spec);
            let version = state.dataset_version(&link.dataset, &link.version);
            view && version.is_some_and(|version| version.stored.object == link.object)
        });
        if !same {
            return Err(expired("what the link leads to was changed after it was made: ask for another"));
        }
        Ok((self.read(|state| Principal::of(state, &link.by, now)), link))
    }
}
