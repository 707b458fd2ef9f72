//! The HTTP client of `pay`, `audit --url` and `demo`.

use std::time::Duration;

use anyhow::Context;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::token::Token;

/// Until a connection and its TLS handshake stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest a call of our own listeners may take; an audit reads all books.
const CALL_TIMEOUT: Duration = Duration::from_secs(600);

/// What to look at where nobody answers.
pub(crate) const UNREACHABLE: &str = "the management API cannot be reached: does the gateway run, and is its control listener \
    there? --api, or FAREGATE_URL, says where commands look for it";

/// What is said where somebody was reached.
pub(crate) const UNANSWERED: &str = "the management API did not answer";

/// A client that follows no redirect: a payment goes to the place it was made for and to no other.
///
/// # Errors
/// No TLS roots, for instance.
pub(crate) fn new() -> anyhow::Result<Client> {
    builder().build().context("cannot make an HTTP client")
}

/// As [`new`], and past the proxies that the environment names: what is called is ours and near.
///
/// # Errors
/// As [`new`].
pub(crate) fn direct() -> anyhow::Result<Client> {
    builder().no_proxy().timeout(CALL_TIMEOUT).build().context("cannot make an HTTP client")
}

/// What a management API answers to whoever shows this token, as JSON.
///
/// # Errors
/// It cannot be reached, or refuses: with its words.
pub(crate) async fn ask(request: RequestBuilder, token: &Token) -> anyhow::Result<Value> {
    let response = request.bearer_auth(&token.text).send().await.context(UNREACHABLE)?;
    let status = response.status();
    let text = response.text().await.context("the management API broke off")?;
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(answer);
    }
    let said = answer["detail"].as_str().unwrap_or("no reason given");
    let shown =
        if status == StatusCode::UNAUTHORIZED { format!("; {}", token.shown()) } else { String::new() };
    anyhow::bail!("the management API says {} ({said}{shown})", line(status))
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("faregate/", env!("CARGO_PKG_VERSION")))
}

fn line(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default())
}
