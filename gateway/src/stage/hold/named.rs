//! How a client names its request, and what its body is told by then.

use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::credential;
use crate::limits::{DIGESTED_BODY_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::refusal::Refusal;
use crate::stage::admit::Admitted;

/// The client's word for this request: in the payment, or in `Idempotency-Key`.
pub(super) fn identifier(headers: &HeaderMap, in_payment: Option<String>) -> Result<Option<String>, Refusal> {
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
/// same identifier could buy two different requests.
pub(crate) async fn body_digest(
    session: &mut pingora::proxy::Session,
    request: &Admitted,
) -> Result<Option<Vec<u8>>, Refusal> {
    if session.is_body_empty() {
        return Ok(None);
    }
    if request.content_length.is_some_and(|length| length <= DIGESTED_BODY_BYTES_MAX) {
        session.enable_retry_buffering();
        let mut hasher = Sha256::new();
        loop {
            match session.read_request_body().await {
                Ok(Some(chunk)) => hasher.update(&chunk),
                Ok(None) => return Ok(Some(hasher.finalize().to_vec())),
                Err(_) => return Err(Refusal::MalformedField("the request body broke off".to_owned())),
            }
        }
    }
    match credential::one(&session.req_header().headers, "content-digest")? {
        Some(digest) => Ok(Some(digest.as_bytes().to_vec())),
        None => Err(Refusal::MalformedField(format!(
            "a request with an identifier and a body over {DIGESTED_BODY_BYTES_MAX} bytes, or of unknown length, needs a \
             Content-Digest field"
        ))),
    }
}
