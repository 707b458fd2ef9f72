//! Crashes, blocks that are no more, fees that rise, a nonce that somebody else took: nobody pays twice, and all is moved in the end.

use super::*;

/// A payment of somebody who has enough for several.
async fn paying(network: &Network) -> (Payer, Member) {
    let payer = network.payers(1, 5_000).await.remove(0);
    let member = member(&payer, &offer());
    (payer, member)
}

async fn expect_moved_once(network: &Network, outbox: &Memory) {
    assert_eq!(network.received(recipient()).await.len(), 1);
    assert_eq!(network.balance(recipient()).await, 1_000);
    assert!(outbox.open().is_empty());
}

async fn closed(outbox: &Memory) {
    let all = async || outbox.open().is_empty().then_some(());
    tests::wait::until("the end of every transaction", all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_record_and_before_the_sending_moves_it_once_with_the_recorded_nonce() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    outbox.hang();
    let first = Settler::start(&network, &outbox, 0);
    let asked = first.ask(member.clone());
    on_its_way(&outbox).await;
    drop(first);
    assert!(matches!(answered(asked).await, Settling::Unknown(_)));
    assert!(network.received(recipient()).await.is_empty());
    let recorded = outbox.open().remove(0);
    outbox.go_on();
    let second = Settler::start(&network, &outbox, 0);
    let moved = transaction(&second.settle(member).await);
    assert_eq!(moved, recorded.versions[0].hash);
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_sending_and_before_the_block_moves_it_once() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    network.mine_each(false).await;
    let first = Settler::start(&network, &outbox, 0);
    let _asked = first.ask(member.clone());
    on_its_way(&outbox).await;
    let recorded = outbox.open().remove(0);
    in_the_pool(&network, &recorded.versions[0].hash).await;
    drop(first);
    let second = Settler::start(&network, &outbox, 0);
    let asked = second.ask(member);
    network.mine_each(true).await;
    network.mine(1).await;
    assert_eq!(transaction(&answered(asked).await), recorded.versions[0].hash);
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_block_closes_it_without_another_transaction() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    // Nothing counts yet.
    let first = Settler::start(&network, &outbox, 5);
    let _asked = first.ask(member.clone());
    on_its_way(&outbox).await;
    let recorded = outbox.open().remove(0);
    let arrived = async || (network.received(recipient()).await.len() == 1).then_some(());
    tests::wait::until("its block", arrived).await;
    drop(first);
    let second = Settler::start(&network, &outbox, 5);
    let asked = second.ask(member);
    network.mine(5).await;
    assert_eq!(transaction(&answered(asked).await), recorded.versions[0].hash);
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_block_that_is_no_more_puts_it_back_and_the_same_transaction_is_sent_again() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    network.mine(10).await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 4);
    let asked = settler.ask(member);
    let arrived = async || (network.received(recipient()).await.len() == 1).then_some(());
    tests::wait::until("its block", arrived).await;
    network.mine_each(false).await;
    network.mine(2).await;
    network.drop_blocks(3).await;
    assert!(network.received(recipient()).await.is_empty());
    assert!(!asked.is_finished(), "no block of it counts yet");
    network.mine(1).await;
    let again = async || {
        network.mine(1).await;
        (network.received(recipient()).await.len() == 1).then_some(())
    };
    tests::wait::until("its block, again", again).await;
    network.mine(4).await;
    let moved = transaction(&answered(asked).await);
    assert_eq!(moved, network.received(recipient()).await[0].transaction);
    let closed = outbox.closed();
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].landed.map(|landed| landed.transaction), Some(moved));
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_is_offered_where_blocks_pass_without_it_and_the_cap_is_kept() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    let settings = Settings { bump_after: 2, ..settings() };
    let settler = Settler::start_with(&network, &outbox, 0, settings);
    network.mine_each(false).await;
    let asked = settler.ask(member);
    on_its_way(&outbox).await;
    let first = outbox.open().remove(0).versions.remove(0);
    in_the_pool(&network, &first.hash).await;
    dear_blocks(&network).await;
    dear_blocks(&network).await;
    let bumped = async || (outbox.open()[0].versions.len() > 1).then_some(());
    tests::wait::until("a higher offer", bumped).await;
    let versions = outbox.open().remove(0).versions;
    let (before, after) = (versions[0].fees, versions[1].fees);
    assert!(
        after.most * 8 >= before.most * 9 && after.tip * 8 >= before.tip * 9 && after.most <= CAP,
        "{versions:?}"
    );
    let lands = async || {
        network.mine(1).await;
        outbox.open().is_empty().then_some(())
    };
    tests::wait::until("its block", lands).await;
    assert_ne!(transaction(&answered(asked).await), first.hash);
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cap_does_not_allow_waits_for_cheaper_blocks() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    let cap = 3_000_000_000;
    let settler =
        Settler::start_with(&network, &outbox, 0, Settings { bump_after: 1, fee_cap: cap, ..settings() });
    network.mine_each(false).await;
    let asked = settler.ask(member);
    on_its_way(&outbox).await;
    in_the_pool(&network, &outbox.open()[0].versions[0].hash).await;
    for _ in 0..5 {
        dear_blocks(&network).await;
    }
    assert!(!asked.is_finished());
    let lands = async || {
        network.rpc("anvil_setNextBlockBaseFeePerGas", json!(["0x1"])).await;
        network.mine(1).await;
        outbox.open().is_empty().then_some(())
    };
    tests::wait::until("its block", lands).await;
    transaction(&answered(asked).await);
    let closed = outbox.closed();
    assert!(closed.iter().all(|closed| closed.landed.is_some()));
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_another_transaction_took_frees_its_members_for_the_next_one() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    outbox.hang();
    let first = Settler::start(&network, &outbox, 2);
    let _asked = first.ask(member.clone());
    on_its_way(&outbox).await;
    drop(first);
    outbox.go_on();
    let recorded = outbox.open().remove(0);
    // Somebody who has the same key was faster.
    network.send(&settler_address(), Address::repeat_byte(7), "0x").await;
    let second = Settler::start(&network, &outbox, 2);
    let asked = second.ask(member);
    let passed = async || {
        network.mine(1).await;
        outbox.open().is_empty().then_some(()).filter(|()| outbox.closed().len() == 2)
    };
    tests::wait::until("the second transaction", passed).await;
    let moved = transaction(&answered(asked).await);
    assert_ne!(moved, recorded.versions[0].hash);
    assert_eq!(outbox.closed()[0].landed, None);
    expect_moved_once(&network, &outbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_waiting_changes_nothing() {
    let network = Network::start().await;
    let (_, member) = paying(&network).await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    network.mine_each(false).await;
    let asked = settler.ask(member);
    on_its_way(&outbox).await;
    asked.abort();
    network.mine_each(true).await;
    network.mine(1).await;
    closed(&outbox).await;
    expect_moved_once(&network, &outbox).await;
}

/// A block that is too dear for what was sent at the price of before.
async fn dear_blocks(network: &Network) {
    network.rpc("anvil_setNextBlockBaseFeePerGas", json!(["0xba43b7400"])).await;
    network.mine(1).await;
}

async fn in_the_pool(network: &Network, transaction: &B256) {
    let there = async || {
        let found = network.rpc("eth_getTransactionByHash", json!([transaction])).await;
        (!found.is_null()).then_some(())
    };
    tests::wait::until("a transaction in the node's pool", there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_on_their_way_together_have_nonces_of_their_own() {
    let network = Network::start().await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    network.fund(settler.handle.address(), 5_000).await;
    network.mine_each(false).await;
    let payout = |number: u64| Member {
        id: format!("pyo_{number}").into(),
        order: Order::Payout {
            token: usdc().address,
            to: recipient(),
            amount: "100".parse().expect("a number"),
        },
        since_block: 0,
        has_code: false,
    };
    let asked: Vec<_> = (0..3).map(|number| settler.ask(payout(number))).collect();
    let all = async || (outbox.open().len() == 3).then_some(());
    tests::wait::until("three transactions", all).await;
    network.mine_each(true).await;
    network.mine(1).await;
    for answer in asked {
        transaction(&answered(answer).await);
    }
    assert_eq!(network.balance(recipient()).await, 300);
}
