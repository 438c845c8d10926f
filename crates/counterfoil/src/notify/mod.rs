//! The messengers that the settings name: a webhook, and mails. They connect to the one address that each names, and to
//! nothing else.

mod smtp;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use engine::{Fault, Messenger, Notifier, Undelivered};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::config::{Config, PREFIX, Wrong};

/// How long connecting may take, and telling a program.
const SENDING_TIME: Duration = Duration::from_secs(15);

/// The channel is away, and nobody says for how long.
const AWAY: Fault = Fault::Channel(Duration::ZERO);

/// Most tries that the settings may ask for.
const MAX_ATTEMPTS: u64 = 100;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    channel: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    channel: &'static str,
}

/// What is wrong with the settings by themselves.
///
/// # Errors
/// The first thing.
pub fn check(config: &Config) -> Result<(), Wrong> {
    webhook::check(&config.notify_webhook)?;
    smtp::check(&config.notify_smtp)?;
    let wanted = !config.notify_webhook.url.is_empty() || !config.notify_smtp.host.is_empty();
    let url = config.server.public_url.as_str();
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if wanted && host.is_none_or(str::is_empty) {
        let why = "messages carry links: say how people reach this server, such as `https://counterfoil.example.com`";
        return Err(("server", "public_url", why.to_owned()));
    }
    Ok(())
}

/// What is wrong with the files that they name.
///
/// # Errors
/// The first thing.
pub fn check_files(config: &Config) -> Result<(), Wrong> {
    messengers(config, "https://counterfoil.example").map(drop)
}

fn messengers(config: &Config, public_url: &str) -> Result<Vec<Arc<dyn Messenger>>, Wrong> {
    let mut messengers: Vec<Arc<dyn Messenger>> = Vec::new();
    if !config.notify_webhook.url.is_empty() {
        messengers.push(Arc::new(webhook::Webhook::new(&config.notify_webhook, public_url)?));
    }
    if !config.notify_smtp.host.is_empty() {
        messengers.push(Arc::new(smtp::Smtp::new(&config.notify_smtp)?));
    }
    Ok(messengers)
}

/// Whoever tells people, if the settings name a channel. Counts go into the registry.
///
/// # Errors
/// What is wrong with the settings.
pub fn notifier(config: &Config, public_url: &str, registry: &mut Registry) -> Result<Option<Arc<Notifier>>, Wrong> {
    let messengers = messengers(config, public_url)?;
    if messengers.is_empty() {
        return Ok(None);
    }
    let counts = Family::<Labels, Counter>::default();
    registry.register("notifications", "Tries to tell somebody something, by what they came to", counts.clone());
    let counted = move |channel: domain::people::Channel, outcome| {
        counts.get_or_create(&Labels { channel: channel.as_str(), outcome }).inc();
    };
    let waiting = Family::<OfChannel, Gauge>::default();
    registry.register("notifications_waiting", "Messages that are due and not settled yet", waiting.clone());
    let gauged = move |channel: domain::people::Channel, count: usize| {
        let channel = OfChannel { channel: channel.as_str() };
        waiting.get_or_create(&channel).set(i64::try_from(count).unwrap_or(i64::MAX));
    };
    let notifier = Notifier::new(public_url.to_owned(), messengers, Box::new(counted), Box::new(gauged));
    Ok(Some(Arc::new(notifier)))
}

fn attempts_fit(section: &'static str, attempts: u64) -> Result<(), Wrong> {
    match (1..=MAX_ATTEMPTS).contains(&attempts) {
        true => Ok(()),
        false => Err((section, "attempts", format!("`{attempts}` is not a number of tries from 1 to {MAX_ATTEMPTS}"))),
    }
}

/// A variable that holds a secret. One that begins as our settings do would be taken for a setting, and refused.
///
/// # Errors
/// The setting, and why.
pub fn variable_fits(section: &'static str, key: &'static str, variable: &str) -> Result<(), Wrong> {
    match variable.starts_with(PREFIX) {
        false => Ok(()),
        true => {
            let why =
                format!("`{variable}` begins with `{PREFIX}`, as only settings do: give the variable another name");
            Err((section, key, why))
        }
    }
}

/// Whether a host is this machine, by its text.
pub fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Why something was not sent: a word for the ledger, and what its causes say for whoever looks into it.
fn undelivered(word: impl Into<String>, detail: impl Into<String>, fault: Fault) -> Undelivered {
    Undelivered { word: word.into(), detail: detail.into(), fault }
}

#[cfg(test)]
mod tests;
