//! Sending mails to people by one mail server. A mail has a line for a subject, a few lines of plain text, and one
//! receiver, so that nobody learns whom else it concerns.

use std::time::Duration;

use domain::people::Channel;
use engine::{Fault, Message, Messenger, Sending, Undelivered};
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use super::{AWAY, SENDING_TIME, attempts_fit, is_loopback, undelivered, variable_fits};
use crate::client::chain;
use crate::config::{NotifySmtp, Wrong};
use crate::doors::secret;

const SECTION: &str = "notify_smtp";

/// How long a server may take to take a mail, once it let us in. Servers look at a mail before they say that they take it; if we gave up meanwhile, it
/// would arrive and be sent again.
const MAIL_TIME: Duration = Duration::from_secs(60);

/// How long its goodbye is waited for.
const GOODBYE_TIME: Duration = Duration::from_secs(2);

/// How long nobody signs in again after that was refused: a few times more in a short while, and servers lock the account.
const SIGN_IN_AGAIN: Duration = Duration::from_secs(15 * 60);

/// The mail server that mails are handed to.
pub struct Smtp {
    server: (String, u16),
    tls: Tls,
    name: ClientId,
    credentials: Option<Credentials>,
    from: Mailbox,
    attempts: u64,
    /// How long it may take to connect, to agree on TLS and to sign in: a server that is silent from the start holds up
    /// other mails no longer.
    hello_time: Duration,
}

pub fn check(settings: &NotifySmtp) -> Result<(), Wrong> {
    let NotifySmtp { host, tls, username, password_file, password_env, .. } = settings;
    let wrong = |key, why: String| Err((SECTION, key, why));
    if host.is_empty() {
        return Ok(());
    }
    attempts_fit(SECTION, settings.attempts)?;
    if host.contains(['/', '@', ' ', ':']) && host.parse::<std::net::IpAddr>().is_err() {
        return wrong("host", format!("`{host}` is not the name of a host, such as `mail.example.com`"));
    }
    if settings.port == 0 {
        return wrong("port", "a mail server listens at 587, 465 or 25: give its port".to_owned());
    }
    sender(settings)?;
    if !matches!(tls.as_str(), "starttls" | "tls" | "none") {
        return wrong("tls", format!("`{tls}` is neither `starttls`, `tls` nor `none`"));
    }
    if tls == "tls" && settings.port == 587 {
        let why = "`tls` is spoken at port 465: give `port = 465`, or at 587 `tls = \"starttls\"`";
        return wrong("tls", why.to_owned());
    }
    if tls == "none" && !is_loopback(host) {
        return wrong("tls", format!("mails to `{host}` would travel readable: `none` is for this machine only"));
    }
    variable_fits(SECTION, "password_env", password_env)?;
    let password = !password_file.is_empty() || !password_env.is_empty();
    match (username.is_empty(), password) {
        (true, true) => wrong("username", "there is a password for nobody: name who signs in".to_owned()),
        (false, false) => wrong("password_file", format!("name a file with the password of `{username}`")),
        _ if !password_file.is_empty() && !password_env.is_empty() => {
            wrong("password_env", "the password is in a file already: name one place".to_owned())
        }
        _ => Ok(()),
    }
}

fn sender(settings: &NotifySmtp) -> Result<Mailbox, Wrong> {
    let from = settings.from.parse();
    from.map_err(|_| {
        let why = format!("`{}` is not an address to send from, such as `counterfoil@example.com`", settings.from);
        (SECTION, "from", why)
    })
}

impl Smtp {
    /// # Errors
    /// What is wrong with the settings, and with the files that they name.
    pub fn new(settings: &NotifySmtp) -> Result<Self, Wrong> {
        let from = sender(settings)?;
        let tls = match settings.tls.as_str() {
            "none" => Tls::None,
            "tls" => Tls::Wrapper(tls(settings)?),
            _ => Tls::Required(tls(settings)?),
        };
        let name = ClientId::Domain(from.email.domain().to_owned());
        let (file, env) =
            (("password_file", settings.password_file.as_str()), ("password_env", settings.password_env.as_str()));
        let password = secret(file, env).map_err(|(key, why)| (SECTION, key, why))?;
        let credentials = password.map(|password| Credentials::new(settings.username.clone(), password));
        let (server, attempts) = ((settings.host.clone(), settings.port), settings.attempts);
        Ok(Self { server, tls, name, credentials, from, attempts, hello_time: SENDING_TIME })
    }

    async fn mail(&self, message: &Message) -> Result<(), Undelivered> {
        let mail = self.letter(message)?;
        let silent =
            |what: &str, time: Duration| undelivered("timeout", format!("{what} within {} s", time.as_secs()), AWAY);
        let connected = timeout(self.hello_time, self.connected()).await;
        let connected = connected.map_err(|_| silent("nobody let us in", self.hello_time))?;
        let mut connection = connected.map_err(|error| refused(&error))?;
        let sent = timeout(MAIL_TIME, connection.send(mail.envelope(), &mail.formatted())).await;
        sent.map_err(|_| silent("not taken", MAIL_TIME))?.map_err(|error| refused(&error))?;
        // It was taken, whatever the server says to that.
        let _ = timeout(GOODBYE_TIME, connection.abort()).await;
        Ok(())
    }

    /// A connection that mails can be handed to.
    async fn connected(&self) -> Result<AsyncSmtpConnection, Error> {
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let server = (self.server.0.as_str(), self.server.1);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(self.hello_time), &self.name, wrapper, None);
        let mut connection = connecting.await?;
        if let Tls::Required(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &self.name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message, Undelivered> {
        let bad = |why: String| undelivered("bad_address", why, Fault::Lasting);
        let address = message.address.as_deref().unwrap_or_default();
        let to: Address =
            address.parse().map_err(|e| bad(format!("`{}` is no address: {e}", address.escape_debug())))?;
        let id = format!("<{}@{}>", message.notification, self.from.email.domain());
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let letter = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(message.subject.clone())
            .message_id(Some(id))
            .raw_header(automatic)
            .singlepart(SinglePart::plain(message.text.clone()));
        letter.map_err(|e| bad(chain(&e)))
    }
}

impl Messenger for Smtp {
    fn channel(&self) -> Channel {
        Channel::Email
    }

    fn attempts(&self) -> u64 {
        self.attempts
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(self.mail(message))
    }
}

fn tls(settings: &NotifySmtp) -> Result<TlsParameters, Wrong> {
    let wrong = |why: String| (SECTION, "ca_file", why);
    let mut builder = TlsParameters::builder(settings.host.clone());
    if !settings.ca_file.is_empty() {
        // Read as all such files are, which says better what is wrong with one.
        crate::tls::roots(std::path::Path::new(&settings.ca_file)).map_err(wrong)?;
        let pem = std::fs::read(&settings.ca_file).map_err(|e| wrong(format!("`{}`: {e}", settings.ca_file)))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| wrong(e.to_string()))?);
    }
    builder.build().map_err(|e| wrong(e.to_string()))
}

/// What the mail server's answer comes to. A server may refuse a receiver for good; that there is none, or that it does
/// not let us in, is no mail's fault and may be mended.
fn refused(error: &Error) -> Undelivered {
    let detail = chain(error);
    match error.status().map(u16::from) {
        Some(code) => {
            let fault = fault(code, &detail);
            undelivered(format!("status_{code}"), detail, fault)
        }
        None if error.is_timeout() => undelivered("timeout", detail, AWAY),
        None if error.is_tls() => undelivered("tls", detail, AWAY),
        None if error.is_client() || error.is_response() => undelivered("protocol", detail, AWAY),
        None => undelivered("unreachable", detail, AWAY),
    }
}

/// What an answer lies with. The codes of the channel are those of RFC 5321 (it closes) and RFC 4954 (it wants another
/// sign-in). 5.7 (RFC 3463) is about who may send what, which settings here or there can change.
fn fault(code: u16, said: &str) -> Fault {
    match code {
        421 | 454 => AWAY,
        530 | 534 | 535 | 538 => Fault::Channel(SIGN_IN_AGAIN),
        550..=554 if !said.contains("): 5.7.") => Fault::Lasting,
        _ => Fault::Message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(address: &str, subject: &str) -> Message {
        Message {
            notification: "n_1".into(),
            kind: domain::people::NotificationKind::Test,
            about: "actor/a_1".into(),
            what: "w".into(),
            until: None,
            link: "https://c.example/approvals".into(),
            to: vec!["a_1".into()],
            address: Some(address.into()),
            subject: subject.into(),
            text: "Look:\n.\nhttps://c.example/approvals\n".into(),
            at: None,
        }
    }

    fn smtp() -> Smtp {
        Smtp {
            server: ("127.0.0.1".into(), 25),
            tls: Tls::None,
            name: ClientId::Domain("example.com".into()),
            credentials: None,
            from: "Counterfoil <cf@example.com>".parse().expect("an address"),
            attempts: 1,
            hello_time: SENDING_TIME,
        }
    }

    #[tokio::test]
    async fn given_a_server_that_says_nothing_when_a_mail_is_sent_then_it_is_given_up_before_a_mail_would_be() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let port = silent.local_addr().expect("an address").port();
        let smtp = Smtp { server: ("127.0.0.1".into(), port), hello_time: Duration::from_millis(100), ..smtp() };
        let refused = smtp.mail(&message("zoe@example.com", "s")).await.expect_err("nobody answers");
        assert_eq!((refused.word.as_str(), refused.fault), ("timeout", AWAY));
        assert!(refused.detail.contains("let us in"), "{}", refused.detail);
    }

    #[test]
    fn given_an_answer_when_it_is_not_about_the_receiver_then_the_mail_is_tried_again() {
        let sign_in = Fault::Channel(SIGN_IN_AGAIN);
        for (code, said, expected) in [
            (550, "permanent error (550): 5.1.1 no such user", Fault::Lasting),
            (550, "permanent error (550): no such user", Fault::Lasting),
            (554, "permanent error (554): 5.7.1 relay access denied", Fault::Message),
            (535, "permanent error (535): 5.7.8 authentication failed", sign_in),
            (530, "permanent error (530): authentication required", sign_in),
            (451, "transient error (451): 4.3.0 come back later", Fault::Message),
            (421, "transient error (421): 4.3.2 service shutting down", AWAY),
            (454, "transient error (454): 4.7.0 temporary authentication failure", AWAY),
        ] {
            assert_eq!(fault(code, said), expected, "{said}");
        }
    }

    #[test]
    fn given_an_address_or_a_subject_with_line_breaks_when_a_mail_is_made_then_no_header_is_added() {
        let hostile =
            ["zoe@example.com\r\nBcc: all@example.com", "zoe@example.com\nBcc: all@example.com", "a b", "", "@"];
        for address in hostile {
            let refused = smtp().letter(&message(address, "s")).expect_err("no address");
            assert_eq!((refused.word.as_str(), refused.fault), ("bad_address", Fault::Lasting), "{address:?}");
        }
        for subject in ["a\r\nBcc: all@example.com", "a\nBcc: all@example.com\n\nbody", "ü\r\n\r\nbody", "Zoë"] {
            let mail = smtp().letter(&message("zoe@example.com", subject)).expect("a mail").formatted();
            let mail = String::from_utf8(mail).expect("ASCII");
            let head = mail.split("\r\n\r\n").next().expect("headers");
            let names = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
            let mut names: Vec<&str> = names.filter_map(|line| line.split(':').next()).collect();
            names.sort_unstable();
            let expected = [
                "Auto-Submitted",
                "Content-Transfer-Encoding",
                "Content-Type",
                "Date",
                "From",
                "MIME-Version",
                "Message-ID",
                "Subject",
                "To",
            ];
            assert_eq!(names, expected, "{mail}");
        }
    }
}
