//! What a message says: a line, a few words, and the link to the page where all of it is. It names commands, roles and
//! things, as the page does that its receiver may see; it names no person and quotes nothing that anybody wrote.

use chrono::DateTime;
use domain::people::NotificationKind;
use domain::people::notifications::Notice;

/// The longest subject, in characters.
const MAX_SUBJECT: usize = 160;

/// A message on its way.
#[derive(Clone)]
pub struct Message {
    /// Public identifier, the same for each try.
    pub notification: String,
    /// What it is of.
    pub kind: NotificationKind,
    /// The thing it is about, as `kind/name`.
    pub about: String,
    /// What of, such as a command and the thing it would change.
    pub what: String,
    /// Until when something can be done, in milliseconds since the epoch.
    pub until: Option<i64>,
    /// The address of the page that shows all of it.
    pub link: String,
    /// Those whom it concerns, by pseudonym.
    pub to: Vec<String>,
    /// Where to write to the only one whom it is for, when it is a mail.
    pub address: Option<String>,
    /// It in one line, without control characters.
    pub subject: String,
    /// It in a few lines.
    pub text: String,
    /// When what it tells of happened or became due, in milliseconds since the epoch, if that is known: the same
    /// for each try.
    pub at: Option<i64>,
}

impl Message {
    /// A notice in words, for these people.
    pub(super) fn of(notice: &Notice, notification: String, to: Vec<String>, public_url: &str, org: &str) -> Self {
        let (title, sentence) = words(notice.kind, &notice.instance);
        let link = format!("{public_url}{}", page(&notice.about));
        let until = notice.until.map(|until| format!("{}: {}\n", until_what(notice.kind), instant(until)));
        let text = format!(
            "{sentence}\n\n{}\n{}\n{link}\n\nCounterfoil of {}\n",
            notice.what,
            until.unwrap_or_default(),
            one_line(org)
        );
        Self {
            notification,
            kind: notice.kind,
            about: notice.about.clone(),
            what: notice.what.clone(),
            until: notice.until,
            link,
            to,
            address: None,
            subject: one_line(&format!("[{org}] {title}: {}", notice.what)),
            text,
            at: notice.since,
        }
    }

    /// A message that says nothing but that messages arrive.
    pub(super) fn test(notification: String, to: &str, public_url: &str, org: &str) -> Self {
        let notice = Notice {
            kind: NotificationKind::Test,
            about: format!("actor/{to}"),
            instance: String::new(),
            to: [to.to_owned()].into(),
            what: "notifications of Counterfoil".to_owned(),
            since: Some(crate::Engine::now_ms()),
            until: None,
        };
        Self::of(&notice, notification, vec![to.to_owned()], public_url, org)
    }
}

/// The page that shows a thing.
fn page(about: &str) -> String {
    match about.split_once('/') {
        Some(("approval", name)) => format!("/approvals/{name}"),
        Some(("review", name)) => format!("/reviews/{name}"),
        Some(("emergency", name)) => format!("/emergencies#{name}"),
        Some(("finding", _)) => "/data/findings".to_owned(),
        Some(("grant", name)) => format!("/people#{name}"),
        // Where what is wrong is said to whoever may not sign in, too.
        Some(("encryption", _)) => "/readyz".to_owned(),
        _ => "/approvals".to_owned(),
    }
}

/// A title and a sentence.
fn words(kind: NotificationKind, instance: &str) -> (String, &'static str) {
    let (title, sentence) = match kind {
        NotificationKind::ApprovalRequested => ("your vote is asked for", "Somebody asks for your vote on this."),
        NotificationKind::ApprovalDecided => {
            let sentence = match instance {
                "approved" => "What you asked for was approved. It is not done yet: carry it out.",
                _ => "What you asked for was declined.",
            };
            return (instance.to_owned(), sentence);
        }
        NotificationKind::ApprovalExpiring => match instance {
            "approved" => ("ends soon", "This is approved and not carried out, and the approval ends soon."),
            _ => ("ends soon", "This still waits for votes, and the request ends soon."),
        },
        NotificationKind::GrantRequested => {
            ("a role waits for approval", "Somebody is to get this role, if you approve it.")
        }
        NotificationKind::EmergencyDeclared => {
            ("ALERT, a role was taken in an emergency", "Somebody took this role at once, without approval.")
        }
        NotificationKind::EmergencyReviewDue => match instance {
            "late" => (
                "late, an emergency is to be reviewed",
                "What was done in an emergency should have been reviewed by now.",
            ),
            _ => (
                "an emergency is to be reviewed",
                "An emergency is over, and somebody else must look at what was done.",
            ),
        },
        NotificationKind::ReviewOpened => ("access to review", "You are to review who has access."),
        NotificationKind::ReviewDueSoon => {
            ("access review due soon", "A review of access that waits for you is due soon.")
        }
        NotificationKind::ReviewOverdue => ("access review overdue", "A review of access that waits for you is late."),
        NotificationKind::CustodianAway => (
            "ALERT, the root key cannot be reached",
            "The custodian of the root key does not answer. Sealing goes on for the time that the server may hold keys, and \
             then stops. See /readyz and the log for the reason.",
        ),
        NotificationKind::FindingOpened => (
            "a finding in a data set",
            "Detectors found something that contradicts what is declared. It is for you to settle.",
        ),
        NotificationKind::FindingOverdue => {
            ("late, a finding in a data set", "A finding that waits for you should have been settled by now.")
        }
        NotificationKind::Test => ("test", "This is a test: messages arrive."),
    };
    (title.to_owned(), sentence)
}

/// What ends or is due at the time that a message names.
fn until_what(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::GrantRequested => "The role would end",
        NotificationKind::EmergencyReviewDue
        | NotificationKind::ReviewOpened
        | NotificationKind::ReviewDueSoon
        | NotificationKind::ReviewOverdue
        | NotificationKind::FindingOpened
        | NotificationKind::FindingOverdue => "Due",
        NotificationKind::ApprovalRequested
        | NotificationKind::ApprovalDecided
        | NotificationKind::ApprovalExpiring
        | NotificationKind::EmergencyDeclared
        | NotificationKind::CustodianAway
        | NotificationKind::Test => "Until",
    }
}

fn instant(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

/// A text in one line and not too long: the name of an organisation may hold anything, and a line break in a mail's
/// header would begin another header.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .take(MAX_SUBJECT)
        .collect()
}
