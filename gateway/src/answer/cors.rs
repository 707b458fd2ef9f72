//! What browsers need before their scripts may pay: preflights are answered here and never reach an upstream.

use http::HeaderValue;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::answer::reply::Reply;

/// Response fields that a paying script must be able to read.
const EXPOSED: [&str; 8] = [
    "PAYMENT-REQUIRED",
    "PAYMENT-RESPONSE",
    "X-PAYMENT-RESPONSE",
    "Faregate-Payment-Id",
    "Faregate-Payment-Status",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
];

/// Request fields that paying clients send. The last one is a response field by its name, yet the stock clients put
/// it on the request, so that a preflight asks for it (notes/clients.md, "CORS").
const ALLOWED: &str = "PAYMENT-SIGNATURE, X-PAYMENT, Authorization, Agent-Key, Agent-Max-Price, Content-Type, Idempotency-Key, \
     Content-Digest, Access-Control-Expose-Headers";

/// How long a browser may keep the answer, in seconds.
const MAX_AGE: &str = "600";

/// The answer to a real preflight; `None` for any other request, an ordinary OPTIONS included.
pub(crate) fn preflight(request: &RequestHeader) -> Option<Reply> {
    let headers = &request.headers;
    let origin = headers.get(ORIGIN)?;
    let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    if request.method != http::Method::OPTIONS {
        return None;
    }
    let mut allowed = ALLOWED.to_owned();
    let asked =
        headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|asked| asked.to_str().ok()).unwrap_or("");
    for name in asked.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if !ALLOWED.split(", ").any(|known| known.eq_ignore_ascii_case(name)) {
            allowed.push_str(", ");
            allowed.push_str(name);
        }
    }
    let reply = Reply::empty(204)
        .with("access-control-allow-origin", text(origin))
        .with("access-control-allow-methods", text(method))
        .with("access-control-allow-headers", allowed)
        .with("access-control-max-age", MAX_AGE)
        .with("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    Some(reply)
}

/// Lets scripts of any origin read an answer of a priced route, where the upstream does not say who may; adds our
/// fields to those it exposes. `from_browser` is whether the request had an `Origin`; the answer depends on that.
pub(crate) fn expose(response: &mut ResponseHeader, from_browser: bool) -> pingora::Result<()> {
    if !from_browser {
        return Ok(());
    }
    if !response.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        response.insert_header(ACCESS_CONTROL_ALLOW_ORIGIN, "*")?;
    }
    let before: Vec<String> = response
        .headers
        .get_all(ACCESS_CONTROL_EXPOSE_HEADERS)
        .iter()
        .map(text)
        .filter(|list| !list.is_empty())
        .collect();
    let all = before.into_iter().chain(std::iter::once(EXPOSED.join(", "))).collect::<Vec<_>>().join(", ");
    response.insert_header(ACCESS_CONTROL_EXPOSE_HEADERS, all)?;
    Ok(())
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, fields: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build(method, b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    #[test]
    fn u8_only_a_real_preflight_is_answered_here() {
        let fields = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
        assert!(preflight(&request("OPTIONS", &fields)).is_some());
        assert!(preflight(&request("GET", &fields)).is_none());
        assert!(preflight(&request("OPTIONS", &fields[..1])).is_none());
        assert!(preflight(&request("OPTIONS", &fields[1..])).is_none());
    }

    #[test]
    fn the_upstreams_exposed_fields_are_kept() {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.append_header(ACCESS_CONTROL_EXPOSE_HEADERS, "X-Mine").unwrap();
        response.append_header(ACCESS_CONTROL_ALLOW_ORIGIN, "https://app.example").unwrap();
        expose(&mut response, true).unwrap();
        let exposed = response.headers[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.starts_with("X-Mine, PAYMENT-REQUIRED, PAYMENT-RESPONSE"));
        assert_eq!(response.headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    }
}
