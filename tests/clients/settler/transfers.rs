//! Transfers out of our own account, which no nonce of a signature keeps from being made twice: whatever crashes, fails or is taken by
//! somebody else, each is made once, or told to be seen to.

use domain::Address;

use super::*;

/// What each of them moves.
const UNITS: u64 = 100;

fn transfer(id: &str) -> Member {
    Member::payout(id.into(), usdc().address, recipient(), UNITS.to_string().parse().expect("a number"))
}

/// A chain on which our account has enough for many.
async fn network() -> Network {
    let network = Network::start().await;
    network.fund(settler_address().parse().expect("an address"), 100 * UNITS).await;
    network
}

async fn expect_moved(network: &Network, times: u64) {
    assert_eq!(network.balance(recipient()).await, times * UNITS);
}

async fn all_closed(outbox: &Memory, count: usize) {
    let all = async || (outbox.open().is_empty() && outbox.closed().len() == count).then_some(());
    tests::wait::until("the end of every transaction", all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_recorded_before_a_crash_is_made_once_whether_or_not_anybody_asks_again() {
    let network = network().await;
    let outbox = Memory::default();
    outbox.hang();
    let first = Settler::start(&network, &outbox, 0);
    let asked = first.ask(transfer("out/0"));
    on_its_way(&outbox).await;
    drop(first);
    assert!(matches!(answered(asked).await, Settling::Unknown(_)));
    expect_moved(&network, 0).await;
    let recorded = outbox.open().remove(0);
    outbox.go_on();
    let second = Settler::start(&network, &outbox, 0);
    all_closed(&outbox, 1).await;
    assert_eq!(transaction(&second.settle(transfer("out/0")).await), recorded.versions[0].hash);
    drop(second);
    let third = Settler::start(&network, &outbox, 0);
    assert_eq!(transaction(&third.settle(transfer("out/0")).await), recorded.versions[0].hash);
    expect_moved(&network, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_sent_before_a_crash_is_waited_for_and_not_made_again() {
    let network = network().await;
    let outbox = Memory::default();
    network.mine_each(false).await;
    let first = Settler::start(&network, &outbox, 2);
    let _asked = first.ask(transfer("out/0"));
    on_its_way(&outbox).await;
    drop(first);
    let second = Settler::start(&network, &outbox, 2);
    let asked = second.ask(transfer("out/0"));
    let lands = async || {
        network.mine(1).await;
        outbox.open().is_empty().then_some(())
    };
    tests::wait::until("a block that counts", lands).await;
    transaction(&answered(asked).await);
    expect_moved(&network, 1).await;
}

/// The disk took it, and its answer was lost.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_in_the_outbox_though_its_writer_heard_an_error_is_sent_once() {
    let network = network().await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    outbox.lose_an_answer();
    let moved = transaction(&settler.settle(transfer("out/0")).await);
    assert_eq!(
        transaction(&settler.settle(transfer("out/1")).await),
        outbox.closed()[1].landed.expect("it").transaction
    );
    assert_eq!(outbox.closed()[0].landed.map(|landed| landed.transaction), Some(moved));
    expect_moved(&network, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_nonce_another_transaction_took_is_told_and_no_other_is_sent_until_a_person_has_looked() {
    let network = network().await;
    let outbox = Memory::default();
    outbox.hang();
    let first = Settler::start(&network, &outbox, 2);
    let _asked = first.ask(transfer("out/0"));
    on_its_way(&outbox).await;
    drop(first);
    outbox.go_on();
    // Somebody who has the same key was faster.
    network.send(&settler_address(), Address::repeat_byte(7), "0x").await;
    let second = Settler::start(&network, &outbox, 2);
    let asked = second.ask(transfer("out/0"));
    let passed = async || {
        network.mine(1).await;
        outbox.open().is_empty().then_some(())
    };
    tests::wait::until("its end", passed).await;
    let told = answered(asked).await;
    assert!(matches!(&told, Settling::Refused(why) if why.contains("took its place")), "{told:?}");
    assert_eq!(second.settle(transfer("out/0")).await, told);
    // Whoever took it has the key, and may have sent others: what payers signed goes on.
    let held = answered(second.ask(transfer("out/1"))).await;
    assert!(matches!(&held, Settling::Unknown(why) if why.contains("does not know all")), "{held:?}");
    assert!(!second.handle.knows_all());
    let payer = network.payers(1, 1_000).await.remove(0);
    let asked = second.ask(member(&payer, &offer()));
    let lands = async || {
        network.mine(1).await;
        asked.is_finished().then_some(())
    };
    tests::wait::until("a payment", lands).await;
    transaction(&answered(asked).await);
    drop(second);
    let third = Settler::start(&network, &outbox, 2);
    assert!(matches!(third.settle(transfer("out/1")).await, Settling::Unknown(_)));
    drop(third);
    assert_eq!(network.balance(recipient()).await, 1_000);
    // A person has seen to it: under another name it is another one.
    let knowing = Settings { first_nonce: 2, ..settings() };
    let fourth = Settler::start_with(&network, &outbox, 2, knowing);
    let asked = fourth.ask(transfer("out/1"));
    let lands = async || {
        network.mine(1).await;
        asked.is_finished().then_some(())
    };
    tests::wait::until("the second one", lands).await;
    transaction(&answered(asked).await);
    assert_eq!(network.balance(recipient()).await, 1_000 + UNITS);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_reverted_is_told_and_so_is_whoever_asks_again() {
    let network = network().await;
    let outbox = Memory::default();
    let code = network.rpc("eth_getCode", json!([usdc().address, "latest"])).await;
    network.mine_each(false).await;
    let settler = Settler::start(&network, &outbox, 0);
    let asked = settler.ask(transfer("out/0"));
    on_its_way(&outbox).await;
    network.rpc("anvil_setCode", json!([usdc().address, "0x60006000fd"])).await;
    let lands = async || {
        network.mine(1).await;
        outbox.open().is_empty().then_some(())
    };
    tests::wait::until("its block", lands).await;
    network.rpc("anvil_setCode", json!([usdc().address, code])).await;
    let told = answered(asked).await;
    assert!(matches!(&told, Settling::Refused(why) if why.contains("reverted")), "{told:?}");
    assert_eq!(settler.settle(transfer("out/0")).await, told);
    expect_moved(&network, 0).await;
}

/// The outbox was put back to what it was before, or somebody else has the key.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_outbox_may_have_forgotten_is_not_sent_until_somebody_says_from_where_on_it_knows_all() {
    let network = network().await;
    let first = Settler::start(&network, &Memory::default(), 0);
    transaction(&first.settle(transfer("out/0")).await);
    drop(first);
    let outbox = Memory::default();
    let second = Settler::start(&network, &outbox, 0);
    let told = second.settle(transfer("out/0")).await;
    assert!(matches!(&told, Settling::Unknown(why) if why.contains("does not know all")), "{told:?}");
    assert!(!second.handle.knows_all() && outbox.open().is_empty());
    // What a payer signed goes on, and hides nothing.
    let payer = network.payers(1, 1_000).await.remove(0);
    transaction(&second.settle(member(&payer, &offer())).await);
    drop(second);
    let third = Settler::start(&network, &outbox, 0);
    assert!(matches!(third.settle(transfer("out/0")).await, Settling::Unknown(_)));
    drop(third);
    let knowing = Settings { first_nonce: 1, ..settings() };
    let fourth = Settler::start_with(&network, &outbox, 0, knowing.clone());
    transaction(&fourth.settle(transfer("out/1")).await);
    assert!(fourth.handle.knows_all());
    drop(fourth);
    // A gap in the middle is one, too.
    network.send(&settler_address(), Address::repeat_byte(7), "0x").await;
    let fifth = Settler::start_with(&network, &outbox, 0, knowing);
    assert!(matches!(fifth.settle(transfer("out/2")).await, Settling::Unknown(_)));
    assert_eq!(network.balance(recipient()).await, 2 * UNITS + 1_000);
}

/// A copy of the outbox works elsewhere: each of them knew all when it began.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_somebody_else_with_the_key_may_have_sent_meanwhile_is_not_sent_and_payers_are_served() {
    let network = network().await;
    let payer = network.payers(1, 2_000).await.remove(0);
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    transaction(&settler.settle(member(&payer, &offer())).await);
    assert!(settler.handle.knows_all());
    // It knows of none of these.
    network.send(&settler_address(), Address::repeat_byte(7), "0x").await;
    let told = settler.settle(transfer("out/0")).await;
    assert!(matches!(&told, Settling::Unknown(why) if why.contains("does not know all")), "{told:?}");
    assert!(!settler.handle.knows_all() && outbox.open().is_empty());
    transaction(&settler.settle(member(&payer, &offer())).await);
    assert!(matches!(settler.settle(transfer("out/0")).await, Settling::Unknown(_)));
    assert_eq!(network.balance(recipient()).await, 2_000);
}

/// An owner of the books that was taken over, and wakes: it knows nothing of what the new one sent.
#[tokio::test(flavor = "multi_thread")]
async fn two_senders_of_one_key_take_no_nonce_from_each_other_and_each_transfer_is_made_once() {
    let network = network().await;
    let outbox = Memory::default();
    network.mine_each(false).await;
    let old = Settler::start(&network, &outbox, 0);
    let new = Settler::start(&network, &outbox, 0);
    let of_new = new.ask(transfer("out/0"));
    on_its_way(&outbox).await;
    let (of_old, again) = (old.ask(transfer("out/1")), old.ask(transfer("out/0")));
    let both = async || (outbox.open().len() == 2).then_some(());
    tests::wait::until("both transactions", both).await;
    let nonces: Vec<u64> = outbox.open().iter().map(|recorded| recorded.nonce).collect();
    assert_eq!(nonces, [0, 1]);
    network.mine_each(true).await;
    network.mine(1).await;
    let first = transaction(&answered(of_new).await);
    assert_ne!(transaction(&answered(of_old).await), first);
    assert_eq!(transaction(&answered(again).await), first);
    expect_moved(&network, 2).await;
}
