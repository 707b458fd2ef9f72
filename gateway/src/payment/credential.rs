//! [`Credential`]: the one way to pay that a request carries. Two are refused, never chosen between: the client
//! could be charged for either (DESIGN section 5).

use domain::Amount;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use protocol::header::{PAYMENT_SIGNATURE, X_PAYMENT};
use registry::agent_key::AgentKey;
use registry::{agent_key, api_key};

use crate::answer::refusal::Refusal;

/// The field for an agent key where the upstream wants an `Authorization` of its own.
pub(crate) const AGENT_KEY: &str = "agent-key";

/// The field that says what a key's holder will pay at most for this call, in dollars.
pub(crate) const AGENT_MAX_PRICE: &str = "agent-max-price";

/// The field that names a request, so that its retry is the same one (draft-ietf-httpapi-idempotency-key-header).
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How a request pays.
#[derive(Debug)]
pub(crate) enum Credential<'a> {
    /// It does not.
    None,
    /// With an agent key.
    Key(AgentKey),
    /// With a payment header, not read yet.
    Payment(&'a HeaderValue),
}

// === impl Credential ===

impl<'a> Credential<'a> {
    /// Finds it.
    pub(crate) fn find(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let key = find_key(headers)?;
        let payment = find_payment(headers)?;
        match (key, payment) {
            (Some(_), Some(_)) => Err(Refusal::TwoPayments),
            (Some(text), None) => AgentKey::parse(text).map(Self::Key).map_err(|_| Refusal::AgentKey),
            (None, Some(payment)) => Ok(Self::Payment(payment)),
            (None, None) => Ok(Self::None),
        }
    }
}

/// Whether an `Authorization` is meant for us, and must not be seen by an upstream: an agent key in any form, or a signed
/// challenge.
pub(crate) fn is_for_us(value: &HeaderValue) -> bool {
    let scheme = value.as_bytes().split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"faregate") || has_key(value, agent_key::PREFIX)
}

/// Whether a key of the management API came where an agent key belongs. It opens more than a wallet, and a route may be
/// anybody's: it is refused before anything is forwarded.
pub(crate) fn has_management_key(headers: &HeaderMap) -> bool {
    let places = headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(AGENT_KEY));
    places.into_iter().any(|value| has_key(value, api_key::PREFIX))
}

/// Whether a word of a field is a key, or begins like one.
fn has_key(value: &HeaderValue, prefix: &str) -> bool {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'=' | b',');
    value.as_bytes().split(is_between).any(|word| word.starts_with(prefix.as_bytes()))
}

/// What the caller will pay at most, where it says so.
pub(crate) fn maximum_price(headers: &HeaderMap) -> Result<Option<Amount>, Refusal> {
    let Some(text) = one(headers, AGENT_MAX_PRICE)? else { return Ok(None) };
    match text.to_str().ok().map(Amount::parse_dollars) {
        Some(Ok(amount)) => Ok(Some(amount)),
        Some(Err(error)) => Err(Refusal::MalformedField(format!("Agent-Max-Price: {error}"))),
        None => Err(Refusal::MalformedField("Agent-Max-Price is not text".to_owned())),
    }
}

/// The one value of a field; two are refused.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Refusal::MalformedField(format!("{name} is repeated; send it once"))),
    }
}

fn find_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let bearer = match (authorizations.next(), authorizations.next()) {
        (Some(only), None) => bearer(only),
        // Removing the key would remove the other one as well, and forwarding it would show the key.
        (Some(first), Some(second)) if is_for_us(first) || is_for_us(second) => {
            return Err(Refusal::TwoPayments);
        }
        (Some(_), Some(_)) if authorizations.any(is_for_us) => return Err(Refusal::TwoPayments),
        _ => None,
    };
    let mut fields = headers.get_all(AGENT_KEY).iter();
    let field = match (fields.next(), fields.next()) {
        (field, None) => field,
        _ => return Err(Refusal::TwoPayments),
    };
    match (bearer, field) {
        (Some(_), Some(_)) => Err(Refusal::TwoPayments),
        (Some(key), None) => Ok(Some(key)),
        (None, Some(field)) => field.to_str().map(Some).map_err(|_| Refusal::AgentKey),
        (None, None) => Ok(None),
    }
}

/// The key in `Bearer fg_...`.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once([' ', '\t'])?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with("fg_")).then_some(token)
}

/// Some clients send the same payment under both names: equal content is one payment, other content is two.
fn find_payment(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Refusal> {
    let mut found: Option<&HeaderValue> = None;
    for name in [PAYMENT_SIGNATURE, X_PAYMENT] {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => {}
            (Some(_), Some(_)) => return Err(Refusal::TwoPayments),
            (Some(value), None) => match found {
                Some(other) if other != value => return Err(Refusal::TwoPayments),
                _ => found = found.or(Some(value)),
            },
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn refused(fields: &[(&'static str, &'static str)]) -> Option<&'static str> {
        Credential::find(&headers(fields)).err().map(|refusal| refusal.code())
    }

    #[test]
    fn two_ways_to_pay_are_refused_in_every_pairing() {
        let pairs: [&[(&str, &str)]; 7] = [
            &[("authorization", "Bearer fg_a"), ("payment-signature", "e30=")],
            &[("agent-key", "fg_a"), ("x-payment", "e30=")],
            &[("agent-key", "fg_a"), ("authorization", "bearer fg_b")],
            &[("agent-key", "fg_a"), ("agent-key", "fg_a")],
            &[("authorization", "Bearer fg_a"), ("authorization", "Basic x")],
            &[("payment-signature", "e30="), ("payment-signature", "e30=")],
            &[("payment-signature", "e30="), ("x-payment", "e31=")],
        ];
        for pair in pairs {
            assert_eq!(refused(pair), Some("two_payments"), "{pair:?}");
        }
    }

    #[test]
    fn another_authorization_is_not_ours() {
        let headers = headers(&[("authorization", "Bearer sk-abc")]);
        assert!(matches!(Credential::find(&headers), Ok(Credential::None)));
        assert_eq!(refused(&[("agent-key", "sk-abc")]), Some("invalid_agent_key"));
    }

    #[test]
    fn a_management_key_is_found_wherever_a_key_belongs_and_an_agent_key_is_none() {
        let has = |name, value| has_management_key(&headers(&[(name, value)]));
        for value in ["Bearer fgm_x", "fgm_x", "bearer\tfgm_x", "Token token=\"fgm_x\""] {
            assert!(has("authorization", value), "{value}");
        }
        assert!(has("agent-key", "fgm_x"));
        assert!(has_management_key(&headers(&[
            ("authorization", "Basic x"),
            ("authorization", "Bearer fgm_x")
        ])));
        assert!(!has("authorization", "Bearer fg_mx") && !has("agent-key", "fg_mx"));
    }

    #[test]
    fn the_same_payment_under_both_names_is_one() {
        let headers = headers(&[("payment-signature", "e30="), ("x-payment", "e30=")]);
        assert!(matches!(Credential::find(&headers), Ok(Credential::Payment(_))));
    }
}
