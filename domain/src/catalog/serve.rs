//! From a request to the route that serves it, or why none does: the same for whoever forwards and whoever only asks.

use std::sync::Arc;

use thiserror::Error;

use super::{Catalog, Provider, Route};
use crate::path::CanonicalPath;
use crate::router::RouteId;

/// A route that a request was found to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// Its place in its catalog.
    pub id: RouteId,
    /// The route.
    pub route: &'a Arc<Route>,
    /// Whose it is.
    pub provider: &'a Arc<Provider>,
}

/// Why a request is not served, whoever pays.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unserved {
    /// No route answers it.
    #[error("no route answers this; nothing is forwarded")]
    NotFound,
    /// This path is answered, but for these methods only.
    #[error("this path is answered for {} only", .0.join(", "))]
    Method(Vec<String>),
    /// `%2F` where the route does not take it.
    #[error("this route does not take an escaped slash (%2F)")]
    EscapedSlash,
    /// The provider is suspended.
    #[error("the provider is suspended")]
    Suspended,
}

// === impl Catalog ===

impl Catalog {
    /// The route that serves a request. `host` is lower case, without its port.
    ///
    /// # Errors
    /// See [`Unserved`].
    pub fn serve(&self, host: &str, method: &str, path: &CanonicalPath) -> Result<Served<'_>, Unserved> {
        let id = self.find(host, method, path).ok_or_else(|| match self.router.methods(host, path) {
            methods if methods.is_empty() => Unserved::NotFound,
            methods => Unserved::Method(methods),
        })?;
        let route = self.route(id).ok_or(Unserved::NotFound)?;
        let provider = self.provider(route.provider).ok_or(Unserved::NotFound)?;
        // `%2F` may stand only where the route says so, in its last parameter.
        let allowed = |segment| route.escaped_slash && route.pattern.is_in_last_parameter(segment);
        if path.escaped_slash().is_some_and(|segment| !allowed(segment)) {
            return Err(Unserved::EscapedSlash);
        }
        if provider.suspended { Err(Unserved::Suspended) } else { Ok(Served { id, route, provider }) }
    }
}

// === impl Unserved ===

impl Unserved {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "route_not_found",
            Self::Method(_) => "method_not_allowed",
            Self::EscapedSlash => "escaped_slash",
            Self::Suspended => "provider_suspended",
        }
    }
}
