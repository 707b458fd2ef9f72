//! [`SignIn`]: proves an address without a payment. The gateway hands out a text that it can recognise again, the
//! payer signs it as an EIP-191 message, and may read what belongs to the address until the text expires.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Address, Catalog, UnixMillis};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use protocol::sign::recover_message;
use subtle::ConstantTimeEq;

/// How long a text can be used, in seconds. It only ever opens reading.
const VALID_SECONDS: i64 = 300;

/// The scheme of the `Authorization` that brings the signed text.
const SCHEME: &str = "faregate ";

/// Longest `Authorization` that is looked at, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 1024;

/// Whether a text may name this authority, by which a client called. Nobody else may have a text of ours signed in its own name, and bring it
/// here: where it is known what clients call, it names that, or this host. It is not known where neither `public_url` says so nor every
/// provider.
pub(crate) fn may_name(authority: &str, public_url: Option<&str>, catalog: &Catalog) -> bool {
    let own = public_url.and_then(|url| url.split_once("://")).and_then(|(_, rest)| rest.split('/').next());
    let providers = catalog.providers();
    let is_known = own.is_some() || providers.iter().all(|provider| !provider.hosts.is_empty());
    let (host, _) =
        authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')).unwrap_or((authority, ""));
    let is_local =
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let is_named = providers.iter().flat_map(|provider| &provider.hosts).any(|named| named == host);
    !is_known || is_local || is_named || own.is_some_and(|own| own.eq_ignore_ascii_case(authority))
}

/// Hands out texts and reads them back.
pub(crate) struct SignIn {
    key: [u8; 32],
}

// === impl SignIn ===

impl SignIn {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self { key: blake3::derive_key("faregate 2026-11-23 sign-in challenge", secret) }
    }

    /// The text to sign, for a client that called `authority`.
    pub(crate) fn challenge(&self, authority: &str, at: UnixMillis) -> String {
        let until = at.seconds() + VALID_SECONDS;
        let words = format!("Sign in to Faregate at {authority} until {until}");
        let mark = self.mark(&words);
        format!("{words} ({mark})")
    }

    /// The address that signed one of our texts: `Authorization: Faregate <base64url of the text>.<0x signature>`.
    /// `None` when there is none, or it is not right.
    pub(crate) fn read(&self, headers: &HeaderMap, authority: &str, at: UnixMillis) -> Option<Address> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        if value.len() > AUTHORIZATION_BYTES_MAX || !value.get(..SCHEME.len())?.eq_ignore_ascii_case(SCHEME) {
            return None;
        }
        let (encoded, signature) = value[SCHEME.len()..].trim().split_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?).ok()?;
        let (words, mark) = text.strip_suffix(')')?.rsplit_once(" (")?;
        let expected = self.mark(words);
        if !bool::from(expected.as_bytes().ct_eq(mark.as_bytes())) {
            return None;
        }
        let until: i64 =
            words.strip_prefix(&format!("Sign in to Faregate at {authority} until "))?.parse().ok()?;
        if at.seconds() >= until {
            return None;
        }
        recover_message(&text, signature).ok()
    }

    fn mark(&self, words: &str) -> String {
        URL_SAFE_NO_PAD.encode(&blake3::keyed_hash(&self.key, words.as_bytes()).as_bytes()[..16])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::sign::sign_message;
    use protocol::signature::SigningKey;

    use super::*;
    use crate::samples;

    fn headers(text: &str, key: &SigningKey) -> HeaderMap {
        let signature = sign_message(key, text);
        let value = format!("Faregate {}.{signature}", URL_SAFE_NO_PAD.encode(text));
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_text_names_no_host_that_is_not_known_to_be_ours() {
        let selling = |hosts: &[&[&str]]| {
            let provider = |hosts: &&[&str]| {
                let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
                Arc::new(domain::catalog::Provider { hosts, ..samples::provider() })
            };
            Catalog::new(1, hosts.iter().map(provider).collect(), Vec::new()).unwrap()
        };
        let (named, everywhere) =
            (selling(&[&["a.example"], &["b.example"]]), selling(&[&["a.example"], &[]]));
        let public = Some("https://pay.example");
        for (authority, public_url, catalog, expected) in [
            ("pay.example", public, &everywhere, true),
            ("a.example:8402", public, &named, true),
            ("evil.example", public, &everywhere, false),
            ("evil.example", None, &named, false),
            ("pay.example:81", public, &named, false),
            ("127.0.0.1:8402", public, &named, true),
            ("[::1]:8402", public, &named, true),
            ("localhost", public, &named, true),
            ("192.0.2.1", public, &named, false),
            ("any.example", None, &everywhere, true),
        ] {
            assert_eq!(may_name(authority, public_url, catalog), expected, "{authority}");
        }
    }

    #[test]
    fn only_our_own_fresh_text_for_this_host_opens() {
        let sign_in = SignIn::new(&[7; 32]);
        let key = SigningKey::from_hex(&format!("0x{}", "11".repeat(32))).unwrap();
        let at = UnixMillis(1_800_000_000_000);
        let text = sign_in.challenge("api.example", at);
        let signed = headers(&text, &key);
        assert_eq!(sign_in.read(&signed, "api.example", at), Some(key.address()));
        assert_eq!(sign_in.read(&signed, "other.example", at), None);
        assert_eq!(sign_in.read(&signed, "api.example", at.plus(VALID_SECONDS * 1000)), None);
        assert_eq!(SignIn::new(&[8; 32]).read(&signed, "api.example", at), None);
        let forged = text.replace("1800000300", "1900000300");
        assert_eq!(sign_in.read(&headers(&forged, &key), "api.example", at), None);
    }
}
