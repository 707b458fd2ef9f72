//! Location: where an upstream sends clients that is itself, they are sent to us. Frameworks make whole URLs of the Host they are shown (a slash
//! at the end, a login): followed, it would lead around the price and lose the payment, and it tells where the upstream is.

use http::HeaderValue;
use http::header::{CONTENT_LOCATION, LOCATION};
use pingora::http::ResponseHeader;

use crate::context::Exchange;

/// Makes a path of a URL that names the upstream by the Host that it was shown.
pub(crate) fn lead_back(exchange: &Exchange, response: &mut ResponseHeader) {
    let Some(member) = exchange.member else { return };
    let (pool, host) = (&exchange.routed.pool, exchange.routed.pool.host(member));
    let Ok(host) = host.to_str() else { return };
    for name in [LOCATION, CONTENT_LOCATION] {
        let told = response.headers.get(&name).and_then(|told| told.to_str().ok());
        let path = told.and_then(|told| path(told, host, &pool.upstream().base_path));
        if let Some(path) = path.and_then(|path| HeaderValue::try_from(path).ok()) {
            // A value that was one before.
            let _ = response.insert_header(name, path);
        }
    }
}

/// What a client would ask us for to get what is at `url`; `None` where that is somebody else's, or no whole URL.
fn path(url: &str, host: &str, base_path: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("//")?;
    if !["", "http:", "https:"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if !bare(authority).eq_ignore_ascii_case(bare(host)) {
        return None;
    }
    let own = target.strip_prefix(base_path).filter(|own| own.is_empty() || own.starts_with(['/', '?', '#']));
    let own = own.unwrap_or(target);
    let path = if own.starts_with('/') { own.to_owned() } else { format!("/{own}") };
    // What begins so is no path, but another host.
    Some(path).filter(|path| !path[1..].starts_with(['/', '\\']))
}

/// Without the port that goes without saying.
fn bare(authority: &str) -> &str {
    authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443")).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_upstream_becomes_a_path_of_ours_and_nothing_else_does() {
        for (url, expected) in [
            ("http://10.0.0.5:9000/api/paid/?x=1", Some("/paid/?x=1")),
            ("HTTPS://10.0.0.5:9000/api", Some("/")),
            ("//10.0.0.5:9000/api?x", Some("/?x")),
            ("http://10.0.0.5:9000", Some("/")),
            ("http://10.0.0.5:9000/apis", Some("/apis")),
            ("http://10.0.0.5:9000/elsewhere#part", Some("/elsewhere#part")),
            ("http://10.0.0.5:9001/api/paid", None),
            ("http://10.0.0.5:9000@evil.example/api", None),
            ("https://login.example/?next=http://10.0.0.5:9000/", None),
            ("ftp://10.0.0.5:9000/", None),
            ("http://10.0.0.5:9000//evil.example/", None),
            ("http://10.0.0.5:9000/api/\\evil.example/", None),
            ("/api/paid//", None),
            ("paid", None),
        ] {
            assert_eq!(path(url, "10.0.0.5:9000", "/api").as_deref(), expected, "{url}");
        }
        assert_eq!(path("https://API.example:443/a//b", "api.example", "").as_deref(), Some("/a//b"));
    }
}
