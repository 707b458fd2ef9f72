//! Many calls as one: what goes into a transaction, what it may take, and what a node says that it would do. Pure.

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::{Revert, SolCall, SolError};

use super::MULTICALL3;
use super::contracts::Multicall;
use super::fees::Fees;
use super::member::{AUTHORIZATION_GAS, Call, Member};

/// Most gas of one transaction: networks take none above 2^24 (EIP-7825).
const GAS_MAX: u64 = 16_000_000;

/// Gas of a transaction beside its calls: its own, and its data's, whose share for one call is below.
const BASE_GAS: u64 = 60_000;

/// Gas for the data of one call and for having it made.
const SHARE_GAS: u64 = 12_000;

/// Longest reason of a contract that is kept, in characters.
const REASON_MAX: usize = 120;

/// A call that failed without a reason.
pub(super) const SILENT: &str = "reverted";

/// What would become of a call: why it would be reverted.
pub(super) type Outcome = Result<(), String>;

/// What a transaction with these may take.
pub(super) fn gas(members: &[Member]) -> u64 {
    members.iter().map(|member| member.gas() + SHARE_GAS).fold(BASE_GAS, u64::saturating_add)
}

/// How many of them, from the first on, fit into one transaction.
pub(super) fn fitting<'a>(members: impl Iterator<Item = &'a Member>) -> usize {
    let mut sum = BASE_GAS;
    members
        .take_while(|member| {
            sum = sum.saturating_add(member.gas() + SHARE_GAS);
            sum <= GAS_MAX
        })
        .count()
}

/// What a transaction with one payment may take.
pub(super) const fn gas_of_one() -> u64 {
    BASE_GAS + SHARE_GAS + AUTHORIZATION_GAS
}

/// Whether an account with so many wei can send a transaction that may take so much: nodes want all of that.
pub(super) fn covers(coins: U256, fees: Fees, gas: u64) -> bool {
    U256::from(gas).saturating_mul(U256::from(fees.most)) <= coins
}

/// How many of them, from the first on, such an account can send at once.
pub(super) fn affordable(members: &[Member], fees: Fees, coins: U256) -> usize {
    let is_paid = |count: &usize| covers(coins, fees, gas(members.get(..*count).unwrap_or(members)));
    (1..=members.len()).take_while(is_paid).count()
}

/// What a transaction calls: the one contract itself, or Multicall3 for many, of which each may fail by itself.
pub(super) fn call(members: &[Member]) -> Call {
    match members {
        [member] => member.call(),
        _ => all(members.iter().map(Member::call)),
    }
}

/// Calls through Multicall3.
pub(super) fn all(calls: impl Iterator<Item = Call>) -> Call {
    let call = |Call { target, data }| Multicall::Call { target, allowFailure: true, callData: data };
    Call::new(MULTICALL3, &Multicall::aggregate3Call { calls: calls.map(call).collect() })
}

/// What Multicall3 answers for so many calls; none where it does not.
pub(super) fn answers(answer: &[u8], calls: usize) -> Option<Vec<Multicall::Result>> {
    let results = Multicall::aggregate3Call::abi_decode_returns(answer).ok()?;
    (results.len() == calls).then_some(results)
}

/// What would become of so many calls, by what Multicall3 answers; none where it does not.
pub(super) fn outcomes(answer: &[u8], calls: usize) -> Option<Vec<Outcome>> {
    let outcome = |answer: &Multicall::Result| {
        if answer.success { Ok(()) } else { Err(reason(&answer.returnData)) }
    };
    Some(answers(answer, calls)?.iter().map(outcome).collect())
}

/// The number that a read answered, where it did.
pub(super) fn number(answer: &Multicall::Result) -> Option<U256> {
    let word = answer.returnData.get(..32).filter(|_| answer.success)?;
    Some(U256::from_be_slice(word))
}

/// In the contract's words, or its error's four bytes.
fn reason(data: &Bytes) -> String {
    let text = match Revert::abi_decode(data) {
        Ok(revert) => revert.reason().to_owned(),
        Err(_) if data.is_empty() => SILENT.to_owned(),
        Err(_) => format!("reverted with {}", Bytes::copy_from_slice(data.get(..4).unwrap_or(data))),
    };
    text.chars().filter(|character| !character.is_control()).take(REASON_MAX).collect()
}
