//! Who is moved and who is not.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_settled_by_our_own_transaction_once_however_often_it_is_asked_for() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    let member = member(&payer, &offer());
    let settled = settler.settle_all([member.clone(), member.clone()]).await;
    let received = network.received(recipient()).await;
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].from, received[0].value), (payer.address(), 1_000));
    assert_eq!(settled, [Settling::Moved(received[0].transaction), Settling::Moved(received[0].transaction)]);
    assert_eq!(settler.settle(member).await, Settling::Moved(received[0].transaction));
    assert_eq!(outbox.closed().len(), 1);
    assert!(outbox.open().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_go_into_few_transactions_and_each_is_moved_once() {
    let network = Network::start().await;
    let payers = network.payers(20, 1_000_000).await;
    let outbox = Memory::default();
    let settler = Settler::start_with(&network, &outbox, 0, gathering());
    let members: Vec<_> = payers.iter().cycle().take(400).map(|payer| member(payer, &offer())).collect();
    for settled in settler.settle_all(members).await {
        transaction(&settled);
    }
    assert_eq!(network.received(recipient()).await.len(), 400);
    assert_eq!(network.balance(recipient()).await, 400_000);
    let sizes: Vec<_> = outbox.closed().iter().map(|closed| closed.outcomes.len()).collect();
    // What fits into the gas that a network takes of one transaction.
    assert_eq!(sizes, [130, 130, 130, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_would_fail_are_refused_before_anything_is_sent_and_cost_the_others_nothing() {
    let network = Network::start().await;
    let payers = network.payers(2, 5_000).await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    let good = member(&payers[0], &offer());
    let poor = member(&Payer::random(), &offer());
    let mut dear = offer();
    dear["amount"] = "6000".into();
    let over = member(&payers[1], &dear);
    let forged = {
        let mut forged = member(&payers[1], &offer());
        let Order::Payment { signature, .. } = &mut forged.order else { panic!("a payment") };
        *signature = vec![7; 65].into();
        forged
    };
    let settled = settler.settle_all([poor, good, over, forged]).await;
    let refused = |why: &str| Settling::Refused(why.to_owned());
    assert_eq!(
        (&settled[0], &settled[2], &settled[3]),
        (&refused("balance"), &refused("balance"), &refused("signature"))
    );
    transaction(&settled[1]);
    let told: Vec<_> = network.received(recipient()).await.iter().map(|moved| moved.from).collect();
    assert_eq!(told, [payers[0].address()]);
    assert_eq!(outbox.closed().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_are_moved_as_well_and_of_upto_only_what_was_used() {
    let network = Network::start().await;
    let payers = network.payers(4, 5_000).await;
    for payer in &payers {
        network.approve_permit2(payer.address()).await;
    }
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    let mut permit = offer();
    permit["extra"]["assetTransferMethod"] = "permit2".into();
    let mut upto = permit.clone();
    upto["scheme"] = "upto".into();
    upto["extra"]["facilitatorAddress"] = settler.handle.address().to_checksum(None).into();
    let less = |mut member: Member| {
        let Order::Payment { amount, .. } = &mut member.order else { panic!("a payment") };
        *amount = "300".parse().expect("a number");
        member
    };
    let mut members = vec![member(&payers[0], &offer())];
    // Alike: the same payer pays the same twice.
    members.extend([&payers[0], &payers[1], &payers[1]].map(|payer| member(payer, &permit)));
    members.extend([&payers[2], &payers[3]].map(|payer| less(member(payer, &upto))));
    upto["extra"]["facilitatorAddress"] = recipient().to_checksum(None).into();
    members.push(member(&payers[2], &upto));
    let mut settled = settler.settle_all(members).await;
    // The error of a proxy that somebody else than the named facilitator calls.
    let unauthorized = settled.pop().expect("the last one");
    assert_eq!(unauthorized, Settling::Refused("custom error 0x0f6fae87".to_owned()));
    for settled in &settled {
        transaction(settled);
    }
    let mut told: Vec<_> = network.received(recipient()).await.iter().map(|moved| moved.value).collect();
    told.sort_unstable();
    assert_eq!(told, [300, 300, 1_000, 1_000, 1_000, 1_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_of_our_own_is_made_once() {
    let network = Network::start().await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    let payout = |id: &str, amount: &str| Member {
        id: id.into(),
        order: Order::Payout {
            token: usdc().address,
            to: recipient(),
            amount: amount.parse().expect("a number"),
        },
        since_block: 0,
        has_code: false,
    };
    assert_eq!(settler.settle(payout("pyo_0", "1")).await, Settling::Refused("balance".to_owned()));
    network.fund(settler.handle.address(), 10_000).await;
    let settled = settler.settle_all((1..=20).map(|number| payout(&format!("pyo_{number}"), "100"))).await;
    for settled in &settled {
        transaction(settled);
    }
    // Asked for again, one is told what became of it, also by a settler that never heard of it.
    assert_eq!(settler.settle(payout("pyo_7", "100")).await, settled[6]);
    drop(settler);
    let settler = Settler::start(&network, &outbox, 0);
    assert_eq!(settler.settle(payout("pyo_7", "100")).await, settled[6]);
    assert_eq!(network.balance(recipient()).await, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_call_fails_in_the_block_costs_the_others_nothing_and_is_unknown_until_its_time_is_over() {
    let network = Network::start().await;
    let payers = network.payers(3, 1_000).await;
    let outbox = Memory::default();
    let settler = Settler::start(&network, &outbox, 0);
    network.mine_each(false).await;
    let members: Vec<_> = payers.iter().map(|payer| member(payer, &offer())).collect();
    let asked: Vec<_> = members.iter().cloned().map(|member| settler.ask(member)).collect();
    on_its_way(&outbox).await;
    // One spends its money elsewhere, in the same block and before.
    let to =
        format!("{:0>64}", tests::payer::hex(Address::repeat_byte(8).as_slice()).trim_start_matches("0x"));
    let spend = json!([{
        "from": payers[1].address(), "to": usdc().address, "data": format!("0xa9059cbb{to}{:064x}", 1_000),
        "maxPriorityFeePerGas": "0xba43b7400", "maxFeePerGas": "0xba43b7400"
    }]);
    network.rpc("anvil_setBalance", json!([payers[1].address(), "0xde0b6b3a7640000"])).await;
    network.rpc("anvil_impersonateAccount", json!([payers[1].address()])).await;
    network.rpc("eth_sendTransaction", spend).await;
    network.mine_each(true).await;
    network.mine(1).await;
    let mut settled = Vec::new();
    for answer in asked {
        settled.push(answered(answer).await);
    }
    assert_eq!(transaction(&settled[0]), transaction(&settled[2]));
    // Its signature stands in a block for everybody to read: until it is void, somebody may still use it.
    assert_eq!(settled[1], Settling::Unknown("balance".to_owned()));
    assert_eq!(network.received(recipient()).await.len(), 2);
    network.mine_at(network.time().await + 1_000).await;
    let over = settler.settle(members[1].clone()).await;
    assert!(matches!(over, Settling::Refused(_)), "{over:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_moved_is_moved_once_that_counts() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    network.mine(5).await;
    let first = Settler::start(&network, &Memory::default(), 0);
    let member = member(&payer, &offer());
    let moved = transaction(&first.settle(member.clone()).await);
    // One that knows nothing of it.
    let second = Settler::start(&network, &Memory::default(), 2);
    let early = second.settle(member.clone()).await;
    assert!(matches!(early, Settling::Unknown(_)), "{early:?}");
    network.mine(2).await;
    assert_eq!(second.settle(member).await, Settling::Moved(moved));
    assert_eq!(network.received(recipient()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_block_shows_is_told_before_it_counts() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    network.mine(10).await;
    let settler = Settler::start(&network, &Memory::default(), 3);
    let member = member(&payer, &offer());
    let shown = within("its block", settler.handle.settle(member.clone(), Depth::Last)).await;
    let received = network.received(recipient()).await;
    assert_eq!(shown, Settling::Shown(received[0].transaction));
    let asked = settler.ask(member.clone());
    // It is told again, to whoever asks now.
    let again = within("its block", settler.handle.settle(member, Depth::Last)).await;
    assert_eq!(again, shown);
    assert!(!asked.is_finished(), "it does not count yet");
    network.mine(3).await;
    assert_eq!(answered(asked).await, Settling::Moved(received[0].transaction));
    assert_eq!(network.received(recipient()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_that_could_not_be_written_down_and_it_is_tried_again() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    let outbox = Memory::default();
    outbox.fail_twice();
    let settler = Settler::start(&network, &outbox, 0);
    let before = network.height().await;
    transaction(&settler.settle(member(&payer, &offer())).await);
    assert_eq!(network.height().await, before + 1);
    assert_eq!(network.received(recipient()).await.len(), 1);
    assert!(outbox.open().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_an_end_that_could_not_be_written_down_until_it_is() {
    let network = Network::start().await;
    let payer = network.payers(1, 5_000).await.remove(0);
    let outbox = Memory::default();
    outbox.fail_two_ends();
    let settler = Settler::start(&network, &outbox, 0);
    let moved = transaction(&settler.settle(member(&payer, &offer())).await);
    assert_eq!(outbox.closed()[0].landed.map(|landed| landed.transaction), Some(moved));
    assert_eq!(network.received(recipient()).await.len(), 1);
}
