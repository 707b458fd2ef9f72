//! [`Target`]: a URL that somebody from outside wants to be called at, checked by its text (case W4).
//!
//! What its name leads to is another question, asked at each connection: see [`super::resolver`].

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

use super::Rules;
use domain::internet::is_public;

/// Longest URL, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;

/// A URL that may be called as far as its text tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

/// Why a URL is not called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// No URL at all.
    #[error("must be a URL of at most {URL_BYTES_MAX} bytes, such as https://example.com/hooks")]
    Url,
    /// Another scheme.
    #[error("must begin with https://, unless the operator sets [webhooks] allow_http")]
    Scheme,
    /// A name or a password before the host.
    #[error("must not hold a name or a password: what is sent is signed")]
    Credentials,
    /// Another port.
    #[error("must use port 443, the one of https, unless the operator sets [webhooks] allow_private")]
    Port,
    /// A fragment, which nobody would receive.
    #[error("must not end in a fragment (#...)")]
    Fragment,
    /// An address that is not public, in whichever spelling.
    #[error(
        "must lead to a public address, and `{0}` does not, unless the operator sets [webhooks] allow_private"
    )]
    Private(String),
    /// A name that leads nowhere, or to no public address: told apart, they would say which names the network here knows.
    #[error("the name `{0}` does not lead to a public address")]
    Unknown(String),
}

// === impl Target ===

impl Target {
    /// Checks a text. Every spelling of an IPv4 address (decimal, octal, hexadecimal, shortened) is read as the address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, rules: Rules) -> Result<Self, TargetError> {
        if text.len() > URL_BYTES_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(TargetError::Url);
        }
        let url = Url::parse(text).map_err(|_| TargetError::Url)?;
        match url.scheme() {
            "https" => (),
            "http" if rules.allow_http => (),
            _ => return Err(TargetError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        // The default port of the scheme is none.
        if url.port().is_some() && !rules.allow_private {
            return Err(TargetError::Port);
        }
        let target = Self(url);
        match target.address() {
            Some(address) if !rules.allow_private && !is_public(address) => {
                Err(TargetError::Private(address.to_string()))
            }
            _ if target.host().is_empty() => Err(TargetError::Url),
            _ => Ok(target),
        }
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address, where it stands in the URL itself: no resolver is asked for such.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_str().fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<(), TargetError> {
        Target::parse(text, Rules::default()).map(drop)
    }

    #[test]
    fn w4_a_url_to_a_private_address_is_refused_in_every_spelling() {
        let private = [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://017700000001/",
            "https://127.0.0.1./",
            "https://0/",
            "https://0.0.0.0/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://0xa9fea9fe/",
            "https://100.100.100.200/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:ffff:a9fe:a9fe]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://①②⑦.0.0.1/",
            "https://127%2e0.0.1/",
            "https:127.0.0.1/",
            "https:\\\\127.0.0.1\\",
        ];
        for text in private {
            assert!(matches!(judge(text), Err(TargetError::Private(_))), "{text}: {:?}", judge(text));
        }
    }

    #[test]
    fn w4_credentials_other_ports_and_other_schemes_are_refused() {
        for text in
            ["http://example.com/", "file:///etc/passwd", "ftp://example.com/", "gopher://example.com/"]
        {
            assert_eq!(judge(text), Err(TargetError::Scheme), "{text}");
        }
        for text in ["https://a@example.com/", "https://a:b@example.com/", "https://:b@example.com/"] {
            assert_eq!(judge(text), Err(TargetError::Credentials), "{text}");
        }
        for text in ["https://example.com:22/", "https://example.com:80/", "https://example.com:8443/"] {
            assert_eq!(judge(text), Err(TargetError::Port), "{text}");
        }
        assert_eq!(judge("https://example.com/#a"), Err(TargetError::Fragment));
        let long = format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX));
        for text in [
            "",
            "example.com",
            "/hooks",
            "https://",
            "https://[fe80::1%25eth0]/",
            "https://exa mple.com/",
            "https://example.com/\n",
            &long,
        ] {
            assert_eq!(judge(text), Err(TargetError::Url), "{text}");
        }
    }

    #[test]
    fn public_urls_pass_and_private_ones_where_the_operator_says_so() {
        for text in [
            "https://example.com/",
            "https://example.com:443/h?a=b",
            "https://8.8.8.8/",
            "https://münchen.de/",
        ] {
            assert_eq!(judge(text), Ok(()), "{text}");
        }
        let rules = Rules { allow_private: true, allow_http: true };
        for text in ["http://127.0.0.1:9000/", "http://localhost:9000/", "https://10.0.0.1/"] {
            assert!(Target::parse(text, rules).is_ok(), "{text}");
        }
        let only_http = Rules { allow_private: false, allow_http: true };
        assert_eq!(
            Target::parse("http://10.0.0.1/", only_http),
            Err(TargetError::Private("10.0.0.1".to_owned()))
        );
        assert_eq!(Target::parse("http://example.com:8080/", only_http), Err(TargetError::Port));
    }
}
