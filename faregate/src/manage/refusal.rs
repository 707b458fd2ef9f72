//! [`Refusal`]: what the API says no with, and which fields of the body it means.

use std::fmt;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::token::Token;

/// Codes of a server's failure with which nothing was done (docs/reference.md). With all others nobody knows.
const NOTHING_DONE: [&str; 5] =
    ["ledger_unavailable", "overloaded", "chain_unread", "settlement_unavailable", "clock_ahead"];

/// A call that the API did not make.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    code: Option<String>,
    detail: String,
    /// JSON pointers into the body, each with what is wrong there.
    pub(super) fields: Vec<(String, String)>,
    /// Whose token it was that opened nothing.
    shown: Option<String>,
    /// After which time to ask again, where it was only too soon.
    pub(super) too_fast: Option<Duration>,
}

// === impl Refusal ===

impl Refusal {
    pub(super) async fn read(response: Response, token: &Token) -> Self {
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let too_fast = after.filter(|_| status == StatusCode::TOO_MANY_REQUESTS).map(Duration::from_secs);
        let text = response.text().await.unwrap_or_default();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let word = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
        let fields = problem["errors"].as_array().into_iter().flatten();
        let field = |error: &Value| {
            (word(error, "pointer").unwrap_or_default(), word(error, "detail").unwrap_or_default())
        };
        // How the gateway says no to callers of routes.
        let from_data = word(&problem, "message").map(|message| {
            format!(
                "{message}. A listener for callers of routes answered: the management API is at the control listener, \
                 name it with --api or FAREGATE_URL"
            )
        });
        let detail = word(&problem, "detail").or(from_data);
        Self {
            status,
            code: word(&problem, "code").or_else(|| word(&problem, "error")),
            detail: detail.unwrap_or_else(|| {
                "no reason given; is this the management API? Name it with --api".to_owned()
            }),
            fields: fields.map(field).collect(),
            shown: (status == StatusCode::UNAUTHORIZED).then(|| token.shown()),
            too_fast,
        }
    }

    /// Whether what was asked for may be done all the same.
    pub(super) fn may_be_done(&self) -> bool {
        let is_told = self.code.as_deref().is_some_and(|code| NOTHING_DONE.contains(&code));
        self.status.is_server_error() && !is_told
    }

    /// Whether an error is a refusal of this kind.
    pub(super) fn is(status: StatusCode, error: &anyhow::Error) -> bool {
        error.downcast_ref().is_some_and(|refusal: &Self| refusal.status == status)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.status.as_u16())?;
        if let Some(code) = &self.code {
            write!(out, " {code}")?;
        }
        write!(out, ": {}", self.detail)?;
        if let Some(shown) = &self.shown {
            write!(out, "; {shown}")?;
        }
        self.fields.iter().try_for_each(|(pointer, detail)| match &**pointer {
            "" => write!(out, "\n  {detail}"),
            pointer => write!(out, "\n  {pointer}: {detail}"),
        })
    }
}

impl std::error::Error for Refusal {}
