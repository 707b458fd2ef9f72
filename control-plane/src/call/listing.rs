//! [`Lister`]: answers a list: one page of it as JSON, or as CSV (`Accept: text/csv`) all of it, streamed page by page.
//!
//! A list is stable under its cursor: `after` names the last row that was seen, so that rows that come meanwhile move
//! nothing. Cursors are opaque to callers; what is in them is a row's own name or number.

use std::fmt::Display;
use std::str::FromStr;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use serde::Serialize;
use utoipa::ToSchema;

use super::csv::{self, Row};
use crate::problem::Problem;

/// Rows of a page where the caller does not say.
const LIMIT: u32 = 50;

/// Most rows of a page.
pub(crate) const LIMIT_MAX: u32 = 500;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows, in the list's order.
    data: Vec<T>,
    /// What to send as `after` to get the next page; null where this is the last one.
    next: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

/// How a list is to be answered: from where, how much of it, in which form.
pub(crate) struct Lister {
    is_csv: bool,
}

/// Where a page begins, and how long it is.
pub(crate) struct Range<C> {
    /// Rows behind this one.
    pub(crate) after: Option<C>,
    /// One more than the caller wants: whether it comes tells whether there is a next page.
    pub(crate) limit: u32,
}

// === impl Lister ===

impl Lister {
    /// Answers with what `fetch` gives for a range: rows with their cursors, in order. As CSV without a `limit` of the
    /// caller's it is asked until nothing is left.
    pub(crate) async fn answer<C, T, F, Fetched>(
        self,
        limit: Option<u32>,
        after: Option<&str>,
        fetch: F,
    ) -> Result<Response, Problem>
    where
        C: Display + FromStr + Send + 'static,
        T: Row + Send + 'static,
        F: Fn(Range<C>) -> Fetched + Send + Sync + 'static,
        Fetched: Future<Output = Result<Vec<(C, T)>, Problem>> + Send,
    {
        let rows = limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&rows) {
            return Err(Problem::Parameter(format!("limit must be from 1 to {LIMIT_MAX}")));
        }
        let after = after.map(decode).transpose()?;
        if self.is_csv && limit.is_none() {
            return Ok(stream_csv(after, fetch));
        }
        let (data, next) = page(&fetch, after, rows).await?;
        let next = next.map(|cursor: C| encode(&cursor));
        if self.is_csv {
            return Ok((csv_type(), csv::write(&data, true)?).into_response());
        }
        Ok(Json(Page { data, has_more: next.is_some(), next }).into_response())
    }
}

impl<S: Sync> FromRequestParts<S> for Lister {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let accepted = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = accepted.split([',', ';']).next().unwrap_or_default();
        Ok(Self { is_csv: first.trim().eq_ignore_ascii_case("text/csv") })
    }
}

/// One page, and the cursor of its last row where more follow.
async fn page<C, T, F, Fetched>(
    fetch: &F,
    after: Option<C>,
    rows: u32,
) -> Result<(Vec<T>, Option<C>), Problem>
where
    F: Fn(Range<C>) -> Fetched,
    Fetched: Future<Output = Result<Vec<(C, T)>, Problem>>,
{
    let mut found = fetch(Range { after, limit: rows + 1 }).await?;
    let has_more = found.len() > rows as usize;
    found.truncate(rows as usize);
    let mut last = None;
    let mut data = Vec::with_capacity(found.len());
    for (cursor, row) in found {
        last = Some(cursor);
        data.push(row);
    }
    Ok((data, last.filter(|_| has_more)))
}

/// How far a streamed list is.
enum Progress<C> {
    At { after: Option<C>, first: bool },
    Over,
}

fn stream_csv<C, T, F, Fetched>(after: Option<C>, fetch: F) -> Response
where
    C: Send + 'static,
    T: Row + Send + 'static,
    F: Fn(Range<C>) -> Fetched + Send + Sync + 'static,
    Fetched: Future<Output = Result<Vec<(C, T)>, Problem>> + Send,
{
    let begin = (Progress::At { after, first: true }, fetch);
    let pages = stream::try_unfold(begin, async |(progress, fetch)| {
        let Progress::At { after, first } = progress else { return Ok::<_, Problem>(None) };
        let (data, next) = page(&fetch, after, LIMIT_MAX).await?;
        let text = Bytes::from(csv::write(&data, first)?);
        let progress = match next {
            Some(after) => Progress::At { after: Some(after), first: false },
            None => Progress::Over,
        };
        Ok(Some((text, (progress, fetch))))
    });
    // A page that fails breaks the answer off, so that nobody takes half a list for the whole.
    (csv_type(), Body::from_stream(pages)).into_response()
}

fn csv_type() -> [(axum::http::HeaderName, &'static str); 1] {
    [(CONTENT_TYPE, "text/csv; charset=utf-8; header=present")]
}

/// A cursor as callers see it.
pub(crate) fn encode(cursor: &impl Display) -> String {
    URL_SAFE_NO_PAD.encode(cursor.to_string())
}

/// What a caller gives back of it.
pub(crate) fn decode<C: FromStr>(text: &str) -> Result<C, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let cursor = text.and_then(|text| text.parse().ok());
    cursor.ok_or_else(|| Problem::Parameter("after must be the `next` of an earlier page".to_owned()))
}
