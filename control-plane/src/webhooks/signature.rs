//! Signatures as Standard Webhooks has them (case W7): HMAC-SHA256 over id, time and body, under a secret that the receiver
//! knows as `whsec_...`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use sha2::Sha256;

/// The event's id: the same for every attempt.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");

/// When this attempt was signed, in seconds.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// `v1,` and the signature; two of them, with a space between, while a secret is being changed.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a secret begins with where people see it.
const PREFIX: &str = "whsec_";

/// A secret as its receiver writes it into its settings.
#[must_use]
pub fn shown(secret: &[u8]) -> String {
    format!("{PREFIX}{}", STANDARD.encode(secret))
}

/// The three fields, signed with each secret.
///
/// # Errors
/// Never for an id of ours: it is visible ASCII.
pub fn fields<'a>(
    secrets: impl Iterator<Item = &'a [u8]>,
    id: &str,
    seconds: i64,
    body: &[u8],
) -> Result<HeaderMap, InvalidHeaderValue> {
    let signatures: Vec<String> =
        secrets.filter_map(|secret| sign(secret, id, seconds, body)).map(|mac| format!("v1,{mac}")).collect();
    let mut fields = HeaderMap::with_capacity(4);
    fields.insert(ID, HeaderValue::from_str(id)?);
    fields.insert(TIMESTAMP, HeaderValue::from(seconds));
    fields.insert(SIGNATURE, HeaderValue::from_str(&signatures.join(" "))?);
    Ok(fields)
}

/// HMAC takes keys of any length; its constructor does not say so.
fn sign(secret: &[u8], id: &str, seconds: i64, body: &[u8]) -> Option<String> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).ok()?;
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    #[test]
    fn w7_the_vector_of_the_specification_is_byte_exact() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(shown(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let fields =
            fields([&secret[..]].into_iter(), id, 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(fields[SIGNATURE], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(
            (fields[ID].as_bytes(), fields[TIMESTAMP].as_bytes()),
            (id.as_bytes(), &b"1614265330"[..])
        );
    }

    #[test]
    fn w7_the_reference_takes_what_we_sign_with_either_secret_and_nothing_that_was_changed() {
        let (old, new, other) = ([1; 32], [2; 24], [3; 32]);
        let seconds = jiff::Timestamp::now().as_second();
        let body = br#"{"type":"wallet.funded"}"#;
        let fields = fields([&new[..], &old[..]].into_iter(), "evt_a", seconds, body).unwrap();
        let verify = |secret: &[u8], body: &[u8], fields: &HeaderMap| {
            Webhook::new(&shown(secret)).unwrap().verify(body, fields).is_ok()
        };
        assert!(verify(&old, body, &fields) && verify(&new, body, &fields));
        assert!(!verify(&other, body, &fields) && !verify(&new, b"{}", &fields));
        for (name, value) in [(ID, "evt_b"), (TIMESTAMP, &(seconds - 1).to_string())] {
            let mut changed = fields.clone();
            changed.insert(name, HeaderValue::from_str(value).unwrap());
            assert!(!verify(&new, body, &changed));
        }
    }
}
