//! [`Member`]: one movement of value among those of a transaction.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use protocol::permit::{EXACT_PROXY, PERMIT2, Permit, UPTO_PROXY};
use protocol::transfer::Transfer;
use serde::{Deserialize, Serialize};

use super::contracts::{
    ExactProxy, ExactWitness, Permission, Permit2, Permitted, Token, UptoProxy, UptoWitness,
};
use super::proof::{self, Proof, Signer};

/// Gas that a call may take. What is not taken is not paid for.
pub(super) const AUTHORIZATION_GAS: u64 = 110_000;
const PERMIT_GAS: u64 = 180_000;
const PAYOUT_GAS: u64 = 80_000;

/// One movement of value that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whose it is: the payment's or the payout's own identifier. The same one is never moved twice.
    pub id: Arc<str>,
    /// What is to be moved.
    pub order: Order,
    /// A block that is older than the signature: nothing before it can be evidence.
    pub since_block: u64,
    /// Whether its payer's account has code beside the key that has signed (EIP-7702), as was seen before it was sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_code: bool,
}

/// What is to be moved, by whose signature.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are payments")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// What a payer signed.
    Payment {
        /// The token.
        token: Address,
        /// What was signed.
        transfer: Transfer,
        /// r, s, v of a key, or what a contract takes.
        signature: Bytes,
        /// Atomic units: all that was signed, or less where the scheme is `upto`.
        amount: U256,
        /// Who has signed.
        #[serde(default, skip_serializing_if = "Signer::is_key")]
        signer: Signer,
    },
    /// Out of our own account.
    Payout {
        /// The token.
        token: Address,
        /// To whom.
        to: Address,
        /// Atomic units.
        amount: U256,
    },
}

/// A call of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) target: Address,
    pub(super) data: Bytes,
}

// === impl Member ===

impl Member {
    /// A payment that was verified.
    #[must_use]
    pub fn payment(
        id: Arc<str>,
        token: Address,
        transfer: Transfer,
        amount: U256,
        Proof { signature, signer }: Proof,
        since_block: u64,
    ) -> Self {
        let order = Order::Payment { token, transfer, signature, amount, signer };
        Self { id, order, since_block, has_code: false }
    }

    /// A transfer out of our own account.
    #[must_use]
    pub const fn payout(id: Arc<str>, token: Address, to: Address, amount: U256) -> Self {
        Self { id, order: Order::Payout { token, to, amount }, since_block: 0, has_code: false }
    }

    /// Whether it is a transfer of our own.
    pub(super) const fn is_transfer(&self) -> bool {
        matches!(self.order, Order::Payout { .. })
    }

    /// Whether its call looks at who makes it, so that nobody can make it for us: `upto` by its facilitator, and our own transfers.
    pub(super) const fn is_personal(&self) -> bool {
        match &self.order {
            Order::Payment { transfer: Transfer::Permit(permit), .. } => permit.witness.facilitator.is_some(),
            Order::Payment { .. } => false,
            Order::Payout { .. } => true,
        }
    }

    /// Whether it goes into a transaction of its own: where nobody can make its call for us, and where its call runs code of the payer's
    /// own, which might take all the gas that others need.
    pub(super) const fn goes_alone(&self) -> bool {
        self.is_personal() || self.runs_code()
    }

    /// Whether its call runs code of its payer's own: a contract's, or what an account has beside its key, which tokens and Permit2 ask then.
    pub(super) const fn runs_code(&self) -> bool {
        self.has_code || matches!(self.order, Order::Payment { signer: Signer::Contract { .. }, .. })
    }

    /// Whose value it moves, where that is not our own.
    pub(super) const fn payer(&self) -> Option<Address> {
        match &self.order {
            Order::Payment { transfer, .. } => Some(transfer.from()),
            Order::Payout { .. } => None,
        }
    }

    /// Its payer, where a key has signed and no code was seen beside it.
    pub(super) fn key(&self) -> Option<Address> {
        self.payer().filter(|_| !self.runs_code())
    }

    pub(super) fn gas(&self) -> u64 {
        match &self.order {
            Order::Payment { transfer, signature, signer, .. } => {
                let moving = match transfer {
                    Transfer::Authorization(_) => AUTHORIZATION_GAS,
                    Transfer::Permit(_) => PERMIT_GAS,
                };
                moving.saturating_add(signer.gas(signature))
            }
            Order::Payout { .. } => PAYOUT_GAS,
        }
    }

    /// What moves the value.
    pub(super) fn call(&self) -> Call {
        match &self.order {
            Order::Payment {
                token, transfer: Transfer::Authorization(signed), signature, signer, ..
            } => signer.made_first(proof::authorized(*token, signed, signature, signer)),
            Order::Payment { transfer: Transfer::Permit(permit), signature, amount, .. } => {
                by_proxy(permit, signature.clone(), *amount)
            }
            Order::Payout { token, to, amount } => {
                Call::new(*token, &Token::transferCall { to: *to, value: *amount })
            }
        }
    }

    /// What answers whether its nonce is used: not zero. Our own transfers have none.
    pub(super) fn nonce_read(&self) -> Option<Call> {
        match &self.order {
            Order::Payment { token, transfer: Transfer::Authorization(signed), .. } => {
                let call = Token::authorizationStateCall { authorizer: signed.from, nonce: signed.nonce };
                Some(Call::new(*token, &call))
            }
            Order::Payment { transfer: Transfer::Permit(permit), .. } => {
                let call = Permit2::nonceBitmapCall { owner: permit.from, word: permit.nonce >> 8 };
                Some(Call::new(PERMIT2, &call))
            }
            Order::Payout { .. } => None,
        }
    }

    /// Whether that answer says that it is used.
    pub(super) fn is_used(&self, answer: U256) -> bool {
        match &self.order {
            Order::Payment { transfer: Transfer::Permit(permit), .. } => {
                answer.bit(usize::from(permit.nonce.byte(0)))
            }
            _ => !answer.is_zero(),
        }
    }
}

// === impl Call ===

impl Call {
    pub(super) fn new(target: Address, call: &impl SolCall) -> Self {
        Self { target, data: call.abi_encode().into() }
    }
}

fn by_proxy(permit: &Permit, signature: Bytes, amount: U256) -> Call {
    let permission = Permission {
        permitted: Permitted { token: permit.token, amount: permit.amount },
        nonce: permit.nonce,
        deadline: permit.deadline,
    };
    let (owner, to, after) = (permit.from, permit.witness.to, permit.witness.valid_after);
    match permit.witness.facilitator {
        None => {
            let witness = ExactWitness { to, validAfter: after };
            Call::new(EXACT_PROXY, &ExactProxy::settleCall { permit: permission, owner, witness, signature })
        }
        Some(facilitator) => {
            let witness = UptoWitness { to, facilitator, validAfter: after };
            let call = UptoProxy::settleCall { permit: permission, amount, owner, witness, signature };
            Call::new(UPTO_PROXY, &call)
        }
    }
}
