//! [`Facilitator`]: somebody else who verifies and settles x402 payments for us, over HTTP (x402 v2 specification, section 7).
//!
//! It is asked with our own terms, never with the payer's copy of them. What it answers is sorted into what is known and what is
//! not ([`answer`]): an answer that is late, broken, too long or about another payment is no refusal, since the value may have moved.
//! No redirect is followed: what opens a facilitator is for its host alone.

mod answer;

use std::time::Duration;

use domain::Party;
use protocol::offer::Offer;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

pub use answer::{Identified, Kind, Settled, Supported, Unknown, Verified};

/// Most bytes of an answer that are read; a longer one is no answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Until a connection and its TLS handshake stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How a facilitator is reached.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Such as `https://facilitator.example`; the calls are below it.
    pub url: String,
    /// What opens each of its calls.
    pub headers: Headers,
    /// How long a verification may take: the payer waits for it.
    pub verify_timeout: Duration,
    /// How long a settlement may take before its outcome is unknown.
    pub settle_timeout: Duration,
}

/// Header fields of each call. Some facilitators want another token for each path.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// Of `POST /verify`.
    pub verify: HeaderMap,
    /// Of `POST /settle`.
    pub settle: HeaderMap,
    /// Of `GET /supported`.
    pub supported: HeaderMap,
}

/// A payment, as it is shown to a facilitator.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The version of x402 that it is written in.
    pub version: u64,
    /// What is shown of it.
    pub payment: &'a Value,
    /// What we ask for. With `upto`, the amount is what is to be settled.
    pub requirements: &'a Offer,
    /// Who signed it; none where that is to be found out.
    pub payer: Option<Party>,
}

/// Why a facilitator cannot be asked.
#[derive(Debug, Error)]
pub enum FacilitatorError {
    /// The system has no TLS.
    #[error("no client for a facilitator: {0}")]
    Client(#[from] reqwest::Error),
}

/// One facilitator. Cheap to clone; its clones share their connections.
#[derive(Clone)]
pub struct Facilitator {
    client: Client,
    configuration: Configuration,
}

/// The body of `/verify` and `/settle`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    x402_version: u64,
    payment_payload: &'a Value,
    payment_requirements: &'a Offer,
}

// === impl Facilitator ===

impl Facilitator {
    /// With connections of its own.
    ///
    /// # Errors
    /// See [`FacilitatorError`].
    pub fn new(configuration: Configuration) -> Result<Self, FacilitatorError> {
        let client = Client::builder()
            .user_agent(concat!("Faregate/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        let url = configuration.url.trim_end_matches('/').to_owned();
        Ok(Self { client, configuration: Configuration { url, ..configuration } })
    }

    /// Whether it would settle this payment. Nothing moves.
    ///
    /// # Errors
    /// [`Unknown`]: there is no answer to go by.
    pub async fn verify(&self, shown: Shown<'_>) -> Result<Verified, Unknown> {
        let Configuration { headers, verify_timeout, .. } = &self.configuration;
        let (status, body) = self.post("verify", &headers.verify, *verify_timeout, shown).await?;
        answer::verified(status, &body, shown.payer)
    }

    /// Who signed this payment, where it would settle it. Nothing moves.
    ///
    /// # Errors
    /// [`Unknown`]: there is no answer to go by.
    pub async fn identify(&self, shown: Shown<'_>) -> Result<Identified, Unknown> {
        let Configuration { headers, verify_timeout, .. } = &self.configuration;
        let (status, body) = self.post("verify", &headers.verify, *verify_timeout, shown).await?;
        answer::identified(status, &body)
    }

    /// Has the payment settled. Once this was called, only a refusal or the chain tells that nothing moved.
    ///
    /// # Errors
    /// [`Unknown`]: it may have moved, and may still.
    pub async fn settle(&self, shown: Shown<'_>) -> Result<Settled, Unknown> {
        let Configuration { headers, settle_timeout, .. } = &self.configuration;
        let (status, body) = self.post("settle", &headers.settle, *settle_timeout, shown).await?;
        answer::settled(status, &body, shown)
    }

    /// How long a settlement may take before its outcome is unknown.
    pub(crate) const fn settle_timeout(&self) -> Duration {
        self.configuration.settle_timeout
    }

    /// What it settles.
    ///
    /// # Errors
    /// [`Unknown`]: there is no answer to go by.
    pub async fn supported(&self) -> Result<Supported, Unknown> {
        let Configuration { url, headers, verify_timeout, .. } = &self.configuration;
        let request = self.client.get(format!("{url}/supported")).headers(headers.supported.clone());
        let (status, body) = whole(request.timeout(*verify_timeout).send().await).await?;
        answer::supported(status, &body)
    }

    async fn post(
        &self,
        call: &str,
        headers: &HeaderMap,
        timeout: Duration,
        shown: Shown<'_>,
    ) -> Result<(StatusCode, Vec<u8>), Unknown> {
        let question = Question {
            x402_version: shown.version,
            payment_payload: shown.payment,
            payment_requirements: shown.requirements,
        };
        let body = serde_json::to_vec(&question).map_err(|_| Unknown::Unsent)?;
        let request = self
            .client
            .post(format!("{}/{call}", self.configuration.url))
            .header(CONTENT_TYPE, "application/json")
            .headers(headers.clone())
            .timeout(timeout)
            .body(body);
        whole(request.send().await).await
    }
}

/// The status and the whole body, where there is no more than may be.
async fn whole(answered: Result<Response, reqwest::Error>) -> Result<(StatusCode, Vec<u8>), Unknown> {
    let mut response = answered.map_err(|error| Unknown::from_transport(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Unknown::from_transport(&error))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(Unknown::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

#[cfg(test)]
mod tests;
