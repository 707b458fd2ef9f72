//! [`Lister`]: answers a list: one page of it as JSON, or as CSV (`Accept: text/csv`) all of it, streamed page by page.
//!
//! What is read whole may be a long work, and a filter may leave nothing of it to send: only so many are read at once ([`EXPORTS`]).
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
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Caller;
use super::csv::{self, Row};
use crate::control::ControlState;
use crate::places::{Place, Places, Shares};
use crate::problem::Problem;

/// Lists that are read whole at once. Each reads page after page on one of the databases' few connections.
pub(crate) const EXPORTS: Shares = Shares { all: 8, operator: 4, tenant: 2 };

/// Rows of a page where the caller does not say.
const LIMIT: u32 = 50;

/// Most rows of a page.
pub(crate) const LIMIT_MAX: u32 = 500;

/// Where the next page begins, of a page that is CSV.
const NEXT: HeaderName = HeaderName::from_static("faregate-next");

/// What a list without filters is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Rows of a page.
    pub(crate) limit: Option<u32>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows, in the list's order.
    data: Vec<T>,
    /// What to send as `after` to get the next page; null where this is the last one. A page may be short, or empty, with a
    /// next one behind it.
    next: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

/// How a list is to be answered: from where, how much of it, in which form.
pub(crate) struct Lister {
    is_csv: bool,
    /// What a list that is read whole needs one of.
    exports: Places,
    /// Whose it is then.
    tenant: Option<String>,
}

/// Where a page begins, and how long it is.
pub(crate) struct Range<C> {
    /// Rows behind this one.
    pub(crate) after: Option<C>,
    /// How many. [`Lister::answer`] asks for one more than the caller wants: whether it comes tells whether there is a next
    /// page.
    pub(crate) limit: u32,
}

/// A page as it was found. What was looked for among many others may be short, or empty, with more behind it.
pub(crate) struct Found<C, T> {
    /// In order.
    pub(crate) rows: Vec<T>,
    /// Where the next page begins; none: there is no more.
    pub(crate) next: Option<C>,
}

// === impl Range ===

impl<C> Range<C> {
    /// As the ledger's lists ask for it.
    pub(crate) fn page(self, order: ledger::Order) -> ledger::Page<C> {
        ledger::Page { after: self.after, limit: self.limit as usize, order }
    }
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
        let find = move |range: Range<C>| {
            let Range { after, limit } = range;
            let fetched = fetch(Range { after, limit: limit + 1 });
            async move { Ok(Found::of(fetched.await?, limit)) }
        };
        self.answer_pages(limit, after, find).await
    }

    /// Answers with rows that are all there. Cursors are their places.
    pub(crate) async fn answer_rows<T: Row + Clone + Send + Sync + 'static>(
        self,
        limit: Option<u32>,
        after: Option<&str>,
        rows: Vec<T>,
    ) -> Result<Response, Problem> {
        let fetch = move |range: Range<usize>| {
            let rest = rows.iter().enumerate().skip(range.after.map_or(0, |last| last.saturating_add(1)));
            let page = rest.take(range.limit as usize);
            let rows: Vec<(usize, T)> = page.map(|(place, row)| (place, row.clone())).collect();
            async move { Ok(rows) }
        };
        self.answer(limit, after, fetch).await
    }

    /// As [`Self::answer`], where what finds a page also says where the next one begins.
    pub(crate) async fn answer_pages<C, T, F, Finding>(
        self,
        limit: Option<u32>,
        after: Option<&str>,
        find: F,
    ) -> Result<Response, Problem>
    where
        C: Display + FromStr + Send + 'static,
        T: Row + Send + 'static,
        F: Fn(Range<C>) -> Finding + Send + Sync + 'static,
        Finding: Future<Output = Result<Found<C, T>, Problem>> + Send,
    {
        let rows = limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&rows) {
            return Err(Problem::Parameter(format!("limit must be from 1 to {LIMIT_MAX}")));
        }
        let after = after.map(decode).transpose()?;
        if self.is_csv && limit.is_none() {
            let place = self.exports.take(self.tenant).ok_or(Problem::ExportsTaken)?;
            return Ok(stream_csv(after, find, place));
        }
        let Found { rows: data, next } = find(Range { after, limit: rows }).await?;
        let next = next.map(|cursor: C| encode(&cursor));
        if self.is_csv {
            let mut response = (csv_type(), csv::write(&data, true)?).into_response();
            // A cursor is in base64.
            if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
                response.headers_mut().insert(NEXT, next);
            }
            return Ok(response);
        }
        Ok(Json(Page { data, has_more: next.is_some(), next }).into_response())
    }
}

// === impl Found ===

impl<C, T> Found<C, T> {
    /// Of one row more than the page has, where there are more.
    fn of(mut found: Vec<(C, T)>, limit: u32) -> Self {
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let (mut cursors, rows): (Vec<C>, Vec<T>) = found.into_iter().unzip();
        Self { rows, next: cursors.pop().filter(|_| has_more) }
    }

    /// Nothing, and no more.
    pub(crate) const fn nothing() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}

impl FromRequestParts<ControlState> for Lister {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ControlState) -> Result<Self, Problem> {
        let tenant = Caller::from_request_parts(parts, state).await?.tenant();
        let accepted = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = accepted.split([',', ';']).next().unwrap_or_default();
        let is_csv = first.trim().eq_ignore_ascii_case("text/csv");
        Ok(Self { is_csv, exports: state.streams.exports().clone(), tenant })
    }
}

/// How far a streamed list is.
enum Progress<C> {
    At { after: Option<C>, first: bool },
    Over,
}

/// The place is given back at the list's end, where it breaks off, and where its reader goes.
fn stream_csv<C, T, F, Finding>(after: Option<C>, find: F, place: Place) -> Response
where
    C: Send + 'static,
    T: Row + Send + 'static,
    F: Fn(Range<C>) -> Finding + Send + Sync + 'static,
    Finding: Future<Output = Result<Found<C, T>, Problem>> + Send,
{
    let begin = (Progress::At { after, first: true }, find, place);
    let pages = stream::try_unfold(begin, async |(progress, find, place)| {
        let Progress::At { after, first } = progress else { return Ok::<_, Problem>(None) };
        let Found { rows, next } = find(Range { after, limit: LIMIT_MAX }).await?;
        let text = Bytes::from(csv::write(&rows, first)?);
        let progress = match next {
            Some(after) => Progress::At { after: Some(after), first: false },
            None => Progress::Over,
        };
        Ok(Some((text, (progress, find, place))))
    });
    // A page that fails breaks the answer off, so that nobody takes half a list for the whole.
    (csv_type(), Body::from_stream(pages)).into_response()
}

fn csv_type() -> [(HeaderName, &'static str); 1] {
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

#[cfg(test)]
mod tests;
