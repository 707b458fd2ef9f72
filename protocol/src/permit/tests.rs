use super::*;
use crate::captures::{PAYER, address, word};
use crate::signature::Signature;

/// What `@x402/evm` 2.27 signed for an offer of 1000 units by Permit2 on Base Sepolia.
fn exact() -> Permit {
    Permit {
        from: address(PAYER),
        token: address("0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
        amount: U256::from(1000),
        spender: EXACT_PROXY,
        nonce: "88158008805833114393038421873560379444918642680366683288754200633333253366283"
            .parse()
            .unwrap(),
        deadline: U256::from(1_795_947_325_u64),
        witness: Witness {
            to: address("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
            valid_after: U256::ZERO,
            facilitator: None,
        },
    }
}

/// The same for an offer of `upto` 2000 units.
fn upto() -> Permit {
    let facilitator = Some(address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"));
    Permit {
        amount: U256::from(2000),
        spender: UPTO_PROXY,
        nonce: "35915261026680504004911869782255532751749278430522920032942942765623364183939"
            .parse()
            .unwrap(),
        witness: Witness { facilitator, ..exact().witness },
        ..exact()
    }
}

#[test]
fn permits_of_the_stock_typescript_client_are_recovered() {
    for (permit, digest, signature) in [
        (
            exact(),
            "0xfded732b1379d9ec5e946bb32da1d061f70beb05834d99bf7edfa6a022a0d3f4",
            "0x1bbbfbfe477e43e427e723e7b3e975e82c9c7ef34f29830573ee687e542f74f072ddf98a2eb6ab99cf0b5ec50da98438f4458273a5aaed07fc87b26819e3110c1c",
        ),
        (
            upto(),
            "0x3de0700245350958e05dc0c617ef9feb8b63201c20ad70aa54465a0bbe9f1ed3",
            "0x7fe177bf970398b2229d6521c67891d40eeefc083fb887de1951fbd885a435fa57e01c3f7162192a300a418572915babdbb983da5b4bfbfa61930b04f561a27c1c",
        ),
    ] {
        // viem's `hashTypedData`.
        let found = PermitDomain::new(84_532).digest(&permit);
        assert_eq!(found, word(digest));
        assert_eq!(Signature::parse(signature).unwrap().recover(found).unwrap(), address(PAYER));
    }
}

#[test]
fn every_field_of_a_permit_is_signed() {
    let domain = PermitDomain::new(84_532);
    let digest = domain.digest(&upto());
    assert_ne!(PermitDomain::new(8453).digest(&upto()), digest);
    let one = U256::from(1);
    let changes: [fn(&mut Permit, U256); 8] = [
        |permit, _| permit.token = Address::ZERO,
        |permit, one| permit.amount += one,
        |permit, _| permit.spender = EXACT_PROXY,
        |permit, one| permit.nonce += one,
        |permit, one| permit.deadline += one,
        |permit, _| permit.witness.to = Address::ZERO,
        |permit, one| permit.witness.valid_after += one,
        |permit, _| permit.witness.facilitator = None,
    ];
    for change in changes {
        let mut permit = upto();
        change(&mut permit, one);
        assert_ne!(domain.digest(&permit), digest, "{permit:?}");
    }
}
