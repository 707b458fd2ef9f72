//! [`Evidence`]: what the chain shows of an authorization. A facilitator's word is none, and neither is a transaction that succeeded:
//! what counts is the token's own transfer, made by the use of our nonce.

use alloy_primitives::{Address, B256, LogData, U256};
use alloy_sol_types::SolEvent;
use protocol::authorization::Authorization;

use super::contracts::Token;
use super::rpc::{Log, Receipt};

/// What became of an authorization, in blocks that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its nonce was not used until then, in Unix seconds of the chain: past its `validBefore` it never will be.
    Unused {
        /// Time of the last block that counts.
        at: u64,
    },
    /// It moved value to whom it was made out to.
    Moved {
        /// Atomic units: all that was signed, or less where the scheme is `upto`.
        value: U256,
        /// By which transaction.
        transaction: B256,
        /// In which block.
        block: u64,
    },
    /// Its nonce is used, and paid nobody we know of: cancelled by its payer, or used by a token that moves nothing (A12).
    Void,
}

/// So much of a token, from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) token: Address,
    pub(crate) from: Address,
    pub(crate) to: Address,
    /// Atomic units.
    pub(crate) value: U256,
}

/// Whether the receipt shows the transfer of this authorization: one log beside the use of its nonce, since a batch may move the same
/// amount between the same two several times.
pub(crate) fn judge(token: Address, signed: &Authorization, receipt: &Receipt) -> Evidence {
    let logs: Vec<&Log> = receipt.logs.iter().filter(|log| log.address == token).collect();
    let is_use = |log: &&Log| {
        read::<Token::AuthorizationUsed>(log)
            .is_some_and(|used| used.authorizer == signed.from && used.nonce == signed.nonce)
    };
    let Some(place) = logs.iter().position(is_use).filter(|_| receipt.succeeded()) else {
        return Evidence::Void;
    };
    let movement = Movement { token, from: signed.from, to: signed.to, value: signed.value };
    if is_moved_by(&logs, place, &movement) {
        let (transaction, block) = (receipt.transaction_hash, receipt.block());
        Evidence::Moved { value: signed.value, transaction, block }
    } else {
        Evidence::Void
    }
}

/// Whether so much was moved between two by the use of an authorization that stands in this place of its token's logs.
pub(super) fn is_moved_by(logs: &[&Log], place: usize, movement: &Movement) -> bool {
    let is_it = |log: Option<&&Log>| log.is_some_and(|log| is_transfer(log, movement));
    // The reference implementation tells of the use first. One that tells of it last has its own transfer before it, not another's, and
    // none of the same payer behind it: that one would be what the nonce was used for.
    let after = logs.get(place + 1);
    let is_told_first =
        after.and_then(|log| read::<Token::Transfer>(log)).is_some_and(|moved| moved.from == movement.from);
    let before = place.checked_sub(1).and_then(|place| logs.get(place));
    let others = place.checked_sub(2).and_then(|place| logs.get(place));
    let is_others = others.is_some_and(|log| read::<Token::AuthorizationUsed>(log).is_some());
    is_it(after) || (is_it(before) && !is_others && !is_told_first)
}

/// Whether a log is its token's word of just this movement.
pub(crate) fn is_transfer(log: &Log, movement: &Movement) -> bool {
    let is_it = |told: Token::Transfer| {
        (told.from, told.to, told.value) == (movement.from, movement.to, movement.value)
    };
    log.address == movement.token && read::<Token::Transfer>(log).is_some_and(is_it)
}

/// An event, where the log is one of its kind.
pub(crate) fn read<E: SolEvent>(log: &Log) -> Option<E> {
    let data = LogData::new(log.topics.clone(), log.data.clone())?;
    E::decode_log_data(&data).ok()
}

#[cfg(test)]
pub(super) mod tests;
