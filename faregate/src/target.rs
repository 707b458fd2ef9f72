//! [`Target`]: the URL of `explain`, taken apart without being tidied up: what is ambiguous must stay visible.

/// Host and raw path of a URL, or of a path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Lower case, without its port; empty where only a path was given.
    pub(crate) host: String,
    /// As written, without query and fragment.
    pub(crate) path: String,
}

// === impl Target ===

impl Target {
    /// Reads `https://host:port/path?query` or `/path`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (authority, rest) = match text.split_once("://") {
            Some(("http" | "https", rest)) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            _ if text.starts_with('/') => ("", text),
            _ => return None,
        };
        let path = rest.split(['?', '#']).next().filter(|path| !path.is_empty()).unwrap_or("/");
        Some(Self { host: host(authority).to_ascii_lowercase(), path: path.to_owned() })
    }
}

/// The gateway takes the port off the same way.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, String)> {
        Target::parse(text).map(|target| (target.host, target.path))
    }

    #[test]
    fn a_url_is_taken_apart_and_not_tidied_up() {
        let pair = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        assert_eq!(parsed("https://API.example:8402/a/../b//c?x#y"), pair("api.example", "/a/../b//c"));
        assert_eq!(parsed("http://a"), pair("a", "/"));
        assert_eq!(parsed("http://a?x"), pair("a", "/"));
        assert_eq!(parsed("http://[::1]:80/x"), pair("[::1]", "/x"));
        assert_eq!(parsed("/v1/a%2e"), pair("", "/v1/a%2e"));
        assert_eq!(parsed("api.example/x"), None);
        assert_eq!(parsed("ftp://a/x"), None);
    }
}
