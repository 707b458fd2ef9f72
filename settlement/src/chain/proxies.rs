//! What x402's proxies for Permit2 have settled in a transaction. They say that they did and not what: a permit leaves no nonce in a
//! receipt, so those that are alike can only be counted. One transfer pays for one payment.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolEvent;
use protocol::permit::{EXACT_PROXY, UPTO_PROXY};

use super::contracts::{Proxy, Token};
use super::evidence::{self, Movement, is_moved_by};
use super::rpc::{Log, Receipt};

/// What proxies have moved of a token between two, each in the order of the transaction.
pub(super) fn values(receipt: &Receipt, token: Address, from: Address, to: Address) -> Vec<U256> {
    let (mut moved, mut values) = (None, Vec::new());
    for log in receipt.logs.iter().filter(|_| receipt.succeeded()) {
        if log.address == token
            && let Some(transfer) = evidence::read::<Token::Transfer>(log)
        {
            moved = Some(transfer);
        } else if is_settled(log) {
            // What it moved is the last that was moved before it, and nothing where another one has told of that.
            let own = moved.take().filter(|moved| moved.from == from && moved.to == to);
            values.extend(own.map(|moved| moved.value));
        }
    }
    values
}

/// How many permits that moved just this a transaction shows. A proxy says that it has settled of any token: a transfer that the use of an
/// authorization explains is none of a permit, whatever was told after it.
pub(crate) fn count(receipt: &Receipt, movement: &Movement) -> usize {
    let Movement { token, from, to, value } = *movement;
    let told = values(receipt, token, from, to).into_iter().filter(|told| *told == value).count();
    let logs: Vec<&Log> = receipt.logs.iter().filter(|log| log.address == token).collect();
    let transfers = logs.iter().filter(|log| evidence::is_transfer(log, movement)).count();
    let is_authorized = |place: &usize| {
        let used = logs.get(*place).and_then(|log| evidence::read::<Token::AuthorizationUsed>(log));
        used.is_some_and(|used| used.authorizer == from) && is_moved_by(&logs, *place, movement)
    };
    let authorized = (0..logs.len()).filter(is_authorized).count();
    told.min(transfers.saturating_sub(authorized))
}

/// Whether a proxy says that it has moved what it was shown.
fn is_settled(log: &Log) -> bool {
    let words = [Proxy::Settled::SIGNATURE_HASH, Proxy::SettledWithPermit::SIGNATURE_HASH];
    [EXACT_PROXY, UPTO_PROXY].contains(&log.address)
        && log.topics.first().is_some_and(|topic| words.contains(topic))
}

#[cfg(test)]
mod tests;
