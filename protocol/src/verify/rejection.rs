//! [`Rejection`]: why a payment is refused, as the code that SDKs know and as a sentence for people.

use domain::{Address, B256, ReplayKey};
use thiserror::Error;

/// Why a payment is refused: nothing is charged for it now. One that is [`Rejection::signed`] may have paid before.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Another scheme.
    #[error("the scheme `{0}` is not offered; pay with one of those that are")]
    Scheme(String),
    /// Another network.
    #[error("the network `{0}` is not the one that was offered")]
    Network(String),
    /// Another asset.
    #[error("the asset is not the one that was offered")]
    Asset,
    /// `accepted` is no offer of ours.
    #[error("the accepted offer differs from the one that was made in `{0}`; ask for a new one")]
    Offer(&'static str),
    /// A quote that is not for this route, or has ended.
    #[error("the quote is for another route or has ended; ask for a new one")]
    Quote,
    /// Made out to somebody else.
    #[error("the payment is made out to another recipient")]
    Recipient,
    /// Another amount than the price.
    #[error("the authorized value is not the price")]
    Value,
    /// Not valid yet.
    #[error("the authorization is not valid yet; check the clock")]
    NotYetValid,
    /// Valid for longer than was asked for.
    #[error("the authorization is valid for longer than the {0} seconds that were offered")]
    ValidTooLong(u64),
    /// Its time is over, or too short to settle it, and it is made out to us and signed. Whether its price is still one of ours does not matter:
    /// it may have paid while it was.
    #[error("the authorization has expired, or ends before it could be settled; sign a new one")]
    Expired {
        /// By which its earlier outcome can be found.
        replay_key: ReplayKey,
        /// Who signed it.
        payer: Address,
    },
    /// It is signed over our asset, but pays no price of this route. It may have paid another one, or an earlier one.
    #[error("{reason}")]
    Unpriced {
        /// What is wrong with its price.
        reason: Box<Rejection>,
        /// By which its earlier outcome can be found.
        replay_key: ReplayKey,
        /// Who signed it.
        payer: Address,
    },
    /// Not signed by its payer.
    #[error("the signature is not the payer's")]
    Signature,
    /// Not signed by its payer's key. Where its payer is a contract, that one may have signed it.
    #[error("{otherwise}")]
    Unproven {
        /// What would have been signed.
        digest: B256,
        /// What is wrong with it where nobody has signed that.
        otherwise: Box<Rejection>,
    },
    /// Signed for another way than the one that was offered.
    #[error("the payment moves value in another way than the offer asks for (`assetTransferMethod`)")]
    Method,
    /// A permit for another token.
    #[error("the permit is for another token than the offer's")]
    Token,
    /// A permit that somebody else than x402's proxy could use.
    #[error("the permit's spender is not the proxy of this scheme")]
    Spender,
    /// A permit that another facilitator would settle.
    #[error("the permit names another facilitator than the one that was offered")]
    Facilitator,
    /// What is wrong with a payment by Permit2.
    #[error("{0}")]
    OfPermit(Box<Rejection>),
}

// === impl Rejection ===

impl Rejection {
    /// Its identity and its payer, where it was signed over our asset: it may have paid before, and then it must not be
    /// asked for again.
    #[must_use]
    pub fn signed(&self) -> Option<(ReplayKey, Address)> {
        match self {
            Self::Expired { replay_key, payer } | Self::Unpriced { replay_key, payer, .. } => {
                Some((*replay_key, *payer))
            }
            Self::OfPermit(reason) => reason.signed(),
            _ => None,
        }
    }

    /// What its payer's contract may have signed, where it has no key that did.
    #[must_use]
    pub fn unproven(&self) -> Option<B256> {
        match self {
            Self::Unproven { digest, .. } => Some(*digest),
            Self::OfPermit(reason) => reason.unproven(),
            _ => None,
        }
    }

    /// The same where no contract has signed it.
    pub(super) fn proven(self) -> Self {
        match self {
            Self::Unproven { otherwise, .. } => *otherwise,
            other => other,
        }
    }

    /// Whether only its time is wrong: over, or too short.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        match self {
            Self::Expired { .. } => true,
            Self::OfPermit(reason) => reason.is_expired(),
            _ => false,
        }
    }

    /// The code that the public SDKs use for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Scheme(_) => "unsupported_scheme",
            Self::Network(_) => "invalid_network",
            Self::Asset | Self::Offer(_) => "invalid_payment_requirements",
            Self::Quote => "invalid_quote",
            Self::Recipient => "invalid_exact_evm_recipient_mismatch",
            Self::Value => "invalid_exact_evm_authorization_value",
            Self::NotYetValid => "invalid_exact_evm_payload_authorization_valid_after",
            Self::ValidTooLong(_) | Self::Expired { .. } => {
                "invalid_exact_evm_payload_authorization_valid_before"
            }
            Self::Unpriced { reason, .. } | Self::Unproven { otherwise: reason, .. } => reason.code(),
            Self::Signature => "invalid_exact_evm_signature",
            Self::Method => "unsupported_payload_type",
            Self::Token => "permit2_token_mismatch",
            Self::Spender => "invalid_permit2_spender",
            Self::Facilitator => "upto_facilitator_mismatch",
            Self::OfPermit(reason) => reason.code_of_permit(),
        }
    }

    /// The same for what Permit2 has words of its own for.
    fn code_of_permit(&self) -> &'static str {
        match self {
            Self::Recipient => "invalid_permit2_recipient_mismatch",
            Self::Value => "permit2_amount_mismatch",
            Self::NotYetValid => "permit2_not_yet_valid",
            Self::ValidTooLong(_) | Self::Expired { .. } => "permit2_deadline_expired",
            Self::Signature => "invalid_permit2_signature",
            Self::Unpriced { reason, .. } | Self::Unproven { otherwise: reason, .. } => {
                reason.code_of_permit()
            }
            other => other.code(),
        }
    }
}
