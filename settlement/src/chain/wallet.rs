//! Payers that are contracts: whether one has signed (ERC-1271), also one that is still to be made (ERC-6492).

use alloy_primitives::{Address, B256, Bytes, hex};
use alloy_sol_types::{SolCall, SolType, sol, sol_data};
use protocol::seal::Seal;
use serde::{Deserialize, Serialize};

use super::Chain;
use super::rpc::RpcError;
use crate::evm::{MULTICALL3, Multicall};

/// What a contract answers that has signed: `isValidSignature`'s own four bytes, and nothing else in their word.
const MAGIC: [u8; 4] = hex!("1626ba7e");

/// Ends what is wrapped for a contract that is still to be made (ERC-6492).
const SUFFIX: [u8; 32] = hex!("6492649264926492649264926492649264926492649264926492649264926492");

/// Gas that a contract may take to look at a signature: the dearest that are in use fit, which are passkeys checked without a precompile.
pub(crate) const LOOK_GAS: u64 = 400_000;

/// Gas that making a contract may take.
pub(crate) const MAKE_GAS: u64 = 1_000_000;

/// Gas of a transaction by itself, and for each byte of its data at most (EIP-7623).
const CALL_GAS: u64 = 30_000;
const BYTE_GAS: u64 = 40;

sol! {
    interface Wallet {
        function isValidSignature(bytes32 digest, bytes signature) external view returns (bytes4);
    }
}

/// What a contract is shown, out of its wrapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) signature: Bytes,
    pub(crate) making: Option<Making>,
}

/// How a contract is made that is not there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Making {
    /// Who makes it.
    pub factory: Address,
    /// What that one is called with.
    pub data: Bytes,
}

/// What is known of a payer that is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A contract, which has signed.
    Signed,
    /// The same, once it is made.
    Unmade(Making),
    /// Not signed.
    Not,
    /// There is nothing that could have signed.
    Nobody,
}

// === impl Shown ===

impl Shown {
    /// None where the wrapping is not one that can be read.
    pub(crate) fn of(seal: &Seal) -> Option<Self> {
        let Some(wrapped) = seal.bytes().strip_suffix(&SUFFIX) else {
            return Some(Self { signature: seal.bytes().clone(), making: None });
        };
        type Parts = (sol_data::Address, sol_data::Bytes, sol_data::Bytes);
        let (factory, data, signature) = Parts::abi_decode_params(wrapped).ok()?;
        let making = (!factory.is_zero()).then_some(Making { factory, data });
        Some(Self { signature, making })
    }
}

// === impl Chain ===

impl Chain {
    /// Whether the contract at an address has signed a digest. One that is still to be made is looked at as if its factory had been called,
    /// which changes nothing. Asked through Multicall3, so that whatever contracts do is an answer and no failure of a node; where there is
    /// none no contract can pay.
    pub(crate) async fn standing(
        &self,
        payer: Address,
        digest: B256,
        seal: &Seal,
    ) -> Result<Standing, RpcError> {
        let Some(Shown { signature, making }) = Shown::of(seal) else { return Ok(Standing::Not) };
        let ask: Bytes = Wallet::isValidSignatureCall { digest, signature }.abi_encode().into();
        let asked = (payer, &ask);
        let calls = match &making {
            None => vec![asked],
            Some(Making { factory, data }) => vec![asked, (*factory, data), asked],
        };
        let made = if making.is_some() { MAKE_GAS + LOOK_GAS } else { 0 };
        let call = |(target, data): (Address, &Bytes)| Multicall::Call {
            target,
            allowFailure: true,
            callData: data.clone(),
        };
        let calls: Vec<_> = calls.into_iter().map(call).collect();
        let data = Bytes::from(Multicall::aggregate3Call { calls }.abi_encode());
        let gas = (CALL_GAS + LOOK_GAS + made).saturating_add(data_gas(data.len()));
        let answer = match self.call_with(Address::ZERO, MULTICALL3, &data, gas).await {
            Ok(answer) => answer,
            Err(failure) if failure.revert().is_some() => return Ok(Standing::Not),
            Err(failure) => return Err(failure),
        };
        if answer.is_empty() {
            return Ok(Standing::Nobody);
        }
        let results = Multicall::aggregate3Call::abi_decode_returns(&answer);
        let results = results.map_err(|_| RpcError::Malformed("aggregate3"))?;
        let has_signed = |result: &Multicall::Result| result.success && is_magic(&result.returnData);
        let (before, after) = (results.first(), results.get(2));
        if before.is_some_and(has_signed) {
            return Ok(Standing::Signed);
        }
        // What is no contract fails at nothing, and answers nothing.
        let is_none = before.is_some_and(|result| result.success && result.returnData.is_empty());
        Ok(match making {
            Some(making) if is_none && after.is_some_and(has_signed) => Standing::Unmade(making),
            None if is_none => Standing::Nobody,
            _ => Standing::Not,
        })
    }
}

fn is_magic(answer: &[u8]) -> bool {
    answer.len() == 32 && answer.starts_with(&MAGIC) && answer.iter().skip(MAGIC.len()).all(|byte| *byte == 0)
}

/// Gas for so many bytes of a transaction's data, at most.
pub(crate) fn data_gas(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(BYTE_GAS)
}

#[cfg(test)]
mod tests;
