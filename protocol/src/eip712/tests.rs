use domain::Address;

use super::*;
use crate::captures::{PAYER, PAYMENT_DIGEST, address, usdc, word};

/// The private asset of the vectors that viem 2 computed.
fn private() -> Asset {
    Asset {
        network: "eip155:402402".into(),
        chain_id: 402_402,
        address: address("0xabcdef0123456789abcdef0123456789abcdef01"),
        name: "Faregate USD".into(),
        version: "1".into(),
    }
}

fn authorization() -> Authorization {
    Authorization {
        from: address("0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025"),
        to: Address::repeat_byte(9),
        value: U256::from(2500),
        valid_after: U256::ZERO,
        valid_before: U256::from(1_795_349_761_u64),
        nonce: B256::repeat_byte(5),
    }
}

#[test]
fn the_digest_of_the_captured_payment_is_viems() {
    let captured = Authorization {
        from: address(PAYER),
        to: address("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
        value: U256::from(1000),
        nonce: word("0x5ef03eab4354bb4680c137ab8a55124e96e1a140ad7a1bf085de4e0c9e2a2c50"),
        ..authorization()
    };
    assert_eq!(Domain::new(&usdc()).digest(&captured), word(PAYMENT_DIGEST));
}

#[test]
fn digests_over_a_private_chain_are_viems() {
    let domain = Domain::new(&private());
    assert_eq!(
        domain.digest(&authorization()),
        word("0x3741da46997d724deecedbf054772a9d1c17a3ebecbefc2aef6e2b85c275cc01")
    );
    let largest = Authorization {
        value: U256::MAX,
        valid_after: U256::MAX - U256::from(1),
        valid_before: U256::MAX - U256::from(2),
        nonce: B256::repeat_byte(0xff),
        ..authorization()
    };
    assert_eq!(
        domain.digest(&largest),
        word("0xade82b6d9d96b40dd34b3cfa90541347e8c04b818dd96aba42a96c882ff8f19c")
    );
}

#[test]
fn every_word_of_the_domain_counts() {
    let asset = private();
    let digest = |asset: &Asset| Domain::new(asset).digest(&authorization());
    let others = [
        Asset { chain_id: 402_403, ..asset.clone() },
        Asset { address: Address::repeat_byte(1), ..asset.clone() },
        Asset { name: "Faregate USE".into(), ..asset.clone() },
        Asset { version: "2".into(), ..asset.clone() },
    ];
    for other in others {
        assert_ne!(digest(&other), digest(&asset), "{other:?}");
    }
}
