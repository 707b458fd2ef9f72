//! How a client names its request, and what its body is told by then.

use std::time::Duration;

use http::HeaderMap;
use pingora::proxy::Session;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::Holder;
use crate::answer::refusal::Refusal;
use crate::limits::{DIGESTED_BODY_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::payment::credential;
use crate::stage::admit::Admitted;
use crate::stage::verify::Claim;

// === impl Holder ===

impl Holder<'_> {
    /// The client's word for this request, of a claimant who is known: for nobody else a body is waited for.
    pub(crate) async fn named(&self, claim: &Claim, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        let identifier = identifier(headers, claim.identifier.clone())?;
        if identifier.is_some() {
            self.claimant(claim, None, self.ledger.time()).await?;
        }
        Ok(identifier)
    }
}

/// The client's word for this request: in the payment, or in `Idempotency-Key`.
fn identifier(headers: &HeaderMap, in_payment: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(value) = credential::one(headers, credential::IDEMPOTENCY_KEY)? else { return Ok(in_payment) };
    let text = value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= IDEMPOTENCY_KEY_BYTES_MAX);
    let text = text.ok_or_else(|| {
        Refusal::MalformedField(format!(
            "Idempotency-Key must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters"
        ))
    })?;
    match in_payment {
        Some(other) if other != text => Err(Refusal::MalformedField(
            "Idempotency-Key and the payment-identifier differ; send one of them".to_owned(),
        )),
        _ => Ok(Some(text.to_owned())),
    }
}

/// Reads a short body and takes its digest; a longer one must bring a `Content-Digest` (RFC 9530). Without either, the
/// same identifier could buy two different requests. All of a short one is waited for no longer than `patience`: between
/// two of its pieces nobody has a limit on HTTP/2, and nothing is held yet that would have an end. It comes once: `digested` is what was
/// read of it, for a request that is judged a second time.
pub(crate) async fn body_digest(
    session: &mut Session,
    request: &Admitted,
    patience: Duration,
    digested: &mut Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Refusal> {
    if session.is_body_empty() {
        return Ok(None);
    }
    if request.content_length.is_some_and(|length| length <= DIGESTED_BODY_BYTES_MAX) {
        if digested.is_none() {
            let read = timeout(patience, read_digest(session)).await;
            *digested = Some(read.unwrap_or_else(|_| {
                Err(Refusal::MalformedField("the request body did not come in time".to_owned()))
            })?);
        }
        return Ok(digested.clone());
    }
    match credential::one(&session.req_header().headers, "content-digest")? {
        Some(digest) => Ok(Some(digest.as_bytes().to_vec())),
        None => Err(Refusal::MalformedField(format!(
            "a request with an identifier and a body over {DIGESTED_BODY_BYTES_MAX} bytes, or of unknown length, needs a \
             Content-Digest field"
        ))),
    }
}

async fn read_digest(session: &mut Session) -> Result<Vec<u8>, Refusal> {
    session.enable_retry_buffering();
    let mut hasher = Sha256::new();
    loop {
        match session.read_request_body().await {
            Ok(Some(chunk)) => hasher.update(&chunk),
            Ok(None) => return Ok(hasher.finalize().to_vec()),
            Err(_) => return Err(Refusal::MalformedField("the request body broke off".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use registry::config::Limits;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::stage::admit::admit;

    #[tokio::test]
    async fn a_body_has_one_digest_however_often_its_request_is_judged() {
        let (mut client, server) = tokio::io::duplex(1024);
        let sent = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\na body";
        client.write_all(sent).await.unwrap();
        let mut session = Session::new_h1(Box::new(server));
        session.read_request().await.unwrap();
        let request = admit(session.req_header(), &Limits::default()).unwrap();
        let mut digested = None;
        for _ in 0..2 {
            let found = body_digest(&mut session, &request, Duration::from_secs(10), &mut digested).await;
            assert_eq!(found.unwrap(), Some(Sha256::digest(b"a body").to_vec()));
        }
    }
}
