//! Looking up where a provider is, without the addresses at which none may be. The addresses that remain are the ones
//! that are connected to, so a name cannot change its mind in between.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engine::{Engine, Forbidden};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

/// Any error of looking up or connecting.
type AnyError = Box<dyn Error + Send + Sync>;

/// The system's resolver, within the bounds of the settings.
#[derive(Clone)]
pub(crate) struct Resolver {
    engine: Arc<Engine>,
    system: GaiResolver,
}

impl Resolver {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, system: GaiResolver::new() }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = AnyError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, AnyError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
        self.system.poll_ready(cx).map_err(AnyError::from)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (engine, looked_up) = (self.engine.clone(), self.system.call(name.clone()));
        Box::pin(async move {
            let mut allowed = Vec::new();
            let mut forbidden = None;
            for address in looked_up.await? {
                match engine.outbound().allows_address(name.as_str(), address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => forbidden = Some(why),
                }
            }
            match forbidden {
                Some(why) if allowed.is_empty() => Err(why.into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}

/// The refusal that an error of a call goes back to, if it does.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> Option<Forbidden> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(why) = error.downcast_ref::<Forbidden>() {
            return Some(why.clone());
        }
        next = error.source();
    }
    None
}
