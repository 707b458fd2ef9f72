//! What became of a Permit2 payment. Permit2 tells of no use of a nonce, so it is found by its transfer: one that a proxy has settled in the
//! block in which the nonce's bit was set.
//!
//! Any other permit of the same nonce sets that bit as well, and pays for nothing: that a payment like it has moved there is all that is
//! shown. How many the transaction pays for is counted where it is booked ([`crate::rail::Rail::moved`]).

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use domain::Address;
use protocol::permit::{PERMIT2, Permit};
use serde_json::{Value, json};

use super::contracts::{Permit2, Token};
use super::evidence::{self, Evidence};
use super::rpc::{Receipt, RpcError};
use super::{Block, Chain, hex, movement, proxies};

/// Of a permit of which so much was asked for. Of `upto`, any amount up to the signed one: who settles it may take another one than that,
/// and its payer has paid all the same.
pub(super) async fn evidence(
    chain: &Chain,
    token: Address,
    signed: &Permit,
    asked: U256,
    from_block: u64,
    until: Block,
) -> Result<Evidence, RpcError> {
    if !is_used(chain, signed, hex(until.number).into()).await? {
        return Ok(Evidence::Unused { at: until.time });
    }
    let Some(block) = used_in(chain, signed, from_block, until.number).await? else {
        return Ok(Evidence::Void);
    };
    if is_invalidated(chain, signed, block).await? {
        return Ok(Evidence::Void);
    }
    let mut settled = Vec::new();
    for transaction in transactions(chain, token, signed, block).await? {
        let receipt = chain.receipt_of(transaction).await?;
        settled.extend(value(&receipt, token, signed, asked).map(|value| (transaction, value)));
    }
    Ok(match settled[..] {
        [(transaction, value)] => Evidence::Moved { value, transaction, block },
        [] => Evidence::Void,
        _ => {
            tracing::warn!(payer = %signed.from, block, "a permit may be of several transactions, and none of them names it");
            Evidence::Void
        }
    })
}

/// The block in which its nonce's bit was set; none where that was before these. A bit that is set stays so, and halving finds it in
/// few reads, whatever its payer moved in between.
async fn used_in(chain: &Chain, signed: &Permit, first: u64, last: u64) -> Result<Option<u64>, RpcError> {
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

/// The transactions of a block that moved something between the same two: where there are several, the first that carries its nonce, if one
/// does.
async fn transactions(
    chain: &Chain,
    token: Address,
    signed: &Permit,
    block: u64,
) -> Result<Vec<B256>, RpcError> {
    let word = |address: Address| B256::left_padding_from(address.as_slice());
    let topics = json!([Token::Transfer::SIGNATURE_HASH, word(signed.from), word(signed.witness.to)]);
    let logs = chain.logs(token, &topics, block, block).await?;
    let mut transactions: Vec<B256> = logs.iter().map(|log| log.transaction_hash).collect();
    transactions.dedup();
    let nonce = signed.nonce.to_be_bytes::<32>();
    if let [_, _, ..] = transactions[..] {
        for transaction in &transactions {
            let input = chain.input(*transaction).await?;
            if input.windows(nonce.len()).any(|word| word == nonce) {
                return Ok(vec![*transaction]);
            }
        }
    }
    Ok(transactions)
}

/// What a proxy has settled in a transaction that may be of this permit: what was asked for, where that is shown.
fn value(receipt: &Receipt, token: Address, signed: &Permit, asked: U256) -> Option<U256> {
    // The proxy of `upto` looks at who calls it: the account that its payer named, or a contract that such an account calls. Another permit
    // of the same nonce, for less and for a settler of the payer's own, pays for nothing.
    let is_of_settler =
        signed.witness.facilitator.is_none_or(|named| [receipt.from, receipt.to].contains(&Some(named)));
    let is_its = |value: &U256| match signed.witness.facilitator {
        None => *value == signed.amount,
        Some(_) => *value <= signed.amount,
    };
    let is_shown =
        |value: &U256| is_its(value) && proxies::count(receipt, &movement(token, signed, *value)) > 0;
    let mut values = proxies::values(receipt, token, signed.from, signed.witness.to);
    values.retain(|value| is_of_settler && is_shown(value));
    values.iter().find(|value| **value == asked).or(values.first()).copied()
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
    let logs = chain.logs(PERMIT2, &topics, block, block).await?;
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
