//! Endpoints: what the listeners of this server and the providers that its gateway calls speak, and whether they ask who
//! calls. Settings only say where to ask; what is reported to the ledger was found out by asking.
//!
//! All are asked at the start, once a day, and when providers were declared or retired or another certificate is shown.
//! Nothing is asked that the settings or a declared provider does not name.

mod hello;
mod probe;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::infrastructure::{Endpoint, EndpointsProbed};
use domain::{Command, RefusalCode};
use engine::{Engine, ExecuteError};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::tls::Certificates;
use crate::tls::trust::Trust;
use probe::{Place, probe};

/// How often it is looked whether there is something new to ask.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often everything is asked anew. The control allows seven days.
const PROBE_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// When everything is asked anew if something could not be reached, or could not be reported.
const RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The listeners of this server.
pub struct Own {
    /// Where everything is served.
    pub listener: SocketAddr,
    /// What is shown there; `None` when it speaks in clear.
    pub certificates: Option<Arc<Certificates>>,
    /// Where browsers are sent on from, if there is such a listener.
    pub redirect: Option<SocketAddr>,
}

impl Own {
    /// SHA-256 of the certificate that is shown, hexadecimal; empty before there is one, and `None` when it speaks in clear.
    fn shown(&self) -> Option<String> {
        self.certificates.as_ref().map(|certificates| certificates.fingerprint().unwrap_or_default())
    }
}

/// Base addresses of providers, by name.
type Providers = BTreeMap<String, String>;

/// What makes it worth asking anew when it changes: the providers, and the certificate that is shown.
type Asked = (Providers, Option<String>);

/// Probes all endpoints and reports what was found, again and again, until `stop` is true.
pub async fn follow(engine: Arc<Engine>, own: Own, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = look(&engine, &own) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn look(engine: &Arc<Engine>, own: &Own) {
    let mut last: Option<(Asked, Instant)> = None;
    loop {
        let providers: Providers = engine.read(|state| {
            let providers = state.providers.iter();
            providers.map(|(name, spec)| (name.clone(), spec.base_url.clone())).collect()
        });
        // Until an authority has given the first certificate, a probe is turned away as everybody is.
        let asked: Asked = (providers, own.shown());
        let done = |(before, again): &(Asked, Instant)| *before == asked && Instant::now() < *again;
        if !last.as_ref().is_some_and(done) {
            let Some(pause) = round(engine, own, &asked.0).await else { return };
            last = Some((asked, Instant::now() + pause));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Probes everything once and reports it; how long that is good for, or `None` when nothing may be reported.
async fn round(engine: &Arc<Engine>, own: &Own, providers: &Providers) -> Option<Duration> {
    let places = places(engine.node(), own, providers);
    let endpoints = join_all(places.iter().map(|place| ask(engine, place))).await;
    let complete = endpoints.iter().all(|endpoint| endpoint.found.is_some());
    let (node, incarnation) = (engine.node().to_owned(), engine.incarnation());
    let probed = EndpointsProbed { node, incarnation, endpoints };
    let reported = engine.execute(engine.system(), Command::ProbeEndpoints(probed)).await;
    pause(reported.map(drop), complete)
}

/// How long a report is good for; `None` when there can be none.
fn pause(reported: Result<(), ExecuteError>, complete: bool) -> Option<Duration> {
    match reported {
        Ok(()) if complete => Some(PROBE_EVERY),
        Ok(()) => Some(RETRY_AFTER),
        // Policies from before there were reports: asking again and again would fill the ledger with refusals.
        Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Forbidden => {
            tracing::warn!(
                %refusal,
                "what was found at endpoints may not be recorded, so they are not asked again before the next start: \
                 permit `endpoints.probe` to the role `system`"
            );
            None
        }
        Err(error) => {
            tracing::warn!(%error, "what was found at endpoints was not recorded; they will be asked again");
            Some(RETRY_AFTER)
        }
    }
}

async fn ask(engine: &Engine, place: &Place) -> Endpoint {
    let found = probe(place, engine.outbound()).await;
    if let Err(why) = &found {
        tracing::warn!(endpoint = place.endpoint, why, "an endpoint was not probed");
    }
    Endpoint { endpoint: place.endpoint.clone(), address: place.address.clone(), found: found.ok() }
}

/// Whom to ask, sorted by name.
fn places(node: &str, own: &Own, providers: &Providers) -> Vec<Place> {
    let shown = own.shown();
    let scheme = if shown.is_some() { "https" } else { "http" };
    let mut places = vec![Place {
        endpoint: format!("listener/{node}"),
        address: format!("{scheme}://{}", own.listener),
        models: "/v1/models".to_owned(),
        own: Some(own.listener),
        trust: Trust::Only(shown.unwrap_or_default()),
    }];
    places.extend(providers.iter().map(|(name, base_url)| Place {
        endpoint: format!("provider/{name}"),
        address: base_url.clone(),
        models: format!("{}/models", path(base_url)),
        own: None,
        trust: Trust::Public,
    }));
    places.extend(own.redirect.map(|redirect| Place {
        endpoint: format!("redirect/{node}"),
        address: format!("http://{redirect}"),
        models: "/v1/models".to_owned(),
        own: Some(redirect),
        trust: Trust::Public,
    }));
    places
}

/// The path of a base address, without a slash at its end.
fn path(base_url: &str) -> &str {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    rest.find('/').map_or("", |start| rest[start..].trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_report_when_policies_forbid_it_then_none_follows_and_after_any_other_failure_one_does() {
        let refused = |code| Err(ExecuteError::Refused(domain::Refusal::new(code, "no")));
        assert_eq!(pause(refused(RefusalCode::Forbidden), true), None);
        assert_eq!(pause(refused(RefusalCode::Conflict), true), Some(RETRY_AFTER));
        assert_eq!(pause(Err(ExecuteError::Unavailable("disk full".into())), true), Some(RETRY_AFTER));
        assert_eq!((pause(Ok(()), true), pause(Ok(()), false)), (Some(PROBE_EVERY), Some(RETRY_AFTER)));
    }

    #[test]
    fn given_listeners_and_providers_when_listed_then_each_is_asked_where_it_is() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let own = Own { listener: address("[::1]:8600"), certificates: None, redirect: Some(address("0.0.0.0:80")) };
        let providers = [("acme", "https://acme.example/openai/v1/"), ("bare", "http://127.0.0.1:9")];
        let providers = providers.map(|(name, url)| (name.to_owned(), url.to_owned())).into();
        let places = places("n1", &own, &providers);
        let asked: Vec<String> =
            places.iter().map(|place| format!("{} {} {}", place.endpoint, place.address, place.models)).collect();
        let expected = [
            "listener/n1 http://[::1]:8600 /v1/models",
            "provider/acme https://acme.example/openai/v1/ /openai/v1/models",
            "provider/bare http://127.0.0.1:9 /models",
            "redirect/n1 http://0.0.0.0:80 /v1/models",
        ];
        assert_eq!(asked, expected);
        assert!(places.is_sorted_by(|a, b| a.endpoint < b.endpoint), "as a report must be");
    }
}
