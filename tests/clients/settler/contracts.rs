//! Payers that are contracts: their code runs when value moves, and what it takes it takes of nobody else.

use protocol::seal::Seal;
use tests::chain::Manner;

use super::*;

/// A payment out of a wallet, signed by its owner.
fn member_of(wallet: Address, owner: &Payer, offer: &Value) -> Member {
    let payment = owner.pay_challenge(&json!({ "accepts": [offer] })).out_of(wallet, owner, &[1]);
    let mut member = member(owner, offer);
    let read = PaymentPayload::parse(payment.header().as_bytes()).expect("a payment");
    let seal: &Seal = read.seal();
    member.order = Order::Payment {
        token: usdc().address,
        transfer: *read.transfer(),
        signature: seal.bytes().clone(),
        amount: read.transfer().value(),
        signer: Signer::Contract { making: None },
    };
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_that_take_all_the_gas_in_a_block_take_none_of_a_batch() {
    let network = Network::start().await;
    let payers = network.payers(3, 5_000).await;
    let owner = Payer::random();
    let honest = network.wallet(owner.address(), 1, 5_000).await;
    let burning = network.wallet(owner.address(), 2, 5_000).await;
    network.behaves(burning, Manner::Burning).await;
    let outbox = Memory::default();
    let settler = Settler::start_with(&network, &outbox, 0, gathering());
    let mut members: Vec<_> = payers.iter().map(|payer| member(payer, &offer())).collect();
    members.insert(0, member_of(burning, &owner, &offer()));
    members.push(member_of(honest, &owner, &offer()));
    let settled = settler.settle_all(members).await;
    assert!(matches!(&settled[0], Settling::Unknown(_)), "{settled:?}");
    let batch: Vec<_> = settled[1..4].iter().map(transaction).collect();
    assert!(batch.iter().all(|moved| *moved == batch[0]), "one transaction for those with keys: {settled:?}");
    assert_ne!(transaction(&settled[4]), batch[0]);
    assert_eq!(network.balance(recipient()).await, 4_000);
    assert_eq!(network.balance(burning).await, 5_000);
    // What it burns is ours: once is enough, for whatever it has signed.
    assert_eq!(outbox.closed().len(), 3);
    let left_alone = settler.settle(member_of(burning, &owner, &offer())).await;
    assert!(matches!(&left_alone, Settling::Unknown(why) if why.contains("a while ago")), "{left_alone:?}");
    transaction(&settler.settle(member_of(honest, &owner, &offer())).await);
    assert_eq!(outbox.closed().len(), 4);
}

/// Says yes to every signature; in a block it takes all the gas instead.
const YES_AND_BURNS: &str = "0x3a601457631626ba7e60e01b60005260206000f35b601456";

/// Says yes to every signature.
const YES: &str = "0x631626ba7e60e01b60005260206000f3";

#[tokio::test(flavor = "multi_thread")]
async fn accounts_with_code_beside_their_keys_go_alone_and_take_none_of_a_batch() {
    let network = Network::start().await;
    let payers = network.payers(5, 5_000).await;
    for payer in &payers {
        network.approve_permit2(payer.address()).await;
    }
    for (payer, code) in [(&payers[0], YES_AND_BURNS), (&payers[4], YES)] {
        network.rpc("anvil_setCode", json!([payer.address(), code])).await;
    }
    let mut offer = offer();
    offer["extra"]["assetTransferMethod"] = "permit2".into();
    let outbox = Memory::default();
    let settler = Settler::start_with(&network, &outbox, 0, gathering());
    let settled = settler.settle_all(payers.iter().map(|payer| member(payer, &offer))).await;
    assert!(matches!(&settled[0], Settling::Unknown(_)), "{settled:?}");
    let batch: Vec<_> = settled[1..4].iter().map(transaction).collect();
    assert!(batch.iter().all(|moved| *moved == batch[0]), "one transaction for keys alone: {settled:?}");
    assert_ne!(transaction(&settled[4]), batch[0]);
    assert_eq!(network.balance(recipient()).await, 4_000);
    // It burnt no more than a transaction of its own, once.
    assert_eq!(outbox.closed().len(), 3);
    let left_alone = settler.settle(member(&payers[0], &offer)).await;
    assert!(matches!(&left_alone, Settling::Unknown(why) if why.contains("a while ago")), "{left_alone:?}");
    // Who got its code since is seen by it, too.
    network.rpc("anvil_setCode", json!([payers[1].address(), YES_AND_BURNS])).await;
    let settled = settler.settle_all(payers[1..4].iter().map(|payer| member(payer, &offer))).await;
    assert!(matches!(&settled[0], Settling::Unknown(_)), "{settled:?}");
    assert_eq!(transaction(&settled[1]), transaction(&settled[2]));
    assert_eq!(outbox.closed().len(), 5);
}
