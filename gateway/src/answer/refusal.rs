//! [`Refusal`]: everything the gateway says no with, and the one place that maps it to HTTP.
//!
//! A refusal that is a 402 asks for a payment, so it is only ever said while nothing was and nothing will be charged
//! (DESIGN section 2, "After a payment, never a fresh 402").

mod body;
mod from;
mod missing;
mod unpaid;
mod words;

use domain::path::PathError;
use domain::{Amount, KeyId, PaymentId, PolicyViolation};
use ledger::ReceiptRecord;
use protocol::verify::Rejection;
use thiserror::Error;

pub(crate) use body::Money;
pub(crate) use missing::Missing;
pub(crate) use unpaid::{Short, Unpaid};
use words::{again, not_allowed};

use crate::rate::Scope;

/// What a path is answered for whose route names no methods, as far as they have names.
const ANY_METHOD: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Why a request is not served.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the path cannot be read in one way only: {0}")]
    Path(#[from] PathError),
    #[error("the request names no host that can be read; send one Host field")]
    NoHost,
    #[error("the request target must be a path")]
    Target,
    #[error("the length of the request body cannot be read in one way only; send one Content-Length")]
    Framing,
    #[error("{}", not_allowed(method.as_deref(), allowed))]
    Method { method: Option<String>, allowed: Vec<String> },
    #[error("the header fields are larger than {0} bytes")]
    HeadersTooLarge(usize),
    #[error("the request body is larger than the route's limit of {0} bytes")]
    BodyTooLarge(u64),
    #[error("no route answers this method and path; case and a slash at the end count")]
    NotFound,
    #[error("{0}")]
    Missing(Missing),
    #[error("an escaped slash (%2F) is not allowed at this place of the path")]
    EscapedSlash,
    #[error("the request carries two ways to pay; send exactly one agent key or one payment")]
    TwoPayments,
    #[error("{0}")]
    MalformedPayment(String),
    #[error("{0}")]
    MalformedField(String),
    #[error("this agent key is not valid; ask the agent's owner for a new one")]
    AgentKey,
    #[error(
        "this is a key of the management API (fgm_...), which pays for nothing; send an agent key (fg_...)"
    )]
    ManagementKey,
    #[error("the agent or its wallet is frozen; ask its owner")]
    Frozen,
    #[error("{0}")]
    PaymentRequired(Unpaid),
    #[error("{violation}")]
    Policy { violation: PolicyViolation },
    #[error("the key {key} is not for this route; use another key of the agent, or ask its owner")]
    KeyScope { key: KeyId },
    #[error("a payment with this identity is still running; ask again in a moment")]
    InProgress,
    #[error(
        "this payment or Idempotency-Key was used for another request: sign a new payment, or send another Idempotency-Key"
    )]
    Reused,
    #[error(
        "this payment was captured, its answer went out and is not kept; nothing is charged twice: another answer wants another payment"
    )]
    AlreadyDelivered(Box<ReceiptRecord>),
    #[error("this payment was captured, and was given back or written off since; sign a new one")]
    Refunded(Box<ReceiptRecord>),
    #[error("the call failed ({}); its payment moved before, and is given back", cause.code())]
    GivenBack { record: Box<ReceiptRecord>, cause: Box<Refusal> },
    #[error("the provider is suspended by its operator; nothing was charged")]
    Suspended,
    #[error("no healthy upstream; nothing was charged")]
    NoUpstream,
    #[error("too many payments are running; nothing was charged, try again")]
    Overloaded,
    #[error("payments cannot be recorded right now; nothing was charged, try again")]
    LedgerUnavailable,
    #[error("it is not known whether the payment was recorded; {}", again(*.repeatable))]
    OutcomeUnknown {
        payment: PaymentId,
        /// Whether the same call can be made again: it was signed for, or has a name.
        repeatable: bool,
    },
    #[error(
        "payments on this network cannot be settled right now; nothing was charged, pay in another way or try again"
    )]
    SettlementUnavailable,
    #[error(
        "this payer has too much that is not settled yet, with this call more than {most}; nothing was charged, try again"
    )]
    UnsettledPayments { most: Amount },
    #[error(
        "it is not known yet whether the payment was settled; send the same payment again, it is charged at most once"
    )]
    SettlementUnknown(PaymentId),
    #[error("the clock is being set; signed payments are not taken for a moment, nothing was charged")]
    ClockAhead,
    #[error("the upstream asks for a payment of its own; nothing was charged")]
    UpstreamPaymentRequired,
    #[error("the upstream could not be reached or broke off; nothing was charged")]
    Upstream,
    #[error("the upstream did not answer in time; nothing was charged")]
    UpstreamTimeout,
    #[error("too many calls of this {}; nothing was charged, try again in {retry_after} s", scope.name())]
    RateLimited { scope: Scope, retry_after: u32 },
    #[error(
        "too many payers of whom nothing is known call from this address; nothing was charged, try again in {retry_after} s"
    )]
    TooManyPayers { retry_after: u32 },
    #[error(
        "so many paid calls of this payer were given back today that it buys nothing here before midnight (UTC); nothing was charged"
    )]
    TooManyGivenBack { retry_after: u32 },
    #[error("too many requests from this address; try again in a minute")]
    TooManyRequests,
    #[error(
        "too many requests of this address are running; nothing was charged, try again when one has ended"
    )]
    TooManyRunning,
    #[error(
        "show who you are: an agent key, or the challenge signed (EIP-191) as \
         `Authorization: Faregate <base64url of the challenge>.<signature>`"
    )]
    SignIn(String),
    #[error("the gateway failed; nothing was charged")]
    Internal,
}

// === impl Refusal ===

impl Refusal {
    /// As it is said of a call that would be another one when it is made again: nothing tells that it is the same.
    pub(crate) fn of_no_other_call(self) -> Self {
        match self {
            Self::OutcomeUnknown { payment, .. } => Self::OutcomeUnknown { payment, repeatable: false },
            other => other,
        }
    }

    /// The status it is answered with.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Path(_)
            | Self::NoHost
            | Self::Target
            | Self::Framing
            | Self::EscapedSlash
            | Self::TwoPayments
            | Self::MalformedPayment(_)
            | Self::MalformedField(_) => 400,
            Self::AgentKey | Self::ManagementKey | Self::SignIn(_) => 401,
            Self::GivenBack { cause, .. } => cause.status(),
            // As the public SDKs answer: a client that signs again would not be served either.
            Self::PaymentRequired(Unpaid::Allowance { .. }) => 412,
            Self::PaymentRequired(_) => 402,
            Self::Frozen | Self::Policy { .. } | Self::KeyScope { .. } => 403,
            Self::NotFound | Self::Missing(_) => 404,
            Self::Method { .. } => 405,
            Self::InProgress | Self::Reused | Self::AlreadyDelivered(_) | Self::Refunded(_) => 409,
            Self::BodyTooLarge(_) => 413,
            Self::RateLimited { .. }
            | Self::TooManyPayers { .. }
            | Self::TooManyGivenBack { .. }
            | Self::TooManyRequests
            | Self::TooManyRunning
            | Self::UnsettledPayments { .. } => 429,
            Self::HeadersTooLarge(_) => 431,
            Self::Internal => 500,
            Self::Upstream | Self::UpstreamPaymentRequired => 502,
            Self::Suspended
            | Self::NoUpstream
            | Self::Overloaded
            | Self::LedgerUnavailable
            | Self::OutcomeUnknown { .. }
            | Self::SettlementUnavailable
            | Self::SettlementUnknown(_)
            | Self::ClockAhead => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// Whether another catalog could have said otherwise: no such route, no such quote, another recipient. Nothing was held.
    pub(crate) fn is_of_the_catalog(&self) -> bool {
        match self {
            Self::NotFound | Self::Suspended | Self::NoUpstream => true,
            Self::Method { method, .. } => method.is_none(),
            Self::PaymentRequired(Unpaid::Rejected { code, .. }) => {
                [Rejection::Quote, Rejection::Recipient].iter().any(|reason| reason.code() == *code)
            }
            _ => false,
        }
    }

    /// A stable word for programs, also the label of metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Path(_) => "ambiguous_path",
            Self::NoHost => "host_missing",
            Self::Target => "invalid_target",
            Self::Framing => "ambiguous_framing",
            Self::Method { .. } => "method_not_allowed",
            Self::HeadersTooLarge(_) => "headers_too_large",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::NotFound => "route_not_found",
            Self::Missing(missing) => missing.code(),
            Self::EscapedSlash => "escaped_slash",
            Self::TwoPayments => "two_payments",
            Self::MalformedPayment(_) => "invalid_payload",
            Self::MalformedField(_) => "invalid_field",
            Self::AgentKey => "invalid_agent_key",
            Self::ManagementKey => "management_key",
            Self::Frozen => "agent_frozen",
            Self::PaymentRequired(unpaid) => unpaid.code(),
            Self::Policy { violation } => violation.code(),
            Self::KeyScope { .. } => "key_scope",
            Self::InProgress => "payment_in_progress",
            Self::Reused => "payment_reused",
            Self::AlreadyDelivered(_) => "already_delivered",
            Self::Refunded(_) => "payment_refunded",
            Self::GivenBack { cause, .. } => cause.code(),
            Self::Suspended => "provider_suspended",
            Self::NoUpstream => "no_healthy_upstream",
            Self::Overloaded => "overloaded",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
            Self::SettlementUnavailable => "settlement_unavailable",
            Self::SettlementUnknown(_) => "settlement_unknown",
            Self::UnsettledPayments { .. } => "unsettled_payments",
            Self::ClockAhead => "clock_ahead",
            Self::UpstreamPaymentRequired => "upstream_payment_required",
            Self::Upstream => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::RateLimited { .. } => "rate_limited",
            Self::TooManyPayers { .. } => "too_many_payers",
            Self::TooManyGivenBack { .. } => "too_many_given_back",
            Self::TooManyRequests => "too_many_requests",
            Self::TooManyRunning => "too_many_running",
            Self::SignIn(_) => "sign_in_required",
            Self::Internal => "internal_error",
        }
    }

    /// Seconds for `Retry-After`, where trying again can help.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::InProgress | Self::Overloaded | Self::TooManyRunning => Some(1),
            Self::NoUpstream
            | Self::LedgerUnavailable
            | Self::OutcomeUnknown { repeatable: true, .. }
            | Self::SettlementUnavailable
            | Self::SettlementUnknown(_)
            | Self::UnsettledPayments { .. }
            | Self::Suspended => Some(5),
            Self::ClockAhead => Some(30),
            Self::RateLimited { retry_after, .. }
            | Self::TooManyPayers { retry_after }
            | Self::TooManyGivenBack { retry_after } => Some(*retry_after),
            Self::TooManyRequests => Some(60),
            _ => None,
        }
    }

    /// The payment that it is about, where the client may hold on to it.
    pub(crate) fn payment(&self) -> Option<PaymentId> {
        match self {
            Self::OutcomeUnknown { payment, .. } | Self::SettlementUnknown(payment) => Some(*payment),
            Self::AlreadyDelivered(receipt)
            | Self::Refunded(receipt)
            | Self::GivenBack { record: receipt, .. } => Some(receipt.payment),
            _ => None,
        }
    }

    /// The methods for `Allow`, without which there is no 405 (RFC 9110 section 15.5.6).
    pub(crate) fn allowed(&self) -> Option<String> {
        match self {
            Self::Method { allowed, .. } if allowed.is_empty() => Some(ANY_METHOD.to_owned()),
            Self::Method { allowed, .. } => Some(allowed.join(", ")),
            _ => None,
        }
    }

    /// What to show for `WWW-Authenticate`, without which there is no 401 (RFC 9110 section 15.5.2).
    pub(crate) const fn asks_for(&self) -> Option<&'static str> {
        match self {
            Self::AgentKey => Some("Bearer realm=\"faregate\", error=\"invalid_token\""),
            Self::ManagementKey => Some("Bearer realm=\"faregate\""),
            Self::SignIn(_) => Some("Faregate realm=\"faregate\", Bearer realm=\"faregate\""),
            _ => None,
        }
    }

    /// What became of the payment, in a word, where it moved before the call failed.
    pub(crate) fn payment_status(&self) -> Option<&'static str> {
        matches!(self, Self::GivenBack { .. }).then_some("refunded")
    }
}

#[cfg(test)]
mod tests;
