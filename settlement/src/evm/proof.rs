//! [`Proof`]: a signature as it goes into a call, and who is asked whether it is one.

use alloy_primitives::{Address, Bytes};
use protocol::authorization::Authorization;
use protocol::signature::Signature;
use serde::{Deserialize, Serialize};

use super::MULTICALL3;
use super::contracts::{Multicall, Token, WalletToken};
use super::member::Call;
use crate::chain::{LOOK_GAS, MAKE_GAS, Making, Shown};

/// What proves that a payer has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// r, s, v of a key, or what a contract takes.
    pub(super) signature: Bytes,
    pub(super) signer: Signer,
}

/// Who has signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signer {
    /// A key.
    #[default]
    Key,
    /// A contract, which runs code of its payer's own when value moves.
    Contract {
        /// How it is made first, where that may be needed.
        making: Option<Making>,
    },
}

// === impl Proof ===

impl Proof {
    /// Of a contract.
    pub(crate) fn of_contract(Shown { signature, making }: Shown) -> Self {
        Self { signature, signer: Signer::Contract { making } }
    }

    /// No contract is made for it, unless its factory is one of these.
    pub(crate) fn made_by(mut self, factories: &[Address]) -> Self {
        if let Signer::Contract { making } = &mut self.signer {
            *making = making.take().filter(|making| factories.contains(&making.factory));
        }
        self
    }
}

impl From<&Signature> for Proof {
    fn from(signature: &Signature) -> Self {
        Self { signature: signature.to_bytes().into(), signer: Signer::Key }
    }
}

// === impl Signer ===

impl Signer {
    /// Whether it is a key's: so is what was written down without a signer.
    pub(super) const fn is_key(&self) -> bool {
        matches!(self, Self::Key)
    }

    /// Gas that it may take beside what a key's signature does.
    pub(super) fn gas(&self, signature: &Bytes) -> u64 {
        let data = |bytes: &Bytes| crate::chain::data_gas(bytes.len());
        match self {
            Self::Key => 0,
            Self::Contract { making } => {
                let made = making.as_ref().map_or(0, |making| MAKE_GAS.saturating_add(data(&making.data)));
                LOOK_GAS.saturating_add(data(signature)).saturating_add(made)
            }
        }
    }

    /// The same call, once the contract is made: by Multicall3, which has nothing that a factory could take. One that was made by
    /// somebody else meanwhile is no failure.
    pub(super) fn made_first(&self, call: Call) -> Call {
        let Self::Contract { making: Some(Making { factory, data }) } = self else { return call };
        let part = |(target, data, may_fail): (Address, Bytes, bool)| Multicall::Call {
            target,
            allowFailure: may_fail,
            callData: data,
        };
        let calls = [(*factory, data.clone(), true), (call.target, call.data, false)];
        Call::new(MULTICALL3, &Multicall::aggregate3Call { calls: calls.map(part).into() })
    }
}

/// What moves the value of an authorization.
pub(super) fn authorized(token: Address, signed: &Authorization, signature: &Bytes, signer: &Signer) -> Call {
    let Authorization { from, to, value, valid_after, valid_before, nonce } = *signed;
    if !signer.is_key() {
        let call = WalletToken::transferWithAuthorizationCall {
            from,
            to,
            value,
            validAfter: valid_after,
            validBefore: valid_before,
            nonce,
            signature: signature.clone(),
        };
        return Call::new(token, &call);
    }
    let word = |from: usize| signature.get(from..from + 32).unwrap_or(&[0; 32]);
    let call = Token::transferWithAuthorizationCall {
        from,
        to,
        value,
        validAfter: valid_after,
        validBefore: valid_before,
        nonce,
        v: signature.get(64).copied().unwrap_or(0),
        r: alloy_primitives::B256::from_slice(word(0)),
        s: alloy_primitives::B256::from_slice(word(32)),
    };
    Call::new(token, &call)
}

#[cfg(test)]
mod tests;
