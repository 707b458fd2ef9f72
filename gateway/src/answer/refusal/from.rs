//! What other parts say no with, as the gateway says it.

use domain::catalog::Unserved;
use ledger::HoldError;
use registry::Objection;

use super::{Refusal, Unpaid};

impl From<Unserved> for Refusal {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::NotFound => Self::NotFound,
            Unserved::Method(allowed) => Self::Method { method: None, allowed },
            Unserved::EscapedSlash => Self::EscapedSlash,
            Unserved::Suspended => Self::Suspended,
        }
    }
}

impl From<Objection> for Refusal {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::Frozen => Self::Frozen,
            Objection::AboveMaximum { maximum, price } => {
                Self::PaymentRequired(Unpaid::AboveMaximum { maximum, price })
            }
            Objection::KeyScope(key) => Self::KeyScope { key },
            Objection::Policy(violation) => Self::Policy { violation },
        }
    }
}

impl From<HoldError> for Refusal {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::InsufficientFunds { available, price } => {
                Self::PaymentRequired(Unpaid::Funds { available, price, on_chain: false })
            }
            HoldError::SpendingLimit(violation) => Self::Policy { violation },
            HoldError::InProgress => Self::InProgress,
            HoldError::SettlementUnknown(payment) => Self::SettlementUnknown(payment),
            HoldError::UnsettledPayments { most } => Self::UnsettledPayments { most },
            HoldError::Reused => Self::Reused,
            HoldError::Overloaded => Self::Overloaded,
            HoldError::UnknownWallet | HoldError::Unavailable => Self::LedgerUnavailable,
            HoldError::ClockAhead => Self::ClockAhead,
            HoldError::Unknown(payment) => Self::OutcomeUnknown { payment, repeatable: true },
        }
    }
}
