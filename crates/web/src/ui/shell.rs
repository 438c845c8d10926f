//! The frame around each page: navigation on the stub, and at its foot the receipt, which says at which ledger size
//! and root the page was made.

use engine::Principal;

use super::thousands;
use crate::App;
use crate::app::{DATASETS, SERVICES};
use crate::assets;
use crate::failure::Failure;
use crate::people::Names;

/// A place in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Ledger,
    Inferences,
    Services,
    Data,
    Controls,
    Criteria,
    Evidence,
    People,
    Keys,
    Encryption,
    Tokens,
    Approvals,
    Policies,
    Why,
    Documents,
    Requests,
    Retention,
    Sql,
}

impl Section {
    /// All places: where, what it is called, and its key after `g`.
    const ALL: [(Self, &'static str, &'static str, &'static str); 19] = [
        (Self::Overview, "/", "Overview", "g o"),
        (Self::Ledger, "/ledger", "Ledger", "g l"),
        (Self::Inferences, "/inferences", "Inferences", "g i"),
        (Self::Services, "/services", "Services", ""),
        (Self::Data, "/data", "Data", ""),
        (Self::Controls, "/controls", "Controls", "g c"),
        (Self::Criteria, "/criteria", "Criteria", ""),
        (Self::Evidence, "/evidence", "Evidence", "g e"),
        (Self::People, "/people", "People", "g p"),
        (Self::Keys, "/keys", "Keys", "g k"),
        (Self::Encryption, "/encryption", "Encryption", ""),
        (Self::Tokens, "/tokens", "Tokens", ""),
        (Self::Approvals, "/approvals", "Approvals", "g a"),
        (Self::Policies, "/policies", "Policies", ""),
        (Self::Why, "/authz", "Why?", ""),
        (Self::Documents, "/documents", "Documents", "g d"),
        (Self::Requests, "/requests", "Requests", "g r"),
        (Self::Retention, "/retention", "Retention", ""),
        (Self::Sql, "/sql", "SQL", "g s"),
    ];
}

impl Section {
    /// Whether somebody finds anything there: what they may not look at is not offered.
    fn is_open(self, app: &App, who: &Principal) -> bool {
        let reads = |what: &str| app.decides(who, "read", what);
        match self {
            // What is somebody's own and what waits for them is there for everybody.
            Self::Overview | Self::Approvals => true,
            Self::Ledger => reads("ledger"),
            Self::Inferences => reads("inferences"),
            Self::Services => reads("state") || !app.reads_in(who, &SERVICES).is_empty(),
            Self::Why => reads("state"),
            Self::Data => reads("datasets") || !app.reads_in(who, &DATASETS).is_empty(),
            Self::Controls | Self::Criteria => reads("controls"),
            Self::Evidence => reads("evidence"),
            Self::People => reads("people"),
            Self::Keys => reads("keys"),
            Self::Encryption => reads("encryption"),
            Self::Tokens => reads("tokens"),
            Self::Policies => reads("policies"),
            Self::Documents => reads("documents"),
            Self::Requests => reads("requests"),
            Self::Retention => reads("retention"),
            Self::Sql => app.decides(who, "sql", "ledger"),
        }
    }
}

/// What the frame shows.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    pub section: Section,
    /// The places that the visitor may go to.
    pub open: Vec<Section>,
    pub org: String,
    pub actor: String,
    /// What the visitor is called, if that is known.
    pub name: Option<String>,
    pub size: u64,
    pub root: String,
}

impl Shell {
    /// The frame for a page of `section`, as `who` sees it.
    pub(crate) async fn new(app: &App, who: &Principal, section: Section) -> Result<Self, Failure> {
        let (size, root) = app.head()?;
        let actor = who.actor.clone();
        let names = Names::on_page(app, who, vec![actor.clone()], &mut []).await;
        let name = names.name(&actor).map(str::to_owned);
        let all = Section::ALL.into_iter().map(|(section, ..)| section);
        let open = all.filter(|section| section.is_open(app, who)).collect();
        Ok(Self { section, open, org: app.engine.org().name, actor, name, size, root: merkle::hex(&root) })
    }

    /// Places with their address, name and keys, and whether the page is there.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, bool)> {
        let here = self.section;
        let open = Section::ALL.into_iter().filter(move |(section, ..)| self.open.contains(section));
        open.map(move |(section, href, name, keys)| (href, name, keys, section == here))
    }

    pub(crate) fn size_shown(&self) -> String {
        thousands(self.size)
    }

    pub(crate) fn root_short(&self) -> &str {
        self.root.get(..16).unwrap_or(&self.root)
    }

    pub(crate) fn style(&self) -> String {
        assets::STYLE.url()
    }

    pub(crate) fn script(&self) -> String {
        assets::SCRIPT.url()
    }

    pub(crate) fn icon(&self) -> String {
        assets::ICON.url()
    }

    #[cfg(test)]
    pub(crate) fn sample(section: Section) -> Self {
        Self {
            section,
            open: Section::ALL.into_iter().map(|(section, ..)| section).collect(),
            org: "Example Bank".into(),
            actor: "a_7f3k2m9q".into(),
            name: Some("Ada Okafor".into()),
            size: 18_204,
            root: "9f2c4e1ab07d6635c1f0de824b6a93775f1e20c8d4ab3969017e5cc2b8f4a6d1".into(),
        }
    }
}
