//! `GET /v1/payments`: by agent, wallet, provider, route, state, settlement, time and amount. As CSV it is the export.

use axum::extract::State;
use axum::response::Response;
use domain::{AgentId, Amount, SettlementId, WalletId};
use ledger::{Order, PaymentFilter, PaymentState};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::PaymentLine;
use crate::call::caller::Caller;
use crate::call::listing::{Found, Lister, Page, Range};
use crate::call::moment;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::problem::Problem;
use crate::{agents, wallets};

/// Agents whose payments one list looks through, where no single one is named.
const AGENTS_MAX: u32 = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PaymentQuery {
    /// Only those of this agent, by its id, or its name where it is yours.
    agent: Option<String>,
    /// Only those from this wallet, by its id.
    wallet: Option<String>,
    /// Only those to this provider.
    provider: Option<String>,
    /// Only those for this route.
    route: Option<String>,
    /// Only those that are `captured`, `partly_refunded`, `refunded` or `written_off`.
    state: Option<String>,
    /// Only those whose value is still to move on a public network, or may still be undone there.
    due: Option<bool>,
    /// Only those that this settlement is made of. Not for owners of agents.
    settlement: Option<String>,
    /// Captured at this time or later: RFC 3339, or a day.
    from: Option<String>,
    /// Captured before this time: RFC 3339, or a day.
    to: Option<String>,
    /// Only those that took this much or more, such as `$0.10`.
    min_amount: Option<String>,
    /// `newest` first, or `oldest`.
    order: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list))
}

/// Captured payments, newest first.
///
/// What no index has is looked for among so many rows a page: a page may be short, or empty, with a next one behind it.
#[utoipa::path(get, path = "/v1/payments", operation_id = "payment.list", tag = "payments", params(PaymentQuery),
    responses((status = 200, body = Page<PaymentLine>)), security(("management" = ["payments:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<PaymentQuery>,
) -> Result<Response, Problem> {
    let filter = filter(&state, &caller, &query).await?;
    let order = match query.order.as_deref() {
        None | Some("newest") => Order::Newest,
        Some("oldest") => Order::Oldest,
        Some(_) => return Err(Problem::Parameter("order must be newest or oldest".to_owned())),
    };
    let find = move |range: Range<i64>| {
        let (ledger, filter) = (state.ledger.clone(), filter.clone());
        async move {
            let Some(filter) = filter else { return Ok(Found::nothing()) };
            let page = ledger::Page { after: range.after, limit: range.limit as usize, order };
            let listed = ledger.payments(&filter, page).await?;
            let rows = listed.items.iter().map(|payment| PaymentLine::new(payment, ledger.asset())).collect();
            Ok(Found { rows, next: listed.next })
        }
    };
    lister.answer_pages(query.limit, query.after.as_deref(), find).await
}

/// What is asked for, within what the caller may see; none where that is nothing.
async fn filter(
    state: &ControlState,
    caller: &Caller,
    query: &PaymentQuery,
) -> Result<Option<PaymentFilter>, Problem> {
    let foreign = |name: &String| caller.only_provider().is_some_and(|own| own != name);
    if query.provider.as_ref().is_some_and(foreign) {
        return Ok(None);
    }
    if query.settlement.is_some() && caller.only_owner().is_some() {
        return Err(Problem::Parameter("settlements are the provider's business".to_owned()));
    }
    let wallet = match &query.wallet {
        Some(id) if caller.only_owner().is_some() => Some(wallets::visible(state, caller, id).await?.id),
        Some(id) => Some(id.parse::<WalletId>()?),
        None => None,
    };
    let Some(agents) = payers(state, caller, query, wallet).await? else { return Ok(None) };
    let word = |text: &String| PaymentState::parse(text);
    let provider = caller.only_provider().or(query.provider.as_deref());
    Ok(Some(PaymentFilter {
        agents,
        wallet,
        provider: provider.map(Into::into),
        route: query.route.as_deref().map(Into::into),
        state: read(
            query.state.as_ref(),
            word,
            "state must be captured, partly_refunded, refunded or written_off",
        )?,
        is_due: query.due.unwrap_or(false),
        settlement: query.settlement.as_deref().map(str::parse::<SettlementId>).transpose()?,
        numbers: None,
        from: query.from.as_deref().map(moment::parse).transpose()?,
        until: query.to.as_deref().map(moment::parse).transpose()?,
        at_least: read(
            query.min_amount.as_ref(),
            |text| Amount::parse_dollars(text).ok(),
            "min_amount must be dollars, such as $0.10",
        )?,
    }))
}

/// The agents to look through, nobody in particular where empty; none where there is no agent to look through.
async fn payers(
    state: &ControlState,
    caller: &Caller,
    query: &PaymentQuery,
    wallet: Option<WalletId>,
) -> Result<Option<Vec<AgentId>>, Problem> {
    if let Some(id) = &query.agent {
        let agent = match id.parse() {
            // The books may know one whom the registry does not.
            Ok(known) if caller.only_owner().is_none() => known,
            _ => agents::visible(state, caller, id).await?.id,
        };
        return Ok(Some(vec![agent]));
    }
    // One more than may be, to tell.
    let asked = AGENTS_MAX + 1;
    let agents = match (wallet, caller.only_owner()) {
        (Some(wallet), _) => state.registry.agents_of_wallet(wallet, asked).await?,
        (None, Some(owner)) => state.registry.agents_of_owner(owner, asked).await?,
        (None, None) => return Ok(Some(Vec::new())),
    };
    if agents.len() > AGENTS_MAX as usize {
        return Err(Problem::Parameter(format!(
            "more than {AGENTS_MAX} agents pay here: name one of them, as agent"
        )));
    }
    Ok(Some(agents).filter(|agents| !agents.is_empty()))
}

fn read<T>(
    text: Option<&String>,
    parse: impl Fn(&String) -> Option<T>,
    wrong: &str,
) -> Result<Option<T>, Problem> {
    text.map(|text| parse(text).ok_or_else(|| Problem::Parameter(wrong.to_owned()))).transpose()
}
