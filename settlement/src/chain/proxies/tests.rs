use alloy_primitives::B256;
use serde_json::{Value, json};

use super::*;

const TOKEN: Address = Address::repeat_byte(1);
const PAYEE: Address = Address::repeat_byte(2);
const PAYER: Address = Address::repeat_byte(5);

fn log(address: Address, event: &impl SolEvent) -> Value {
    let data = event.encode_log_data();
    json!({ "address": address, "topics": data.topics(), "data": data.data, "transactionHash": B256::ZERO })
}

fn moved(value: u64) -> Value {
    log(TOKEN, &Token::Transfer { from: PAYER, to: PAYEE, value: U256::from(value) })
}

fn used() -> Value {
    log(TOKEN, &Token::AuthorizationUsed { authorizer: PAYER, nonce: B256::ZERO })
}

fn settled() -> Value {
    log(EXACT_PROXY, &Proxy::Settled {})
}

fn receipt(status: &str, logs: &[Value]) -> Receipt {
    let receipt = json!({
        "transactionHash": B256::ZERO, "blockNumber": "0x1", "status": status, "gasUsed": "0x1", "logs": logs
    });
    serde_json::from_value(receipt).unwrap()
}

const fn movement() -> Movement {
    Movement { token: TOKEN, from: PAYER, to: PAYEE, value: U256::from_limbs([1_000, 0, 0, 0]) }
}

fn counted(logs: &[Value]) -> usize {
    count(&receipt("0x1", logs), &movement())
}

#[test]
fn each_transfer_that_a_proxy_has_settled_counts_once() {
    assert_eq!(counted(&[moved(1_000), settled()]), 1);
    assert_eq!(counted(&[moved(1_000), log(UPTO_PROXY, &Proxy::SettledWithPermit {})]), 1);
    assert_eq!(counted(&[moved(1_000), settled(), moved(1_000), settled()]), 2);
    // One says it of another token, or of nothing.
    assert_eq!(counted(&[moved(1_000), settled(), settled()]), 1);
    assert_eq!(counted(&[moved(1_000)]), 0);
    assert_eq!(counted(&[settled(), moved(1_000)]), 0);
    assert_eq!(counted(&[moved(1_000), log(TOKEN, &Proxy::Settled {})]), 0);
    assert_eq!(count(&receipt("0x0", &[moved(1_000), settled()]), &movement()), 0);
    let both = receipt("0x1", &[moved(1_000), settled(), moved(7), settled()]);
    assert_eq!(values(&both, TOKEN, PAYER, PAYEE), [U256::from(1_000), U256::from(7)]);
    assert_eq!(values(&both, TOKEN, PAYEE, PAYER), [] as [U256; 0]);
}

#[test]
fn what_an_authorization_has_moved_is_no_permits_whatever_is_told_after_it() {
    // A proxy that has settled a token without a word says so right behind it.
    assert_eq!(counted(&[used(), moved(1_000), settled()]), 0);
    assert_eq!(counted(&[moved(1_000), used(), settled()]), 0);
    // Beside a permit's own.
    assert_eq!(counted(&[used(), moved(1_000), moved(1_000), settled()]), 1);
    assert_eq!(counted(&[moved(1_000), settled(), used(), moved(1_000)]), 1);
    assert_eq!(counted(&[moved(1_000), settled(), used(), moved(7)]), 1);
}
