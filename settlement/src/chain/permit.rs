//! What became of a Permit2 payment. Permit2 tells of no use of a nonce, so it is found by its transfer: the one in whose block the
//! nonce's bit was set.

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use domain::Address;
use protocol::permit::{PERMIT2, Permit};
use serde_json::{Value, json};

use super::contracts::{Permit2, Token};
use super::evidence::{self, Evidence};
use super::rpc::{Log, RpcError};
use super::{Block, Chain, hex};

/// Of a permit. Of `upto`, any amount up to the signed one: who settles it may take another one than was asked for, and its payer has
/// paid all the same.
pub(super) async fn evidence(
    chain: &Chain,
    token: Address,
    signed: &Permit,
    (from_block, until): (u64, Block),
) -> Result<Evidence, RpcError> {
    if !is_used(chain, signed, hex(until.number).into()).await? {
        return Ok(Evidence::Unused { at: until.time });
    }
    let Some(block) = used_in(chain, signed, (from_block, until.number)).await? else {
        return Ok(Evidence::Void);
    };
    if is_invalidated(chain, signed, block).await? {
        return Ok(Evidence::Void);
    }
    let word = |address: Address| B256::left_padding_from(address.as_slice());
    let topics = json!([Token::Transfer::SIGNATURE_HASH, word(signed.from), word(signed.witness.to)]);
    let logs = chain.logs(token, &topics, (block, block)).await?;
    let mut transfers: Vec<Moved> = logs.iter().filter_map(|log| Moved::read(log, signed)).collect();
    transfers.dedup_by_key(|moved| moved.transaction);
    let Some(Moved { transaction, value }) = own(chain, signed, &transfers).await? else {
        return Ok(Evidence::Void);
    };
    if !is_of_settler(chain, signed, transaction).await? {
        return Ok(Evidence::Void);
    }
    Ok(Evidence::Moved { value, transaction, block })
}

/// The block in which its nonce's bit was set; none where that was before these. A bit that is set stays so, and halving finds it in
/// few reads, whatever its payer moved in between.
async fn used_in(chain: &Chain, signed: &Permit, (first, last): (u64, u64)) -> Result<Option<u64>, RpcError> {
    let before = first.saturating_sub(1);
    if is_used(chain, signed, hex(before).into()).await? {
        return Ok(None);
    }
    let (mut unused, mut used) = (before, last);
    while used.saturating_sub(unused) > 1 {
        let middle = u64::midpoint(unused, used);
        if is_used(chain, signed, hex(middle).into()).await? { used = middle } else { unused = middle }
    }
    Ok(Some(used))
}

/// A transfer between the same two that may be the permit's own.
#[derive(Clone, Copy)]
struct Moved {
    transaction: B256,
    value: U256,
}

/// The one whose transaction carries its nonce, among those of its block; the first one, where none says it in the clear.
async fn own(chain: &Chain, signed: &Permit, transfers: &[Moved]) -> Result<Option<Moved>, RpcError> {
    let nonce = signed.nonce.to_be_bytes::<32>();
    if let [_, _, ..] = transfers {
        for moved in transfers {
            let input = chain.input(moved.transaction).await?;
            if input.windows(nonce.len()).any(|word| word == nonce) {
                return Ok(Some(*moved));
            }
        }
    }
    Ok(transfers.first().copied())
}

/// Whether a transaction of `upto` is of the settler that its payer named. Another permit of the same nonce, for less and for a settler of
/// the payer's own, uses the nonce as well, and pays for nothing.
async fn is_of_settler(chain: &Chain, signed: &Permit, transaction: B256) -> Result<bool, RpcError> {
    let Some(settler) = signed.witness.facilitator else { return Ok(true) };
    let receipt = chain.receipt_of(transaction).await?;
    // The proxy looks at who calls it: an account, or a contract that an account calls.
    Ok([receipt.from, receipt.to].contains(&Some(settler)))
}

// === impl Moved ===

impl Moved {
    /// None where the log is another thing, or moved what the permit does not allow.
    fn read(log: &Log, signed: &Permit) -> Option<Self> {
        let moved = evidence::read::<Token::Transfer>(log)?;
        let is_value = match signed.witness.facilitator {
            None => moved.value == signed.amount,
            Some(_) => moved.value <= signed.amount,
        };
        let is_own = is_value && (moved.from, moved.to) == (signed.from, signed.witness.to);
        is_own.then_some(Self { transaction: log.transaction_hash, value: moved.value })
    }
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
