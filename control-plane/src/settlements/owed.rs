//! `/v1/settlements/owed`: what providers earned and were not settled with, those that are gone included.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::Amount;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OwedQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct OwedView {
    provider: String,
    /// What it is to be settled with: fee and refunds are taken off.
    owed: Money,
    /// Whether there is no such provider any more: it is settled with where it has a payout destination, and else when there is one of its name
    /// again.
    gone: bool,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(owed))
}

/// What providers earned and were not settled with, by provider, those that are gone included.
#[utoipa::path(get, path = "/v1/settlements/owed", operation_id = "settlement.owed", tag = "settlements", params(OwedQuery),
    responses((status = 200, body = Page<OwedView>)), security(("management" = ["settlements:read"])))]
async fn owed(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<OwedQuery>,
) -> Result<Response, Problem> {
    let mut all = state.ledger.owed().await?;
    all.retain(|(provider, _)| caller.provides(provider));
    let fetch = move |range: Range<String>| {
        let after = range.after.unwrap_or_default();
        let rest = all.iter().filter(|(provider, _)| **provider > *after);
        let row = |(provider, amount): &(Arc<str>, Amount)| OwedView {
            provider: provider.to_string(),
            owed: Money::new(*amount, state.ledger.asset()),
            gone: state.registry.provider(provider).is_none(),
        };
        let rows = rest.take(range.limit as usize).map(row).map(|row| (row.provider.clone(), row));
        let rows: Vec<_> = rows.collect();
        async move { Ok(rows) }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

impl Row for OwedView {
    const COLUMNS: &'static [&'static str] = &["provider", "owed.display", "owed.amount", "gone"];
}
