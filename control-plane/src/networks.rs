//! `/v1/networks`: the public networks on which payments are taken, as the configuration file says it. Read only, no secrets.

use axum::extract::State;
use axum::response::Response;
use domain::chain::TOKEN_DECIMALS;
use domain::{ForeignName, Token, TransferMethod};
use registry::config::{ForeignSettings, NetworkSettings};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, PageQuery, Range};
use crate::call::query::Query;
use crate::control::ControlState;
use crate::problem::Problem;

#[derive(Clone, Serialize, ToSchema)]
struct NetworkView {
    /// CAIP-2, such as `eip155:8453`, or `solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp`.
    id: String,
    /// What is paid with there, the preferred one first.
    tokens: Vec<TokenView>,
    /// Who settles: `facilitator` or `evm`.
    settler: &'static str,
    /// Blocks on top of one before what it holds counts; none where nothing is read: its facilitator's word is all there is.
    confirmations: Option<u64>,
    /// How long a payment may be valid, in seconds.
    max_timeout_seconds: u64,
    /// How much of that must be left when it comes, in seconds; none where its facilitator says.
    margin_seconds: Option<u64>,
    /// Where providers with custody `treasury` are paid.
    treasury: Option<String>,
    /// The most that one payer may have verified and not settled yet.
    payer_unsettled_max: String,
    /// Whether payouts and refunds can be sent from the treasury: its settler is the treasury's own key.
    pays_out: bool,
    /// The most that people may give back from the treasury in a day, UTC; none: as much as they like.
    refunds_per_day_max: Option<String>,
}

/// A token; on an EVM network by its EIP-712 domain.
#[derive(Clone, Serialize, ToSchema)]
struct TokenView {
    address: String,
    name: Option<String>,
    version: Option<String>,
    decimals: u8,
    /// How it is moved, the preferred way first: `eip3009`, `permit2`.
    methods: Vec<&'static str>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list))
}

/// Public networks on which payments are taken, by id. They are set in the configuration file.
#[utoipa::path(get, path = "/v1/networks", operation_id = "network.list", tag = "networks", params(PageQuery),
    responses((status = 200, body = Page<NetworkView>)), security(("management" = ["networks:read"])))]
async fn list(
    State(state): State<ControlState>,
    _: Caller,
    lister: Lister,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let networks = state.registry.networks();
    let view = |settings: &NetworkSettings| {
        NetworkView::new(settings, state.ledger.outlet(&settings.network.id).is_some())
    };
    let foreign = state.registry.foreign_networks();
    let mut views: Vec<NetworkView> =
        networks.iter().map(view).chain(foreign.iter().map(NetworkView::foreign)).collect();
    views.sort_by(|one, other| one.id.cmp(&other.id));
    let fetch = move |range: Range<String>| {
        let after = range.after.unwrap_or_default();
        let rest = views.iter().filter(|view| view.id > after).take(range.limit as usize);
        let rows: Vec<_> = rest.map(|view| (view.id.clone(), view.clone())).collect();
        async move { Ok(rows) }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

// === impl NetworkView ===

impl NetworkView {
    fn new(settings: &NetworkSettings, pays_out: bool) -> Self {
        let NetworkSettings {
            network, confirmations, payer_unsettled_max, refunds_per_day_max, settler, ..
        } = settings;
        Self {
            pays_out,
            refunds_per_day_max: refunds_per_day_max.map(|most| most.to_string()),
            id: network.id.to_string(),
            tokens: network.tokens.iter().map(TokenView::new).collect(),
            settler: settler.name(),
            confirmations: Some(*confirmations),
            max_timeout_seconds: network.max_timeout_seconds,
            margin_seconds: Some(network.margin_seconds),
            treasury: network.treasury.map(|address| address.to_string()),
            payer_unsettled_max: payer_unsettled_max.to_string(),
        }
    }
}

impl NetworkView {
    /// A non-EVM one.
    fn foreign(settings: &ForeignSettings) -> Self {
        let ForeignSettings { network, payer_unsettled_max, .. } = settings;
        let token = |address: &ForeignName| TokenView {
            address: address.to_string(),
            name: None,
            version: None,
            decimals: TOKEN_DECIMALS,
            methods: Vec::new(),
        };
        Self {
            id: network.id.to_string(),
            tokens: network.tokens.iter().map(token).collect(),
            settler: "facilitator",
            confirmations: None,
            max_timeout_seconds: network.max_timeout_seconds,
            margin_seconds: None,
            treasury: None,
            payer_unsettled_max: payer_unsettled_max.to_string(),
            pays_out: false,
            refunds_per_day_max: None,
        }
    }
}

impl Row for NetworkView {
    const COLUMNS: &'static [&'static str] =
        &["id", "settler", "confirmations", "max_timeout_seconds", "treasury", "payer_unsettled_max"];
}

// === impl TokenView ===

impl TokenView {
    fn new(token: &Token) -> Self {
        let Token { asset, methods } = token;
        Self {
            address: asset.address.to_string(),
            name: Some(asset.name.to_string()),
            version: Some(asset.version.to_string()),
            decimals: TOKEN_DECIMALS,
            methods: methods.iter().copied().map(TransferMethod::name).collect(),
        }
    }
}
