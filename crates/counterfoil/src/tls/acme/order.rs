//! One order: an account, the names proven, a certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use tokio::time::{Instant, sleep};

use super::asker::Asker;
use super::kept::{Finalizing, Kept};
use super::{binding, wanted};
use crate::client::chain;
use crate::config::Acme;
use crate::tls::{Certificates, Unusable};

/// How long the authority may take to look at the names.
const LOOKING_TIME: Duration = Duration::from_secs(180);

/// How long is waited at first before it is asked what it saw; doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(250);

/// How long is waited at most before it is asked again.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// How long it may take to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// What an operator can do when the authority does not see this server.
const HOW_SEEN: &str =
    "it connects to port 443 of the name, which must lead to this listener without another TLS in between";

/// What an authority says of an account that it does not know, or not any more.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// What an operator can do then.
const HOW_KNOWN: &str = "remove `account.json` below `acme/` in the data directory, and another account is asked for";

/// Has the authority give a certificate. Returns its key and its chain in PEM form.
///
/// # Errors
/// Why there is none.
pub async fn obtain(settings: &Acme, kept: &Kept, certificates: &Certificates) -> Result<String, String> {
    let account = account(settings, kept).await?;
    let (mut order, key) = match resumed(&account, settings, kept).await? {
        Some(resumed) => resumed,
        None => proven(&account, settings, kept, certificates).await?,
    };
    if order.state().status == OrderStatus::Ready {
        let names: Vec<String> = wanted(settings).into_iter().collect();
        let mut params = CertificateParams::new(names).map_err(|e| e.to_string())?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(|e| e.to_string())?;
        order.finalize_csr(request.der()).await.map_err(said)?;
    }
    let chain = order.poll_certificate(&PATIENCE).await.map_err(said)?;
    Ok(key.serialize_pem() + &chain)
}

/// A new order, with each name proven, and the key that its certificate will be of. Both are durable before the authority
/// is asked to sign: whatever ends this process after that, the next attempt fetches the certificate.
async fn proven(
    account: &Account,
    settings: &Acme,
    kept: &Kept,
    certificates: &Certificates,
) -> Result<(Order, KeyPair), String> {
    let names: Vec<Identifier> = wanted(settings).into_iter().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(said)?;
    prove(&mut order, certificates).await?;
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    let (url, key_pem) = (order.url().to_owned(), key.serialize_pem());
    kept.keep_order(&Finalizing { url, key_pem, names: wanted(settings) })?;
    Ok((order, key))
}

/// The order that an attempt before this one did not bring to its end, if the authority still goes on with it.
async fn resumed(account: &Account, settings: &Acme, kept: &Kept) -> Result<Option<(Order, KeyPair)>, String> {
    let Some(begun) = kept.order(&wanted(settings)) else { return Ok(None) };
    let Ok(key) = KeyPair::from_pem(&begun.key_pem) else {
        kept.forget_order();
        return Ok(None);
    };
    match account.order(begun.url).await {
        Ok(mut order) => {
            if matches!(order.state().status, OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid) {
                tracing::info!(order = order.url(), "going on with the order that was begun before");
                return Ok(Some((order, key)));
            }
        }
        Err(Error::Api(_)) => {}
        // It cannot be asked now, and the order may be good.
        Err(error) => return Err(said(error)),
    }
    kept.forget_order();
    Ok(None)
}

/// Tells the authority whom to write to, when the settings name somebody else than it was told last.
///
/// # Errors
/// Why it does not know.
pub async fn tell_contact(settings: &Acme, kept: &Kept) -> Result<(), String> {
    if kept.account()?.is_none() || kept.contact().as_deref() == Some(settings.contact.as_str()) {
        return Ok(());
    }
    let contact = format!("mailto:{}", settings.contact);
    let contacts = [contact.as_str()];
    let account = account(settings, kept).await?;
    account.update_contacts(if settings.contact.is_empty() { &[] } else { &contacts }).await.map_err(said)?;
    tracing::info!("the authority was told whom to write to");
    kept.keep_contact(&settings.contact)
}

/// The account that was kept, or a new one.
async fn account(settings: &Acme, kept: &Kept) -> Result<Account, String> {
    let builder = Account::builder_with_http(Box::new(Asker::new(settings)?));
    if let Some(credentials) = kept.account()? {
        return builder.from_credentials(credentials).await.map_err(said);
    }
    let binding = binding(settings).map_err(|Unusable(key, why)| format!("`acme.{key}`: {why}"))?;
    let contact = format!("mailto:{}", settings.contact);
    let contacts = [contact.as_str()];
    let wish = NewAccount {
        contact: if settings.contact.is_empty() { &[] } else { &contacts },
        terms_of_service_agreed: settings.terms_agreed,
        only_return_existing: false,
    };
    let made = builder.create(&wish, settings.directory.clone(), binding.as_ref()).await;
    let (account, credentials) = made.map_err(said)?;
    kept.keep_account(&credentials)?;
    kept.keep_contact(&settings.contact)?;
    Ok(account)
}

/// Shows the authority that this server holds the names.
async fn prove(order: &mut Order, certificates: &Certificates) -> Result<(), String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(said)?;
        if matches!(authorization.status, AuthorizationStatus::Valid) {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge =
            challenge.ok_or("the authority offers no challenge `tls-alpn-01`, the one that can be met")?;
        let name = challenge.identifier().to_string();
        let digest = challenge.key_authorization().digest();
        certificates.answer(name.to_ascii_lowercase(), answer(&name, digest.as_ref())?);
        challenge.set_ready().await.map_err(|e| format!("`{name}`: {}; {HOW_SEEN}", said(e)))?;
    }
    seen(order).await?;
    match order.poll_ready(&PATIENCE).await.map_err(said)? {
        OrderStatus::Ready => Ok(()),
        status => {
            Err(format!("the authority has seen each name, and the order is {status:?} all the same").to_lowercase())
        }
    }
}

/// Waits until the authority has looked at each name. Not all authorities say of an order that one of its names failed.
async fn seen(order: &mut Order) -> Result<(), String> {
    let until = Instant::now() + LOOKING_TIME;
    let mut pause = FIRST_LOOK;
    loop {
        sleep(pause).await;
        if all_seen(order).await? {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("the authority did not look within {} s", LOOKING_TIME.as_secs()));
        }
        pause = LONGEST_LOOK.min(pause * 2);
    }
}

async fn all_seen(order: &mut Order) -> Result<bool, String> {
    let mut all = true;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(said)?;
        let state = authorization.refresh().await.map_err(said)?;
        let failed = state.challenges.iter().find(|challenge| matches!(challenge.status, ChallengeStatus::Invalid));
        match state.status {
            AuthorizationStatus::Valid => {}
            AuthorizationStatus::Pending if failed.is_none() => all = false,
            _ => {
                let problem = failed.and_then(|challenge| challenge.error.as_ref()).map(ToString::to_string);
                let why = problem.unwrap_or_else(|| "the authority did not see it here".to_owned());
                return Err(format!("`{}`: {why}; {HOW_SEEN}", state.identifier()));
            }
        }
    }
    Ok(all)
}

/// What is shown to an authority that asks for a name (RFC 8737, section 3).
fn answer(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let made = || -> Result<CertifiedKey, Box<dyn std::error::Error>> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let signing = provider.key_provider.load_private_key(der.into())?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
    };
    made().map_err(|e| format!("the answer for `{name}` could not be made: {e}"))
}

fn said(error: Error) -> String {
    let said = chain(&error);
    match &error {
        Error::Api(problem) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => format!("{said}; {HOW_KNOWN}"),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_authority_that_forgot_the_account_when_it_says_so_then_it_is_told_how_to_get_another() {
        let said_of = |kind: &str| {
            let problem =
                serde_json::json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "no\nway"});
            said(Error::Api(serde_json::from_value(problem).expect("a problem")))
        };
        let forgotten = said_of("accountDoesNotExist");
        assert!(forgotten.contains("no way") && forgotten.contains("`account.json`"), "{forgotten}");
        assert!(!said_of("rateLimited").contains("account.json"));
    }
}
