//! What became of a Permit2 payment. Permit2 tells of no use of a nonce, so it is found by its transfer: the one in whose block the
//! nonce's bit was set.

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use domain::Address;
use protocol::permit::{PERMIT2, Permit};
use serde_json::{Value, json};

use super::contracts::{Permit2, Token};
use super::evidence::{self, Evidence};
use super::rpc::RpcError;
use super::{Block, Chain, hex, ranges};

/// Of a payment that moves so many atomic units; with `upto`, fewer than were signed.
pub(super) async fn evidence(
    chain: &Chain,
    token: Address,
    (signed, amount): (&Permit, U256),
    (from_block, until): (u64, Block),
) -> Result<Evidence, RpcError> {
    if !is_used(chain, signed, hex(until.number).into()).await? {
        return Ok(Evidence::Unused { at: until.time });
    }
    let word = |address: Address| B256::left_padding_from(address.as_slice());
    let topics = json!([Token::Transfer::SIGNATURE_HASH, word(signed.from), word(signed.witness.to)]);
    for range in ranges(from_block, until.number) {
        let mut logs = chain.logs(token, &topics, range).await?;
        logs.retain(|log| {
            evidence::read::<Token::Transfer>(log).is_some_and(|moved| {
                (moved.from, moved.to, moved.value) == (signed.from, signed.witness.to, amount)
            })
        });
        logs.dedup_by_key(|log| log.transaction_hash);
        for log in logs {
            let receipt = chain.receipt_of(log.transaction_hash).await?;
            let block = receipt.block();
            if !is_used(chain, signed, hex(block).into()).await?
                || is_used(chain, signed, hex(block.saturating_sub(1)).into()).await?
            {
                continue;
            }
            let is_moved = receipt.succeeded() && !is_invalidated(chain, signed, block).await?;
            let moved = Evidence::Moved { transaction: receipt.transaction_hash, block };
            return Ok(if is_moved { moved } else { Evidence::Void });
        }
    }
    Ok(Evidence::Void)
}

/// Whether its nonce was used, or invalidated by its payer, as of a block.
pub(super) async fn is_used(chain: &Chain, signed: &Permit, block: Value) -> Result<bool, RpcError> {
    let (word, bit) = place(signed.nonce);
    let call = Permit2::nonceBitmapCall { owner: signed.from, word };
    Ok(chain.read(PERMIT2, &call, block).await?.bit(bit))
}

/// Whether its payer invalidated the nonce in this block: then another payment's transfer is what stands in it.
async fn is_invalidated(chain: &Chain, signed: &Permit, block: u64) -> Result<bool, RpcError> {
    let owner = B256::left_padding_from(signed.from.as_slice());
    let topics = json!([Permit2::UnorderedNonceInvalidation::SIGNATURE_HASH, owner]);
    let (word, bit) = place(signed.nonce);
    let logs = chain.logs(PERMIT2, &topics, (block, block)).await?;
    Ok(logs.iter().any(|log| {
        evidence::read::<Permit2::UnorderedNonceInvalidation>(log)
            .is_some_and(|gone| gone.owner == signed.from && gone.word == word && gone.mask.bit(bit))
    }))
}

/// The word of a nonce, and its bit in it.
fn place(nonce: U256) -> (U256, usize) {
    (nonce >> 8, usize::from(nonce.byte(0)))
}

#[cfg(test)]
mod tests;
