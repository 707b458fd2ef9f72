//! [`Reply`]: an answer of the gateway's own, written whole.

use std::time::Duration;

use bytes::Bytes;
use http::header::ORIGIN;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use protocol::header::PAYMENT_REQUIRED;

use crate::answer::cors;
use crate::answer::field;
use crate::answer::refusal::Refusal;
use crate::limits::{DRAINED_BODY_BYTES_MAX, OWN_ANSWER_WAITS_MAX};
use crate::offer::challenge::Asking;
use crate::stage::rate::Counted;

/// How long a small body that nobody wants is waited for before the connection is given up.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// An answer that was not forwarded from an upstream.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// Fields whose names come from elsewhere: a stored response.
    stored: Vec<(String, Vec<u8>)>,
    is_stored: bool,
    body: Bytes,
}

// === impl Reply ===

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), stored: Vec::new(), is_stored: false, body: Bytes::new() }
    }

    /// An answer of JSON that no cache may keep.
    pub(crate) fn json(status: u16, body: String) -> Self {
        Self { body: body.into(), ..Self::empty(status) }
            .with("content-type", "application/json")
            .with("cache-control", "no-store")
    }

    /// A stored answer, given again.
    pub(crate) fn stored(status: u16, headers: Vec<(String, Vec<u8>)>, body: Bytes) -> Self {
        Self { status, headers: Vec::new(), stored: headers, is_stored: true, body }
    }

    /// What a refusal is answered with. A 402 that asks for something is [`Reply::asking`]'s.
    pub(crate) fn refusal(refusal: &Refusal) -> Self {
        Self::of(refusal, refusal.body())
    }

    /// A 402 for both versions of x402.
    pub(crate) fn asking(refusal: &Refusal, asking: Asking) -> Self {
        let mut body = refusal.body();
        if let Some(members) = asking.v1 {
            // The last brace of an object that is never empty.
            body.truncate(body.len().saturating_sub(1));
            body = format!("{body},{members}}}");
        }
        let reply = Self::of(refusal, body).with(PAYMENT_REQUIRED, asking.header);
        match asking.refused {
            Some((name, receipt)) => reply.with(name.as_str(), receipt),
            None => reply,
        }
    }

    fn of(refusal: &Refusal, body: String) -> Self {
        let mut reply = Self::json(refusal.status(), body);
        if let Some(payment) = refusal.payment() {
            reply = reply.with(field::PAYMENT_ID.as_str(), payment.to_string());
        }
        if let Some(status) = refusal.payment_status() {
            reply = reply.with(field::PAYMENT_STATUS.as_str(), status);
        }
        if let Some(methods) = refusal.allowed() {
            reply = reply.with("allow", methods);
        }
        if let Some(scheme) = refusal.asks_for() {
            reply = reply.with("www-authenticate", scheme);
        }
        match refusal.retry_after() {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }

    /// With one more field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With what is left under the rate limits, where the call was counted.
    pub(crate) fn counted(self, counted: Option<&Counted>) -> Self {
        match counted {
            Some(counted) => self.with("ratelimit", counted.field()),
            None => self,
        }
    }

    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Writes it. The connection stays usable where the request's body is read or small. A short one of ours has a short time: over HTTP/2
    /// whoever opens no window for it would keep its place among the requests that run.
    pub(crate) async fn send(self, session: &mut Session) -> pingora::Result<()> {
        if !self.is_stored {
            let patience = session.get_write_timeout().unwrap_or(OWN_ANSWER_WAITS_MAX);
            session.set_write_timeout(Some(patience.min(OWN_ANSWER_WAITS_MAX)));
        }
        drain(session).await;
        let from_browser = session.req_header().headers.contains_key(ORIGIN);
        let is_head = session.req_header().method == http::Method::HEAD;
        let mut header =
            ResponseHeader::build(self.status, Some(self.headers.len() + self.stored.len() + 4))?;
        for (name, value) in self.stored {
            header.append_header(name, value)?;
        }
        for (name, value) in self.headers {
            header.insert_header(name, value)?;
        }
        let bodiless = is_head || matches!(self.status, 204 | 304);
        // What a stored HEAD would have been long is not known.
        let length_unknown = matches!(self.status, 204 | 304) || (is_head && self.is_stored);
        if !length_unknown {
            header.insert_header("content-length", self.body.len().to_string())?;
        }
        cors::expose(&mut header, from_browser)?;
        session.write_response_header(Box::new(header), bodiless).await?;
        if !bodiless {
            session.write_response_body(Some(self.body), true).await?;
        }
        Ok(())
    }
}

/// Reads a small request body that was sent along, so that the paid retry finds the connection open. A larger one
/// costs the client its connection, never us the memory.
async fn drain(session: &mut Session) {
    if session.is_body_done() || session.is_body_empty() {
        return;
    }
    let length = session.req_header().headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse::<u64>().ok());
    let waits = session.req_header().headers.contains_key(http::header::EXPECT);
    let small = length.is_some_and(|length| length <= DRAINED_BODY_BYTES_MAX);
    if small && !waits {
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        if session.drain_request_body().await.is_ok() {
            return;
        }
    }
    session.set_keepalive(None);
}
