//! Forward: the exact canonical request, to an address that is well, without our fields and with the provider's.

use std::time::{Duration, Instant};

use domain::PaymentId;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, EXPECT, HOST, IF_RANGE, RANGE};
use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;

use crate::answer::field;
use crate::answer::refusal::Refusal;
use crate::context::Exchange;
use crate::limits::SENT_AT_ONCE_BYTES_MAX;
use crate::payment::credential;
use crate::payment::meter::Meter;
use crate::stage::admit::Admitted;
use crate::upstream::until::Until;

/// Fields of the request that end here: payments, keys, and names by which some servers would take another method
/// or path than the one that was priced.
const STRIPPED: &[&str] = &[
    "payment-signature",
    "payment-required",
    "payment-response",
    "x-payment",
    "x-payment-response",
    "agent-key",
    "agent-max-price",
    "access-control-expose-headers",
    "forwarded",
    "x-real-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-path",
    "x-override-url",
    "x-envoy-original-path",
    "x-rewrite-url",
    "x-method",
    "x-host",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-forwarded",
];

/// Fields we write, and that a client must not be able to forge.
const OURS: [&str; 2] = ["faregate-", "x-forwarded-"];

/// Chooses an address and what to connect to it with. `silence_max` is how long an upgraded connection may be silent.
pub(crate) fn peer(exchange: &mut Exchange, silence_max: Option<Duration>) -> Result<Box<HttpPeer>, Refusal> {
    if exchange.is_overdue() {
        return Err(Refusal::UpstreamTimeout);
    }
    let pool = &exchange.routed.pool;
    let (member, address) = pool.pick().ok_or(Refusal::NoUpstream)?;
    exchange.member = Some(member);
    let mut peer = pool.peer(address);
    let patience = peer.options.read_timeout;
    if silence_max.is_some() {
        peer.options.read_timeout = silence_max;
    }
    // To agree to an upgrade takes no longer than any other header, however long it may be silent then.
    let agreed_by = silence_max.and(patience).and_then(|patience| Instant::now().checked_add(patience));
    let by = [exchange.answer_by(), agreed_by].into_iter().flatten().min();
    if let (Some(payment), Some(by)) = (exchange.payment, by) {
        limit_time(&mut peer, exchange, payment, by);
    }
    Ok(Box::new(peer))
}

/// Has an upstream answer while its payment can be settled. Where its silence is limited anyhow, and not to much more than what is left, nothing
/// is to be done: its header is looked at when it comes. That limit is not shortened, because it is the body's as well, which may take
/// its time once it is paid for. Elsewhere, where a body decides or a long one is sent first, the connection ends by itself.
fn limit_time(peer: &mut HttpPeer, exchange: &mut Exchange, payment: PaymentId, by: Instant) {
    let left = by.saturating_duration_since(Instant::now());
    let options = &mut peer.options;
    let shorten = |limit: &mut Option<Duration>| *limit = Some(limit.map_or(left, |limit| limit.min(left)));
    shorten(&mut options.connection_timeout);
    shorten(&mut options.total_connection_timeout);
    let silence = options.read_timeout.unwrap_or(Duration::MAX);
    let is_short = exchange.request.content_length.is_some_and(|length| length <= SENT_AT_ONCE_BYTES_MAX)
        || exchange.request.is_safe();
    if exchange.meter.is_none() && is_short && silence / 2 <= left {
        return;
    }
    let until = exchange.until.get_or_insert_with(|| Until::new(by));
    until.bind(peer, payment);
}

/// Edits the copy of the request that goes upstream. Pingora has taken off the hop-by-hop fields.
pub(crate) fn edit(
    exchange: &Exchange,
    session: &Session,
    upstream: &mut RequestHeader,
) -> pingora::Result<()> {
    strip(upstream);
    let pool = &exchange.routed.pool;
    let target = target(&pool.upstream().base_path, &exchange.request);
    if target.as_bytes() != upstream.raw_path() {
        upstream.set_raw_path(target.as_bytes())?;
    }
    upstream.insert_header(
        HOST,
        exchange.member.map_or_else(|| HeaderValue::from_static(""), |member| pool.host(member)),
    )?;
    forwarded(exchange, session, upstream)?;
    if let (Some(payer), Some(payment)) = (&exchange.payer, exchange.payment) {
        upstream.insert_header(&field::PAYMENT_ID, payment.to_string())?;
        upstream.insert_header(&field::PAYER, payer.known_as())?;
        upstream.insert_header(&field::PRICE, exchange.price.to_string())?;
    }
    if exchange.meter.as_ref().is_some_and(Meter::reads_text) {
        upstream.insert_header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
        // A part of a document cannot be read.
        upstream.remove_header(&RANGE);
        upstream.remove_header(&IF_RANGE);
    }
    for (name, value) in pool.fields() {
        upstream.insert_header(name, value.clone())?;
    }
    Ok(())
}

/// The provider's base path, the canonical path, and the query as it came.
fn target(base_path: &str, request: &Admitted) -> String {
    let mut target = String::with_capacity(base_path.len() + request.path.as_str().len() + 64);
    target.push_str(base_path);
    target.push_str(request.path.as_str());
    if let Some(query) = &request.query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// `X-Forwarded-*`, rebuilt: what the client sent under these names was its own invention.
fn forwarded(exchange: &Exchange, session: &Session, upstream: &mut RequestHeader) -> pingora::Result<()> {
    if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
        upstream.insert_header(&field::FORWARDED_FOR, client.ip().to_string())?;
    }
    upstream.insert_header(&field::FORWARDED_HOST, exchange.request.authority.as_str())?;
    upstream.insert_header(&field::FORWARDED_PROTO, HeaderValue::from_static(scheme(session)))?;
    Ok(())
}

/// What the client speaks to us.
pub(crate) fn scheme(session: &Session) -> &'static str {
    let encrypted = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    if encrypted { "https" } else { "http" }
}

fn strip(upstream: &mut RequestHeader) {
    if upstream.headers.get_all(AUTHORIZATION).iter().any(credential::is_for_us) {
        upstream.remove_header(&AUTHORIZATION);
    }
    upstream.remove_header(&EXPECT);
    let taken: Vec<HeaderName> =
        upstream.headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in taken {
        upstream.remove_header(&name);
    }
}

/// Whether a field is one that only we write, or that ends here.
pub(crate) fn is_ours(name: &str) -> bool {
    STRIPPED.iter().any(|ours| field::is(name, ours)) || OURS.iter().any(|prefix| field::begins(name, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_ours_reaches_the_upstream_under_any_spelling() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        let fields = [
            ("authorization", "Bearer fg_secret"),
            ("Agent-Key", "fg_secret"),
            ("PAYMENT-SIGNATURE", "e30="),
            ("payment_signature", "e30="),
            ("Faregate-Payer", "agt_forged"),
            ("faregate_payer", "agt_forged"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X-Original-URL", "/free"),
            ("Expect", "100-continue"),
        ];
        for (name, value) in fields {
            request.append_header(name, value).unwrap();
        }
        request.append_header("accept", "*/*").unwrap();
        strip(&mut request);
        let left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["accept"]);
    }

    #[test]
    fn an_agent_key_is_taken_off_in_every_form() {
        for value in
            ["bearer fg_x", "Bearer\tfg_x", "fg_x", "Bearer \"fg_x\"", "Basic fg_x", "Faregate abc.0x12"]
        {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.append_header("authorization", value).unwrap();
            strip(&mut request);
            assert!(!request.headers.contains_key(AUTHORIZATION), "{value}");
        }
    }

    #[test]
    fn another_authorization_is_left_to_the_upstream() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.append_header("authorization", "Basic abc").unwrap();
        strip(&mut request);
        assert!(request.headers.contains_key(AUTHORIZATION));
    }
}
