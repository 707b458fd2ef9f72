//! [`Problem`]: everything the management API says no with, and the one place that maps it to HTTP (RFC 9457). Next: [`view`] for how it is
//! written.

mod view;

use std::time::Duration;

use axum::http::StatusCode;
use domain::identifier::IdentifierError;
use ledger::LedgerError;
use registry::document::Mistake;
use registry::{RegistryError, StoreError};
use thiserror::Error;

use crate::fields::FieldError;
use crate::wallets::opening::OpeningError;

pub(crate) use view::ProblemView;

/// Why a call failed. Nothing was changed, but for what [`Problem::Timeout`] and [`Problem::OutcomeUnknown`] say.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    #[error(
        "show the administrator's token or a key of the management API: `Authorization: Bearer <token>`; an agent's key (fg_...) opens nothing here"
    )]
    Unauthorized,
    #[error("the management API is closed: set control.admin_token or control.admin_token_file")]
    Closed,
    #[error("this key may not do that: {0}")]
    Forbidden(String),
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this path does not answer this method")]
    Method,
    #[error("{0}")]
    Identifier(#[from] IdentifierError),
    #[error("{0}")]
    Parameter(String),
    #[error("send the body as `Content-Type: application/json`")]
    MediaType,
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    #[error("the body could not be read to its end")]
    Interrupted,
    #[error("the body is not what this call takes: {0}")]
    Body(String),
    #[error("some fields cannot be used")]
    Fields(Vec<FieldError>),
    #[error("name this call with an Idempotency-Key header, so that a repeated one is not done twice")]
    IdempotencyKeyMissing,
    #[error("Idempotency-Key must be one field of 1 to {0} visible ASCII characters")]
    IdempotencyKey(usize),
    #[error("the Idempotency-Key was used for another call")]
    IdempotencyKeyReused,
    #[error("a call with this Idempotency-Key is still running; ask again in a moment")]
    InProgress,
    #[error(
        "this call was made, and its answer is not kept: it showed a secret, which is shown once, or was long; look at what there is now, and where a secret is missing, revoke what the call made and make another"
    )]
    ShownBefore,
    #[error("there is no agent of this id or name")]
    AgentNotFound,
    #[error("no such wallet")]
    WalletNotFound,
    #[error("no deposits are taken: no public network of the configuration has a treasury")]
    DepositsNotTaken,
    #[error("the call carries two payments; send one")]
    TwoPayments,
    #[error("no such payment")]
    PaymentNotFound,
    #[error("no such settlement")]
    SettlementNotFound,
    #[error("no such payout")]
    PayoutNotFound,
    #[error("of that payment no chain ever showed anything else than the books said")]
    DifferenceNotFound,
    #[error("no such outgoing transfer")]
    OutgoingNotFound,
    #[error("no node of its network says whether it left; nothing was done, try again")]
    ChainUnread,
    #[error("{0}")]
    NoOutlet(LedgerError),
    #[error("{0}")]
    RefundLimit(LedgerError),
    #[error("{0}")]
    RefundPart(LedgerError),
    #[error("no such provider")]
    ProviderNotFound,
    #[error("no such route")]
    RouteNotFound,
    #[error("no such revision, or none that is kept")]
    RevisionNotFound,
    #[error("{0}")]
    ManagedByFile(String),
    #[error("no such key")]
    KeyNotFound,
    #[error("no such signer")]
    SignerNotFound,
    #[error("no such webhook")]
    WebhookNotFound,
    #[error("the log has no such event, or not any more")]
    EventNotFound,
    #[error("no such alert")]
    AlertNotFound,
    #[error("{0}")]
    Signature(&'static str),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    TooMany(String),
    #[error("too many calls that change something, of all keys of this tenant; nothing was done, wait")]
    TooFast(Duration),
    #[error("the body did not come within {} seconds", .0.as_secs())]
    SlowBody(Duration),
    #[error("too much is queued; nothing was done, try again")]
    Overloaded,
    #[error(
        "as many lists are being read whole as CSV as may be at once: try again when one is done, or read page by page with `limit`"
    )]
    ExportsTaken,
    #[error("the database cannot be reached, or takes nothing, at the moment; nothing was done, try again")]
    LedgerUnavailable,
    #[error("it is not known yet whether this was done; ask, or repeat it under the same Idempotency-Key")]
    OutcomeUnknown,
    #[error("this took too long; whether it was done is not known, ask before you repeat it")]
    Timeout,
    #[error("the call failed; the log says why")]
    Internal,
}

// === impl Problem ===

impl Problem {
    /// Logs what only the operator may read, and says no more than that it failed.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(%error, "a call of the management API failed");
        Self::Internal
    }

    /// The database is away: nothing is wrong with the call, and what kept it from being made is for the operator's log.
    fn away(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(%error, "a call of the management API was not made: its database is away");
        Self::LedgerUnavailable
    }

    /// Of what comes before a call is made: whatever became of that, nothing of the call was done.
    pub(crate) fn before_call(self) -> Self {
        if matches!(self, Self::OutcomeUnknown) { Self::LedgerUnavailable } else { self }
    }

    /// Of what comes behind a change that stands: nobody may hear that nothing was done.
    pub(crate) fn behind_change(self) -> Self {
        if matches!(self, Self::LedgerUnavailable | Self::Overloaded) { Self::OutcomeUnknown } else { self }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Identifier(_)
            | Self::Parameter(_)
            | Self::Interrupted
            | Self::Body(_)
            | Self::TwoPayments
            | Self::IdempotencyKeyMissing
            | Self::IdempotencyKey(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooFast(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Closed | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound
            | Self::DepositsNotTaken
            | Self::AgentNotFound
            | Self::WalletNotFound
            | Self::PaymentNotFound
            | Self::SettlementNotFound
            | Self::PayoutNotFound
            | Self::OutgoingNotFound
            | Self::DifferenceNotFound
            | Self::ProviderNotFound
            | Self::RouteNotFound
            | Self::RevisionNotFound
            | Self::KeyNotFound
            | Self::SignerNotFound
            | Self::WebhookNotFound
            | Self::EventNotFound
            | Self::AlertNotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_)
            | Self::NoOutlet(_)
            | Self::RefundLimit(_)
            | Self::RefundPart(_)
            | Self::TooMany(_)
            | Self::ManagedByFile(_)
            | Self::InProgress
            | Self::ShownBefore => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Fields(_) | Self::IdempotencyKeyReused | Self::Signature(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overloaded
            | Self::ExportsTaken
            | Self::LedgerUnavailable
            | Self::OutcomeUnknown
            | Self::ChainUnread => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// A stable word for programs.
    const fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Closed => "control_closed",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound => "not_found",
            Self::Method => "method_not_allowed",
            Self::Identifier(_) => "invalid_identifier",
            Self::Parameter(_) => "invalid_parameter",
            Self::MediaType => "unsupported_media_type",
            Self::TooLarge(_) => "body_too_large",
            Self::Interrupted => "body_interrupted",
            Self::Body(_) => "invalid_body",
            Self::Fields(_) => "invalid_field",
            Self::IdempotencyKeyMissing => "idempotency_key_missing",
            Self::IdempotencyKey(_) => "invalid_idempotency_key",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::InProgress => "in_progress",
            Self::ShownBefore => "shown_before",
            Self::AgentNotFound => "agent_not_found",
            Self::WalletNotFound => "wallet_not_found",
            Self::DepositsNotTaken => "deposits_not_taken",
            Self::TwoPayments => "two_payments",
            Self::PaymentNotFound => "payment_not_found",
            Self::SettlementNotFound => "settlement_not_found",
            Self::PayoutNotFound => "payout_not_found",
            Self::OutgoingNotFound => "outgoing_not_found",
            Self::DifferenceNotFound => "difference_not_found",
            Self::ChainUnread => "chain_unread",
            Self::NoOutlet(_) => "no_outlet",
            Self::RefundLimit(_) => "refund_limit",
            Self::RefundPart(_) => "refund_part",
            Self::ProviderNotFound => "provider_not_found",
            Self::RouteNotFound => "route_not_found",
            Self::RevisionNotFound => "revision_not_found",
            Self::ManagedByFile(_) => "managed_by_file",
            Self::KeyNotFound => "key_not_found",
            Self::SignerNotFound => "signer_not_found",
            Self::WebhookNotFound => "webhook_not_found",
            Self::EventNotFound => "event_not_found",
            Self::AlertNotFound => "alert_not_found",
            Self::Signature(_) => "invalid_signature",
            Self::Conflict(_) => "conflict",
            Self::TooMany(_) => "too_many",
            Self::TooFast(_) => "too_fast",
            Self::SlowBody(_) => "slow_body",
            Self::Overloaded | Self::ExportsTaken => "overloaded",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Timeout => "timeout",
            Self::Internal => "internal_error",
        }
    }

    /// Seconds, where trying again can help.
    fn retry_after(&self) -> Option<u64> {
        match self {
            // Rounded up: whoever waits as long as it was told is let in.
            Self::TooFast(wait) => Some(wait.as_secs().saturating_add(1)),
            Self::Overloaded | Self::ExportsTaken | Self::InProgress => Some(1),
            Self::LedgerUnavailable | Self::OutcomeUnknown | Self::ChainUnread => Some(5),
            _ => None,
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::UnknownWallet => Self::WalletNotFound,
            LedgerError::UnknownPayment => Self::PaymentNotFound,
            LedgerError::UnknownPayout => Self::PayoutNotFound,
            LedgerError::UnknownOutgoing => Self::OutgoingNotFound,
            LedgerError::UnknownDifference => Self::DifferenceNotFound,
            LedgerError::NoOutlet => Self::NoOutlet(error),
            LedgerError::RefundLimit => Self::RefundLimit(error),
            LedgerError::RefundPart { .. } => Self::RefundPart(error),
            LedgerError::Conflict => Self::IdempotencyKeyReused,
            LedgerError::Amount => Self::Fields(vec![FieldError::new(
                "/amount",
                "nothing to move, or more than the books can hold",
            )]),
            LedgerError::Overloaded => Self::Overloaded,
            LedgerError::Unavailable => Self::LedgerUnavailable,
            LedgerError::Unknown => Self::OutcomeUnknown,
            LedgerError::UnknownProvider
            | LedgerError::RefundedBefore
            | LedgerError::RefundExceeds
            | LedgerError::Earnings
            | LedgerError::OnChain
            | LedgerError::Deposit
            | LedgerError::OutOfSuspense
            | LedgerError::NotOpen
            | LedgerError::Funds
            | LedgerError::PaidBefore
            | LedgerError::Step
            | LedgerError::OnItsWay
            | LedgerError::TransactionUsed
            | LedgerError::TransactionSpent
            | LedgerError::NotInSuspense
            | LedgerError::OperatorOnly
            | LedgerError::NoPayer
            | LedgerError::Stale => Self::Conflict(error.to_string()),
            LedgerError::Away(_) => Self::away(&error),
            LedgerError::Read(_) => Self::internal(&error),
        }
    }
}

impl From<OpeningError> for Problem {
    fn from(error: OpeningError) -> Self {
        match error {
            OpeningError::Ledger(error) => error.into(),
            OpeningError::Registry(error) => error.into(),
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::UnknownAgent(_) => Self::AgentNotFound,
            RegistryError::UnknownWallet(_) => Self::WalletNotFound,
            RegistryError::UnknownKey(_) | RegistryError::UnknownApiKey(_) => Self::KeyNotFound,
            RegistryError::UnknownSigner(_) => Self::SignerNotFound,
            RegistryError::UnknownProvider(_) => Self::ProviderNotFound,
            RegistryError::UnknownRoute(_) => Self::RouteNotFound,
            RegistryError::UnknownRevision { .. } => Self::RevisionNotFound,
            RegistryError::ManagedByFile { .. } => Self::ManagedByFile(error.to_string()),
            RegistryError::FrozenByOperator => Self::Forbidden(error.to_string()),
            RegistryError::Taken { .. } | RegistryError::EndedKey(_) => Self::Conflict(error.to_string()),
            RegistryError::Invalid(mistakes) => {
                let field = |mistake: Mistake| FieldError::new(mistake.pointer, mistake.message);
                Self::Fields(mistakes.into_iter().map(field).collect())
            }
            RegistryError::UnknownWebhook(_) => Self::WebhookNotFound,
            RegistryError::UnknownEvent(_) => Self::EventNotFound,
            RegistryError::UnknownAlert(_) => Self::AlertNotFound,
            RegistryError::UnknownEventType(_) => {
                Self::Fields(vec![FieldError::new("/types", error.to_string())])
            }
            RegistryError::NameTaken(_) | RegistryError::SignerTaken(_) => Self::Conflict(error.to_string()),
            RegistryError::TooMany(..) => Self::TooMany(error.to_string()),
            RegistryError::Name => Self::Fields(vec![FieldError::new("/name", error.to_string())]),
            RegistryError::Store(StoreError::Unsure) => Self::OutcomeUnknown,
            RegistryError::Store(away) if away.is_away() => Self::away(&away),
            _ => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests;
