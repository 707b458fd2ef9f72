use alloy_primitives::{B256, U256};
use alloy_sol_types::SolCall;
use protocol::signature::SigningKey;
use protocol::transfer::Transfer;

use super::*;
use crate::evm::member::{Member, Order};

const TOKEN: Address = Address::repeat_byte(1);
const FACTORY: Address = Address::repeat_byte(0xfa);

fn member(proof: Proof) -> Member {
    let signed = Authorization {
        from: Address::repeat_byte(0x71),
        to: Address::repeat_byte(2),
        value: U256::from(1_000),
        valid_after: U256::ZERO,
        valid_before: U256::from(9),
        nonce: B256::repeat_byte(5),
    };
    Member::payment("pay_1".into(), TOKEN, Transfer::Authorization(signed), signed.value, proof, 7)
}

fn contract(making: Option<Making>) -> Proof {
    Proof::of_contract(Shown { signature: Bytes::from_static(b"signed"), making })
}

#[test]
fn a_contracts_signature_goes_whole_into_a_transaction_of_its_own() {
    let key = SigningKey::from_hex(&"42".repeat(32)).unwrap();
    let bytes = key.sign(B256::repeat_byte(3));
    let signature = Signature::parse(&alloy_primitives::hex::encode_prefixed(bytes)).unwrap();
    let by_key = member(Proof::from(&signature));
    let call = Token::transferWithAuthorizationCall::abi_decode(&by_key.call().data).unwrap();
    assert_eq!((call.r.as_slice(), call.s.as_slice(), call.v), (&bytes[..32], &bytes[32..64], bytes[64]));
    assert!(!by_key.goes_alone());

    let by_contract = member(contract(None));
    let call = WalletToken::transferWithAuthorizationCall::abi_decode(&by_contract.call().data).unwrap();
    assert_eq!((call.signature, call.nonce), (Bytes::from_static(b"signed"), B256::repeat_byte(5)));
    assert!(by_contract.goes_alone() && by_contract.gas() > by_key.gas());
}

#[test]
fn a_contract_is_made_first_by_a_factory_that_was_named_and_by_no_other() {
    let making = Making { factory: FACTORY, data: Bytes::from_static(b"make") };
    let made = member(contract(Some(making.clone())).made_by(&[FACTORY]));
    let call = made.call();
    assert_eq!(call.target, MULTICALL3);
    let calls = Multicall::aggregate3Call::abi_decode(&call.data).unwrap().calls;
    let parts: Vec<_> = calls.iter().map(|call| (call.target, call.allowFailure)).collect();
    assert_eq!(parts, [(FACTORY, true), (TOKEN, false)], "a transfer that fails undoes all of it");
    let unmade = member(contract(Some(making)).made_by(&[Address::repeat_byte(0xfb)]));
    assert_eq!(unmade.call().target, TOKEN);
}

#[test]
fn what_was_written_down_before_contracts_paid_is_a_keys_and_what_is_a_keys_is_written_as_before() {
    let key = member(Proof { signature: Bytes::from_static(&[1; 65]), signer: Signer::Key });
    let text = serde_json::to_string(&key).unwrap();
    assert!(!text.contains("signer"), "{text}");
    assert_eq!(serde_json::from_str::<Member>(&text).unwrap(), key);
    let Order::Payment { signer, .. } = &key.order else { panic!("a payment") };
    assert_eq!(*signer, Signer::Key);
    let contract = member(contract(Some(Making { factory: FACTORY, data: Bytes::new() })));
    let text = serde_json::to_string(&contract).unwrap();
    assert_eq!(serde_json::from_str::<Member>(&text).unwrap(), contract);
}
