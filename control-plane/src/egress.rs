//! [`Egress`]: the one way out to addresses that tenants name.
//!
//! No redirect is followed, no proxy of the environment is used, nothing takes longer than [`SEND_TIMEOUT`] and no answer is
//! read beyond [`ANSWER_BYTES_MAX`]. What is called must be public, by its text ([`target`]) and by what its name leads to
//! at the moment of the connection ([`resolver`]). Nothing of an answer but its status leaves this module: who names an
//! address must not be able to read through us.

mod resolver;
mod target;

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use thiserror::Error;

use self::resolver::{Guard, Lookup, Refused};

pub use self::target::{Target, TargetError, URL_BYTES_MAX};

/// Longest a request may take, from the lookup of the name to the status of the answer.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Until a connection and its TLS handshake stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is read of an answer, so that its connection can be used again; a longer one costs its connection.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long the end of an answer is waited for, whose status came in time.
const ANSWER_END: Duration = Duration::from_secs(2);

/// How long an unused connection is kept, and how many of one host.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const IDLE_PER_HOST_MAX: usize = 32;

/// What the operator allows beyond the public internet. Nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Addresses of private networks and of this host, and any port.
    pub allow_private: bool,
    /// Without TLS.
    pub allow_http: bool,
}

/// The way out. Cheap to clone; its clones share their connections.
#[derive(Clone)]
pub struct Egress {
    client: Client,
    guard: Guard,
}

/// Why a request got no status.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// Its target may not be called.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It took longer than [`SEND_TIMEOUT`].
    #[error("no answer within {} seconds", SEND_TIMEOUT.as_secs())]
    Timeout,
    /// No connection, or no TLS.
    #[error("could not connect")]
    Connect,
    /// The connection broke, or what came is not HTTP.
    #[error("the connection broke before an answer")]
    Broken,
}

// === impl Egress ===

impl Egress {
    /// A way out with connections of its own.
    ///
    /// # Errors
    /// The system has no TLS roots.
    pub fn new(rules: Rules) -> Result<Self, reqwest::Error> {
        Self::with_lookup(rules, resolver::system())
    }

    fn with_lookup(rules: Rules, lookup: Lookup) -> Result<Self, reqwest::Error> {
        let guard = Guard { lookup, rules };
        let client = Client::builder()
            .user_agent(concat!("Faregate-Webhooks/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .https_only(!rules.allow_http)
            .dns_resolver(guard.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build()?;
        Ok(Self { client, guard })
    }

    /// Checks a URL that somebody wants to be called at, its name included.
    ///
    /// # Errors
    /// It is none that is called.
    pub async fn check(&self, text: &str) -> Result<Target, TargetError> {
        let target = self.target(text)?;
        if target.address().is_some() {
            return Ok(target);
        }
        let host = target.host().to_owned();
        match self.guard.addresses(&host).await {
            Ok(found) if !found.is_empty() => Ok(target),
            _ => Err(TargetError::Unknown(host)),
        }
    }

    /// Checks a URL by its text alone: also one that was stored before the rules became stricter.
    ///
    /// # Errors
    /// It is none that is called.
    pub fn target(&self, text: &str) -> Result<Target, TargetError> {
        Target::parse(text, self.guard.rules)
    }

    /// Sends JSON and gives the status of the answer, whichever it is.
    ///
    /// # Errors
    /// There was no answer, or nothing was sent.
    pub async fn post(&self, target: &Target, headers: HeaderMap, body: Vec<u8>) -> Result<u16, SendError> {
        let request = self.client.post(target.url().clone()).headers(headers);
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        let response = tokio::time::timeout(SEND_TIMEOUT, request.send()).await;
        let response = response.map_err(|_| SendError::Timeout)?.map_err(|error| told(&error))?;
        let status = response.status().as_u16();
        // Its status is its answer: what becomes of the rest decides only whether the connection is used again.
        let _ = tokio::time::timeout(ANSWER_END, drain(response)).await;
        Ok(status)
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Egress").field("rules", &self.guard.rules).finish_non_exhaustive()
    }
}

async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(piece)) = response.chunk().await {
        read += piece.len();
        if read > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// Our words for it: the library's would name addresses that a tenant must not learn of.
fn told(error: &reqwest::Error) -> SendError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(Refused(host)) = cause.downcast_ref() {
            return TargetError::Unknown(host.clone()).into();
        }
        source = cause.source();
    }
    if error.is_timeout() {
        SendError::Timeout
    } else if error.is_connect() {
        SendError::Connect
    } else {
        SendError::Broken
    }
}

#[cfg(test)]
mod tests;
