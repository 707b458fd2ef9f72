//! [`Guard`]: names become addresses here, and only public ones come out. The connection is made to what comes out, so a
//! name that leads elsewhere a moment later changes nothing (case W5).

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::Rules;
use domain::internet::is_public;

/// What a lookup gives in the end.
pub(super) type LookingUp = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// How a name is looked up: the system's way, but for tests.
pub(super) type Lookup = Arc<dyn Fn(String) -> LookingUp + Send + Sync>;

/// A lookup, and which of its addresses may be used.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) lookup: Lookup,
    pub(super) rules: Rules,
}

/// A name that leads to no public address, or nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` does not lead to a public address")]
pub(super) struct Refused(pub(super) String);

/// The system's way.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

// === impl Guard ===

impl Guard {
    /// The addresses of a name that may be used, if any is; the error says that it was not found.
    pub(super) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut found = (self.lookup)(name.to_owned()).await?;
        found.retain(|address| self.rules.allow_private || is_public(*address));
        Ok(found)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await.unwrap_or_default();
            if found.is_empty() {
                return Err(Refused(name.as_str().to_owned()).into());
            }
            // Port 0 becomes the URL's.
            let sockets = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}
