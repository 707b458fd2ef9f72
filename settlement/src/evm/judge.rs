//! Which members a transaction moved, by its receipt and their nonces. Pure.

use alloy_primitives::Address;
use protocol::transfer::Transfer;

use super::member::{Member, Order};
use crate::chain::{Evidence, Movement, Receipt, count, is_transfer, judge};

/// What a receipt shows of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Its value was moved.
    Moved,
    /// It was not, by this transaction.
    Not,
    /// Fewer were moved than there are of those that are alike.
    Either,
}

/// Each member's part in a transaction of ours. A permit leaves no nonce in a receipt: among those that are alike, it is counted,
/// and one whose nonce is not used was not moved.
pub(super) fn shown(receipt: &Receipt, members: &[Member], used: &[bool], us: Address) -> Vec<Shown> {
    if !receipt.succeeded() {
        return vec![Shown::Not; members.len()];
    }
    let one = |(member, is_used): (&Member, &bool)| match &member.order {
        Order::Payment { token, transfer: Transfer::Authorization(signed), .. } => {
            match judge(*token, signed, receipt) {
                Evidence::Moved { .. } => Shown::Moved,
                Evidence::Void | Evidence::Unused { .. } => Shown::Not,
            }
        }
        Order::Payment { .. } if !is_used => Shown::Not,
        Order::Payment { .. } => {
            let moves = movement(member, us);
            let moved = count(receipt, &moves);
            let is_alike = |other: &Member| is_permit(other) && movement(other, us) == moves;
            let alike =
                members.iter().zip(used).filter(|(other, is_used)| **is_used && is_alike(other)).count();
            match moved {
                0 => Shown::Not,
                _ if moved >= alike => Shown::Moved,
                _ => Shown::Either,
            }
        }
        Order::Payout { .. } => {
            let moves = movement(member, us);
            if receipt.logs.iter().any(|log| is_transfer(log, &moves)) { Shown::Moved } else { Shown::Not }
        }
    };
    members.iter().zip(used).map(one).collect()
}

fn movement(member: &Member, us: Address) -> Movement {
    match &member.order {
        Order::Payment { token, transfer, amount, .. } => {
            Movement { token: *token, from: transfer.from(), to: transfer.to(), value: *amount }
        }
        Order::Payout { token, to, amount } => Movement { token: *token, from: us, to: *to, value: *amount },
    }
}

const fn is_permit(member: &Member) -> bool {
    matches!(&member.order, Order::Payment { transfer: Transfer::Permit(_), .. })
}

#[cfg(test)]
mod tests;
