use alloy_primitives::U256;
use serde_json::{Value, json};

use super::*;

pub(in crate::chain) const TOKEN: Address = Address::repeat_byte(1);
const TRANSACTION: B256 = B256::repeat_byte(0x73);

/// 1,000 units, from one to another.
pub(in crate::chain) fn signed(nonce: u8) -> Authorization {
    Authorization {
        from: Address::repeat_byte(3),
        to: Address::repeat_byte(2),
        value: U256::from(1000),
        valid_after: U256::ZERO,
        valid_before: U256::from(100),
        nonce: B256::repeat_byte(nonce),
    }
}

fn log<E: SolEvent>(address: Address, event: &E) -> Value {
    let data = event.encode_log_data();
    json!({ "address": address, "topics": data.topics(), "data": data.data, "transactionHash": TRANSACTION })
}

fn used(nonce: u8) -> Value {
    let Authorization { from: authorizer, nonce, .. } = signed(nonce);
    log(TOKEN, &Token::AuthorizationUsed { authorizer, nonce })
}

fn moved() -> Value {
    let Authorization { from, to, value, .. } = signed(0);
    log(TOKEN, &Token::Transfer { from, to, value })
}

fn judged_with(status: &str, nonce: u8, logs: &[Value]) -> Evidence {
    let receipt = json!({
        "transactionHash": TRANSACTION, "blockNumber": "0x10", "status": status, "logs": logs
    });
    judge(TOKEN, &signed(nonce), &serde_json::from_value(receipt).unwrap())
}

fn judged(nonce: u8, logs: &[Value]) -> Evidence {
    judged_with("0x1", nonce, logs)
}

const MOVED: Evidence =
    Evidence::Moved { value: U256::from_limbs([1_000, 0, 0, 0]), transaction: TRANSACTION, block: 16 };

#[test]
fn the_transfer_beside_the_use_of_our_nonce_is_proof() {
    assert_eq!(judged(5, &[used(5), moved()]), MOVED);
    assert_eq!(judged(5, &[moved(), used(5)]), MOVED);
    // Other contracts may speak in between.
    let elsewhere =
        log(Address::repeat_byte(9), &Token::Transfer { from: TOKEN, to: TOKEN, value: U256::ZERO });
    assert_eq!(judged(5, &[used(5), elsewhere, moved()]), MOVED);
}

#[test]
fn a_nonce_that_is_used_without_a_transfer_paid_nobody() {
    assert_eq!(judged(5, &[used(5)]), Evidence::Void);
    assert_eq!(judged(5, &[moved()]), Evidence::Void);
    assert_eq!(judged(5, &[]), Evidence::Void);
}

#[test]
fn a_transaction_that_failed_or_moved_something_else_is_no_proof() {
    assert_eq!(judged_with("0x0", 5, &[used(5), moved()]), Evidence::Void);
    let Authorization { from, to, value, .. } = signed(5);
    let one = U256::from(1);
    for other in [
        Token::Transfer { from, to, value: value - one },
        Token::Transfer { from, to, value: value + one },
        Token::Transfer { from, to: from, value },
        Token::Transfer { from: to, to, value },
    ] {
        assert_eq!(judged(5, &[used(5), log(TOKEN, &other)]), Evidence::Void);
    }
    let of_another = log(Address::repeat_byte(9), &Token::Transfer { from, to, value });
    assert_eq!(judged(5, &[used(5), of_another]), Evidence::Void);
}

#[test]
fn in_a_batch_each_use_has_a_transfer_of_its_own() {
    // The second one's transfer is missing: the first one's, of the same amount between the same two, is not its.
    let batch = [used(5), moved(), used(6), used(7), moved()];
    assert_eq!((judged(5, &batch), judged(6, &batch), judged(7, &batch)), (MOVED, Evidence::Void, MOVED));
}

/// By one transaction of its own a payer has what it signed otherwise settled, and uses this nonce to pay itself nothing.
#[test]
fn a_transfer_that_something_else_made_right_before_is_not_the_nonces_own() {
    let Authorization { from, to, .. } = signed(5);
    for other in [from, to] {
        let nothing = log(TOKEN, &Token::Transfer { from, to: other, value: U256::ZERO });
        assert_eq!(judged(5, &[moved(), used(5), nothing]), Evidence::Void);
    }
    // What somebody else pays behind it says nothing of it.
    let anothers = log(TOKEN, &Token::Transfer { from: to, to: from, value: U256::from(1) });
    assert_eq!(judged(5, &[moved(), used(5), anothers]), MOVED);
}
