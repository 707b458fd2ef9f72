//! What cannot be sent, and calls that take what others need.

use super::*;

/// Takes all the gas there is, but for whoever asks whether a nonce is used.
const BURNS: &str = "0x60003560e01c63e94a0102146013575b600f565b60206000f3";

/// The same in a transaction; whoever only asks is answered 0.
const BURNS_IN_BLOCKS: &str = "0x3a60095760206000f35b600956";

/// A payment in a token with this code.
async fn burning(network: &Network, payer: &Payer, code: &str) -> Member {
    let burner = Address::repeat_byte(0xbb);
    network.rpc("anvil_setCode", json!([burner, code])).await;
    let mut member = member(payer, &offer());
    let Order::Payment { token, .. } = &mut member.order else { panic!("a payment") };
    *token = burner;
    member
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_all_the_gas_is_found_out_and_those_after_it_are_not_blamed() {
    let network = Network::start().await;
    let payers = network.payers(3, 5_000).await;
    let outbox = Memory::default();
    let settler = Settler::start_with(&network, &outbox, 0, gathering());
    let mut members = vec![burning(&network, &payers[0], BURNS).await];
    members.extend(payers.iter().map(|payer| member(payer, &offer())));
    let settled = settler.settle_all(members).await;
    assert!(matches!(&settled[0], Settling::Refused(why) if why.contains("OutOfGas")), "{settled:?}");
    for settled in &settled[1..] {
        transaction(settled);
    }
    assert_eq!(outbox.closed().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_all_the_gas_in_the_block_costs_the_others_no_more_than_a_transaction_of_their_own() {
    let network = Network::start().await;
    let payers = network.payers(4, 5_000).await;
    let (burner, honest) = (&payers[3], &payers[..3]);
    let outbox = Memory::default();
    let settler = Settler::start_with(&network, &outbox, 0, gathering());
    let mut members = vec![burning(&network, burner, BURNS_IN_BLOCKS).await];
    members.extend(honest.iter().map(|payer| member(payer, &offer())));
    let settled = settler.settle_all(members).await;
    assert!(matches!(settled[0], Settling::Unknown(_)), "{settled:?}");
    for settled in &settled[1..] {
        transaction(settled);
    }
    assert_eq!(network.received(recipient()).await.len(), 3);
    assert_eq!(network.balance(recipient()).await, 3_000);
    // That its own call failed was seen when it went alone, twice: nothing is sent for its payer for a while.
    assert_eq!(outbox.closed().len(), 1 + 4 + 1);
    let left_alone = settler.settle(member(burner, &offer())).await;
    assert!(matches!(&left_alone, Settling::Unknown(why) if why.contains("a while ago")), "{left_alone:?}");
    transaction(&settler.settle(member(&honest[0], &offer())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_coins_for_gas_nothing_is_recorded_and_nobody_waits_and_with_them_it_goes_on() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    let settler_is = settler_address();
    let coins = network.rpc("eth_getBalance", json!([settler_is, "latest"])).await;
    network.rpc("anvil_setBalance", json!([settler_is, "0x0"])).await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    let member = member(&payer, &offer());
    let refused = settler.settle(member.clone()).await;
    assert!(matches!(&refused, Settling::Unavailable(why) if why.contains("coins")), "{refused:?}");
    assert!(!settler.handle.is_available());
    assert!(outbox.open().is_empty());
    network.rpc("anvil_setBalance", json!([settler_is, coins])).await;
    tests::wait::until("coins", async || settler.handle.is_available().then_some(())).await;
    transaction(&settler.settle(member).await);
    assert_eq!(network.received(recipient()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_no_larger_than_what_its_account_can_pay_for() {
    let network = Network::start().await;
    let payers = network.payers(20, 5_000).await;
    // Enough for the gas of about ten at the price of a new chain.
    network.rpc("anvil_setBalance", json!([settler_address(), "0x11c37937e08000"])).await;
    let outbox = Memory::default();
    let settler = Settler::start_with(&network, &outbox, 0, gathering());
    let members: Vec<_> = payers.iter().map(|payer| member(payer, &offer())).collect();
    for settled in settler.settle_all(members).await {
        transaction(&settled);
    }
    let sizes: Vec<_> = outbox.closed().iter().map(|closed| closed.outcomes.len()).collect();
    assert!(sizes.len() > 1 && sizes[0] < 20, "{sizes:?}");
    assert_eq!(network.received(recipient()).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_without_multicall3_is_not_begun_with_until_it_has_one() {
    let network = Network::start().await;
    let place = settlement::evm::MULTICALL3;
    let code = network.rpc("eth_getCode", json!([place, "latest"])).await;
    network.rpc("anvil_setCode", json!([place, "0x"])).await;
    let payer = network.payers(1, 5_000).await.remove(0);
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    let asked = settler.ask(member(&payer, &offer()));
    assert!(!settler.handle.is_available());
    network.rpc("anvil_setCode", json!([place, code])).await;
    transaction(&answered(asked).await);
    assert!(settler.handle.is_available());
}
