//! Searches among users, among groups, or among both: by `GET` of a list, or by `POST` of a document (RFC 7644, sections
//! 3.4.2 and 3.4.3). A search among both shows users before groups.

use std::sync::Arc;

use axum::response::Response;
use scim::Filter;
use scim::schema::{GROUP, ResourceType, USER};
use serde_json::{Map, Value};

use super::answer::{Problem, list};
use super::request::Query;
use super::{MAX_SEARCHED, groups, users};
use crate::App;

/// What is looked through.
#[derive(Clone, Copy)]
pub(super) enum Among {
    Users,
    Groups,
}

pub(super) const USERS: &[Among] = &[Among::Users];
pub(super) const GROUPS: &[Among] = &[Among::Groups];
pub(super) const BOTH: &[Among] = &[Among::Users, Among::Groups];

impl Among {
    fn kind(self) -> &'static ResourceType {
        match self {
            Self::Users => &USER,
            Self::Groups => &GROUP,
        }
    }

    async fn candidates(self, app: &App, filter: Option<&Filter>) -> Result<Vec<String>, Problem> {
        match self {
            Self::Users => users::candidates(app, filter).await,
            Self::Groups => groups::candidates(app, filter).await,
        }
    }

    /// A resource; `None` when it is no longer there. Members are looked up when they are asked about.
    async fn look(self, app: &App, id: &str, with_members: bool) -> Result<Option<Map<String, Value>>, Problem> {
        let seen = match self {
            Self::Users => users::look(app, id).await.map(|seen| seen.resource),
            Self::Groups => groups::look(app, id, with_members).await.map(|seen| seen.resource),
        };
        match seen {
            Ok(resource) => Ok(Some(resource.body)),
            Err(problem) if problem.is_missing() => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// What one type contributes to a search.
struct Part {
    among: Among,
    filter: Option<Filter>,
    ids: Vec<String>,
}

async fn parts(app: &App, among: &[Among], filter: Option<&str>) -> Result<Vec<Part>, Problem> {
    let mut parts = Vec::with_capacity(among.len());
    for &one in among {
        let parse = if among.len() > 1 { Filter::parse_of_all } else { Filter::parse };
        let filter = filter.map(|text| parse(one.kind(), text)).transpose()?;
        let ids = one.candidates(app, filter.as_ref()).await?;
        parts.push(Part { among: one, filter, ids });
    }
    let searched: usize = parts.iter().map(|part| part.ids.len()).sum();
    if filter.is_some() && searched > MAX_SEARCHED {
        let detail = format!(
            "more than {MAX_SEARCHED} users or groups would have to be searched: ask by userName, displayName of a \
             group, or externalId"
        );
        return Err(scim::Error::bad("tooMany", detail).into());
    }
    Ok(parts)
}

/// The page that a query asks for.
pub(super) async fn page(app: Arc<App>, among: &'static [Among], query: Query) -> Result<Response, Problem> {
    let (start, count) = query.page()?;
    let filter = query.filter.as_deref().filter(|filter| !filter.trim().is_empty());
    let (mut total, mut resources) = (0, Vec::new());
    for Part { among, filter, ids } in parts(&app, among, filter).await? {
        let with_members = filter.is_some() || query.shows(&GROUP, "members");
        for id in ids {
            let on_page = total + 1 >= start && resources.len() < count;
            if filter.is_none() && !on_page {
                // Without a condition nothing outside the page needs to be looked at.
                total += 1;
                continue;
            }
            let Some(resource) = among.look(&app, &id, with_members).await? else { continue };
            if filter.as_ref().is_none_or(|filter| filter.matches(&resource)) {
                total += 1;
                if on_page {
                    resources.push(query.shown(among.kind(), resource));
                }
            }
        }
    }
    Ok(list(total, start, resources))
}
