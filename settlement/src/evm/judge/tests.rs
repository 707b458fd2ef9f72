use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolEvent;
use protocol::permit::{EXACT_PROXY, Permit, Witness};
use serde_json::{Value, json};

use super::*;
use crate::chain::Proxy;
use crate::evm::contracts::Token;
use crate::evm::proof::Signer;

const TOKEN: Address = Address::repeat_byte(1);
const PAYEE: Address = Address::repeat_byte(2);
const US: Address = Address::repeat_byte(3);

fn permit(payer: u8, nonce: u64) -> Member {
    let amount = U256::from(1_000);
    let permit = Permit {
        from: Address::repeat_byte(payer),
        token: TOKEN,
        amount,
        spender: EXACT_PROXY,
        nonce: U256::from(nonce),
        deadline: U256::MAX,
        witness: Witness { to: PAYEE, valid_after: U256::ZERO, facilitator: None },
    };
    let order = Order::Payment {
        token: TOKEN,
        transfer: Transfer::Permit(permit),
        signature: Bytes::new(),
        amount,
        signer: Signer::Key,
    };
    Member { id: format!("{payer} {nonce}").into(), order, since_block: 0, has_code: false }
}

fn log(address: Address, event: &impl SolEvent) -> Value {
    let data = event.encode_log_data();
    json!({ "address": address, "topics": data.topics(), "data": data.data, "transactionHash": B256::ZERO })
}

fn moved(payer: u8, value: u64) -> Value {
    let from = Address::repeat_byte(payer);
    log(TOKEN, &Token::Transfer { from, to: PAYEE, value: U256::from(value) })
}

fn settled() -> Value {
    log(EXACT_PROXY, &Proxy::Settled {})
}

fn judged(status: &str, logs: &[Value], members: &[(Member, bool)]) -> Vec<Shown> {
    let receipt = json!({
        "transactionHash": B256::ZERO, "blockNumber": "0x1", "status": status, "gasUsed": "0x1", "logs": logs
    });
    let (members, used): (Vec<_>, Vec<_>) = members.iter().cloned().unzip();
    shown(&serde_json::from_value(receipt).unwrap(), &members, &used, US)
}

#[test]
fn a_permit_was_moved_where_a_proxy_has_settled_its_transfer() {
    let one = [(permit(5, 1), true)];
    assert_eq!(judged("0x1", &[moved(5, 1_000), settled()], &one), [Shown::Moved]);
    assert_eq!(judged("0x0", &[moved(5, 1_000), settled()], &one), [Shown::Not]);
    assert_eq!(judged("0x1", &[moved(5, 999), settled()], &one), [Shown::Not]);
    assert_eq!(judged("0x1", &[moved(6, 1_000), settled()], &one), [Shown::Not]);
    // A transfer by itself may be anybody's.
    assert_eq!(judged("0x1", &[moved(5, 1_000)], &one), [Shown::Not]);
    assert_eq!(judged("0x1", &[settled(), moved(5, 1_000)], &one), [Shown::Not]);
    let elsewhere = log(TOKEN, &Proxy::Settled {});
    assert_eq!(judged("0x1", &[moved(5, 1_000), elsewhere], &one), [Shown::Not]);
}

#[test]
fn of_permits_that_are_alike_those_were_moved_whose_nonces_are_used() {
    let once = [moved(5, 1_000), settled()];
    let twice = [moved(5, 1_000), settled(), moved(5, 1_000), settled()];
    let both = |first, second| [(permit(5, 1), first), (permit(5, 2), second)];
    assert_eq!(judged("0x1", &twice, &both(true, true)), [Shown::Moved, Shown::Moved]);
    assert_eq!(judged("0x1", &once, &both(true, true)), [Shown::Either, Shown::Either]);
    assert_eq!(judged("0x1", &once, &both(false, true)), [Shown::Not, Shown::Moved]);
    assert_eq!(judged("0x1", &[], &both(true, true)), [Shown::Not, Shown::Not]);
}

#[test]
fn our_own_transfer_was_made_where_the_token_says_so() {
    let order = Order::Payout { token: TOKEN, to: PAYEE, amount: U256::from(7) };
    let payout = [(Member { id: "pyo".into(), order, since_block: 0, has_code: false }, false)];
    assert_eq!(judged("0x1", &[moved(3, 7)], &payout), [Shown::Moved]);
    assert_eq!(judged("0x1", &[moved(4, 7)], &payout), [Shown::Not]);
    assert_eq!(judged("0x0", &[moved(3, 7)], &payout), [Shown::Not]);
}
