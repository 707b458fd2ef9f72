//! Admit: what is ambiguous, forbidden or too large is refused before anything is looked up.

use domain::CanonicalPath;
use http::header::{CONTENT_LENGTH, HOST};
use pingora::http::RequestHeader;
use registry::config::Limits;

use crate::answer::refusal::Refusal;
use crate::payment::credential;

/// A request that can be read in one way only.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// As sent.
    pub(crate) method: String,
    /// Lower case, with the port where one was sent.
    pub(crate) authority: String,
    /// The path that is matched, priced and forwarded.
    pub(crate) path: CanonicalPath,
    /// As sent, without the question mark.
    pub(crate) query: Option<String>,
    /// The body's length where it was announced.
    pub(crate) content_length: Option<u64>,
}

// === impl Admitted ===

impl Admitted {
    /// The authority without its port.
    pub(crate) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// Whether its method may be any route's. Methods are case-sensitive (RFC 9110 section 9.1), and not every server knows: `get` must not
    /// be another method here than it is there.
    pub(crate) fn may_be_served(&self) -> bool {
        let method = self.method.as_str();
        !matches!(method, "TRACE" | "CONNECT") && !method.bytes().any(|byte| byte.is_ascii_lowercase())
    }

    /// Whether repeating the request does no harm (RFC 9110 section 9.2.1).
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

/// Reads a request's header.
pub(crate) fn admit(request: &RequestHeader, limits: &Limits) -> Result<Admitted, Refusal> {
    let size: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > limits.header_bytes_max {
        return Err(Refusal::HeadersTooLarge(limits.header_bytes_max));
    }
    if credential::has_management_key(&request.headers) {
        return Err(Refusal::ManagementKey);
    }
    let authority = authority(request)?;
    let (path, query) = target(request, &authority)?;
    Ok(Admitted {
        method: request.method.as_str().to_owned(),
        authority,
        path: CanonicalPath::parse(&path)?,
        query,
        content_length: content_length(request)?,
    })
}

/// Path and query, from origin-form, or from an absolute-form whose authority is the Host (RFC 9112 section 3.2).
fn target(request: &RequestHeader, authority: &str) -> Result<(Vec<u8>, Option<String>), Refusal> {
    let raw = request.raw_path();
    let origin = if raw.starts_with(b"/") { raw } else { absolute(raw, authority).ok_or(Refusal::Target)? };
    let mut parts = origin.splitn(2, |byte| *byte == b'?');
    let path = parts.next().unwrap_or_default().to_vec();
    let query = match parts.next() {
        Some(query) => Some(String::from_utf8(query.to_vec()).map_err(|_| Refusal::Target)?),
        None => None,
    };
    if query.as_ref().is_some_and(|query| query.contains('#')) || path.contains(&b'#') {
        return Err(Refusal::Target);
    }
    Ok((path, query))
}

/// What follows the authority of an absolute-form; `None` where it names another host than the Host field.
fn absolute<'a>(raw: &'a [u8], authority: &str) -> Option<&'a [u8]> {
    let start = raw.windows(3).position(|part| part == b"://")?;
    let scheme = &raw[..start];
    let rest = &raw[start + 3..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    let ours = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    (ours && rest[..end].eq_ignore_ascii_case(authority.as_bytes()) && rest.get(end) == Some(&b'/'))
        .then(|| &rest[end..])
}

/// HTTP/1.1 has a Host, HTTP/2 an `:authority`. Two hosts are refused by Pingora. A name and the same name with the dot
/// of the root are one host.
fn authority(request: &RequestHeader) -> Result<String, Refusal> {
    let from_uri = request.uri.authority().map(|authority| authority.as_str());
    let from_host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = from_uri.or(from_host).unwrap_or("").trim().to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority.as_str(), None),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_host(host) || !port.is_none_or(is_port) {
        return Err(Refusal::NoHost);
    }
    Ok(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// A length that every parser reads alike: one field, digits only. Pingora takes two equal ones and passes both on.
fn content_length(request: &RequestHeader) -> Result<Option<u64>, Refusal> {
    let mut lengths = request.headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(length), None) => {
            let digits = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok()).map(Some).ok_or(Refusal::Framing)
        }
        (Some(_), Some(_)) => Err(Refusal::Framing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(method: &str, target: &[u8], host: &str) -> Result<Admitted, &'static str> {
        let mut request = RequestHeader::build(method, target, None).unwrap();
        if !host.is_empty() {
            request.insert_header(HOST, host).unwrap();
        }
        admit(&request, &Limits::default()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_request_is_taken_apart_once() {
        let request = admitted("GET", b"/a/%62?x=%2F&y", "API.Example:8402").unwrap();
        assert_eq!(request.path.as_str(), "/a/b");
        assert_eq!(request.query.as_deref(), Some("x=%2F&y"));
        assert_eq!((request.authority.as_str(), request.host()), ("api.example:8402", "api.example"));
        assert_eq!(admitted("GET", b"/", "a.example.").unwrap().host(), "a.example");
        assert_eq!(admitted("GET", b"/", "[::1]:80").unwrap().host(), "[::1]");
    }

    #[test]
    fn an_absolute_target_counts_where_it_names_the_host() {
        assert_eq!(admitted("GET", b"http://A.example/x?y", "a.example").unwrap().path.as_str(), "/x");
        for target in [
            &b"http://b.example/x"[..],
            b"ftp://a.example/x",
            b"http://a.example\\x",
            b"a.example/x",
            b"http://a.example",
        ] {
            assert_eq!(admitted("GET", target, "a.example").unwrap_err(), "invalid_target");
        }
    }

    #[test]
    fn what_is_ambiguous_or_forbidden_is_refused() {
        assert_eq!(admitted("GET", b"/", "").unwrap_err(), "host_missing");
        assert_eq!(admitted("GET", b"/", "a@b").unwrap_err(), "host_missing");
        for host in ["a:80:80", "a,b", "a%2e", "[::1", "a:", "a:x", "a b"] {
            assert_eq!(admitted("GET", b"/", host).unwrap_err(), "host_missing", "{host}");
        }
        for method in ["TRACE", "trace", "get", "Get"] {
            assert!(!admitted(method, b"/", "a").unwrap().may_be_served(), "{method}");
        }
        assert_eq!(admitted("GET", b"//x", "a").unwrap_err(), "ambiguous_path");
        assert_eq!(admitted("OPTIONS", b"*", "a").unwrap_err(), "invalid_target");
    }

    #[test]
    fn s1_a_length_is_one_number() {
        let admitted = |lengths: &[&str]| {
            let mut request = RequestHeader::build("POST", b"/", None).unwrap();
            request.insert_header(HOST, "a").unwrap();
            for length in lengths {
                request.append_header(CONTENT_LENGTH, *length).unwrap();
            }
            admit(&request, &Limits::default()).map_err(|refusal| refusal.code())
        };
        assert_eq!(admitted(&["12"]).unwrap().content_length, Some(12));
        for lengths in
            [&["5", "5"][..], &["5, 5"], &["+5"], &["-1"], &[""], &["0x5"], &["18446744073709551616"]]
        {
            assert_eq!(admitted(lengths).unwrap_err(), "ambiguous_framing", "{lengths:?}");
        }
    }

    #[test]
    fn s4_a_header_bomb_is_refused() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.insert_header(HOST, "a").unwrap();
        for _ in 0..9 {
            request.append_header("x-bomb", "b".repeat(4096)).unwrap();
        }
        assert_eq!(admit(&request, &Limits::default()).unwrap_err().code(), "headers_too_large");
    }
}
