//! [`Call`]: the request, the same with and without its payment.

use anyhow::Context;
use protocol::header::PAYMENT_SIGNATURE;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, Url};

use super::Arguments;

/// What the caller will pay at most, for a gateway that takes a key.
const MAX_PRICE: &str = "agent-max-price";

/// A request that can be sent again.
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    has_key: bool,
}

// === impl Call ===

impl Call {
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let body = arguments.data.as_deref().map(body).transpose()?;
        let method = arguments.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let method = Method::from_bytes(method.as_bytes()).context("the method cannot be sent")?;
        let url: Url = arguments.url.parse().context("the URL cannot be read")?;
        anyhow::ensure!(matches!(url.scheme(), "http" | "https"), "only http and https can be called");
        let mut headers = HeaderMap::new();
        for text in &arguments.headers {
            let (name, value) = field(text)?;
            headers.append(name, value);
        }
        anyhow::ensure!(
            !headers.contains_key(PAYMENT_SIGNATURE),
            "{PAYMENT_SIGNATURE} is what this command adds"
        );
        if body.is_some() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Whoever pays with a key signs nothing: it is the gateway that must hold to what they will pay.
        let has_key = has_key(&headers);
        if has_key && !headers.contains_key(MAX_PRICE) {
            headers.insert(MAX_PRICE, HeaderValue::try_from(arguments.max.to_string())?);
        }
        Ok(Self { method, url, headers, body, has_key })
    }

    /// Whether an agent key in its fields pays for it.
    pub(super) const fn has_key(&self) -> bool {
        self.has_key
    }

    /// Sends it, with a payment where there is one.
    pub(super) async fn send(&self, client: &Client, payment: Option<&str>) -> reqwest::Result<Response> {
        let mut request = client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone());
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        if let Some(payment) = payment {
            request = request.header(PAYMENT_SIGNATURE, payment);
        }
        request.send().await
    }
}

/// Whether an agent key is among the fields.
fn has_key(headers: &HeaderMap) -> bool {
    let is_key = |value: &HeaderValue| {
        let parts = value.to_str().ok().and_then(|text| text.split_once([' ', '\t']));
        parts.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && token.trim().starts_with("fg_")
        })
    };
    headers.contains_key("agent-key") || headers.get_all(AUTHORIZATION).iter().any(is_key)
}

fn body(data: &str) -> anyhow::Result<Vec<u8>> {
    match data.strip_prefix('@') {
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {file}")),
        None => Ok(data.as_bytes().to_vec()),
    }
}

fn field(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let malformed = || format!("`{text}` is no header field: write `Name: value`");
    let (name, value) = text.split_once(':').with_context(malformed)?;
    let name = HeaderName::try_from(name.trim()).with_context(malformed)?;
    Ok((name, HeaderValue::try_from(value.trim()).with_context(malformed)?))
}
