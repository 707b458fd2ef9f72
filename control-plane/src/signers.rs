//! `/v1/agents/{id}/signers`: the addresses that sign for an agent. An owner proves an address by signing a text of ours
//! with it (EIP-191); the administrator may name one without.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Address, AgentId, UnixMillis};
use protocol::sign::recover_message;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::visible;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, PageQuery};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;

/// For how long a text can be signed, in seconds.
const VALID_SECONDS: i64 = 300;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChallengeBody {
    /// The address that is to sign.
    address: String,
}

#[derive(Serialize, ToSchema)]
struct ChallengeView {
    /// Sign exactly this as an EIP-191 message (`personal_sign`).
    message: String,
    /// Until when.
    expires_at: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignerBody {
    /// `0x` and 40 hexadecimal digits.
    address: String,
    /// The message of the challenge.
    message: Option<String>,
    /// Its signature, `0x` and 130 hexadecimal digits. An owner's key must bring one.
    signature: Option<String>,
}

#[derive(Clone, Serialize, ToSchema)]
struct SignerView {
    agent: String,
    address: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list, add)).routes(routes!(challenge)).routes(routes!(remove))
}

/// The addresses that sign for an agent.
#[utoipa::path(get, path = "/v1/agents/{id}/signers", operation_id = "signer.list", tag = "agents", params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Page<SignerView>)), security(("management" = ["agents:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
    lister: Lister,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let agent = visible(&state, &caller, &id).await?;
    let rows = agent.signers.iter().map(|address| SignerView::new(agent.id, *address)).collect();
    lister.answer_rows(query.limit, query.after.as_deref(), rows).await
}

/// A text that proves an address once it is signed.
#[utoipa::path(post, path = "/v1/agents/{id}/signers/challenge", operation_id = "signer.challenge", tag = "agents", params(("id" = String, Path)),
    request_body = ChallengeBody, responses((status = 200, body = ChallengeView)),
    security(("management" = ["agents:write"])))]
async fn challenge(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<ChallengeBody>,
) -> Result<Json<ChallengeView>, Problem> {
    let agent = visible(&state, &caller, &id).await?.id;
    let mut fields = Fields::default();
    let address = fields.address("/address", &body.address);
    fields.finish()?;
    let until = state.ledger.time().seconds() + VALID_SECONDS;
    let message = message(&state, agent, address, until);
    Ok(Json(ChallengeView { message, expires_at: UnixMillis(until * 1_000).to_string() }))
}

/// Lets an address sign for an agent; again is no error. At most 100 sign for one agent.
#[utoipa::path(post, path = "/v1/agents/{id}/signers", operation_id = "signer.add", tag = "agents", params(("id" = String, Path), DryRun),
    request_body = SignerBody, responses((status = 201, body = SignerView), (status = 200, description = "A dry run", body = SignerView)), security(("management" = ["agents:write"])))]
async fn add(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<SignerBody>,
) -> Result<(StatusCode, Json<SignerView>), Problem> {
    let agent = visible(&state, &caller, &id).await?.id;
    let mut fields = Fields::default();
    let address = fields.address("/address", &body.address);
    fields.finish()?;
    match (&body.message, &body.signature) {
        (Some(text), Some(signature)) => prove(&state, agent, address, text, signature)?,
        (None, None) if caller.is_admin() => {}
        _ => {
            return Err(Problem::Signature(
                "sign the message of .../signers/challenge and send both: `faregate signer prove` does it",
            ));
        }
    }
    state.registry.add_signer(&caller.actor(), agent, address).await?;
    state.log(|| tracing::info!(agent.id = %agent, signer = %address, "signer added"));
    Ok((state.created(), Json(SignerView::new(agent, address))))
}

/// Lets an address sign no more.
#[utoipa::path(delete, path = "/v1/agents/{id}/signers/{address}", operation_id = "signer.remove", tag = "agents",
    params(("id" = String, Path), ("address" = String, Path), DryRun),
    responses((status = 204)), security(("management" = ["agents:write"])))]
async fn remove(
    Changing(state): Changing,
    caller: Caller,
    Path((id, address)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let agent = visible(&state, &caller, &id).await?.id;
    let address: Address = address.parse().map_err(|_| Problem::SignerNotFound)?;
    state.registry.remove_signer(&caller.actor(), agent, address).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The text, with a mark by which we know it again: nothing is kept.
fn message(state: &ControlState, agent: AgentId, address: Address, until: i64) -> String {
    let address = address.to_checksum(None);
    let words = format!("Let {address} sign payments for the agent {agent} of Faregate, until {until}");
    let key = blake3::derive_key("faregate 2026-11-25 signer challenge", &state.ledger.secret());
    let mark = blake3::keyed_hash(&key, words.as_bytes());
    format!("{words} ({})", URL_SAFE_NO_PAD.encode(&mark.as_bytes()[..16]))
}

fn prove(
    state: &ControlState,
    agent: AgentId,
    address: Address,
    text: &str,
    signature: &str,
) -> Result<(), Problem> {
    let until = text.rsplit_once(" (").and_then(|(words, _)| words.rsplit_once(' ')).map(|(_, until)| until);
    let until: i64 = until.and_then(|until| until.parse().ok()).unwrap_or(0);
    let expected = message(state, agent, address, until);
    if !bool::from(expected.as_bytes().ct_eq(text.as_bytes())) {
        return Err(Problem::Signature("the message is none that was made for this agent and address"));
    }
    if state.ledger.time().seconds() >= until {
        return Err(Problem::Signature("the message has expired: ask for another one"));
    }
    match recover_message(text, signature) {
        Ok(signer) if signer == address => Ok(()),
        _ => Err(Problem::Signature("the signature is not by this address")),
    }
}

// === impl SignerView ===

impl Row for SignerView {
    const COLUMNS: &'static [&'static str] = &["agent", "address"];
}

impl SignerView {
    fn new(agent: AgentId, address: Address) -> Self {
        Self { agent: agent.to_string(), address: address.to_checksum(None) }
    }
}
