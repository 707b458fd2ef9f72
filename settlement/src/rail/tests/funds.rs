//! What a payer has is read once for many, and never guessed.

use super::*;

fn purse() -> Purse {
    Purse { network: NETWORK.into(), token: TOKEN, payer: payer(), by_permit: false }
}

fn reads(world: &World) -> usize {
    let calls = world.node.calls();
    calls.iter().filter(|call| call.body.as_ref().is_some_and(|body| body["method"] == "eth_call")).count()
}

#[tokio::test]
async fn funds_are_read_once_for_many_payments_at_once_and_again_when_they_are_old() {
    let world = World::new(1).await;
    let paying = (0..50).map(|_| async { world.rail.funds(&purse(), price()).await });
    for funds in join_all(paying).await {
        assert_eq!(funds, Ok(Funds { balance: U256::from(1_000_000), allowance: None }));
    }
    assert_eq!(reads(&world), 1);
    world.later(9_999);
    world.rail.funds(&purse(), price()).await.unwrap();
    assert_eq!(reads(&world), 1);
    world.later(1);
    world.chain.lock().balance = 999;
    let funds = world.rail.funds(&purse(), price()).await.unwrap();
    assert_eq!((reads(&world), funds.lack(price())), (2, Some(Lack::Balance)));
    // Whoever was topped up waits a second, not ten.
    world.chain.lock().balance = 1_000;
    world.later(1_000);
    let funds = world.rail.funds(&purse(), price()).await.unwrap();
    assert_eq!((reads(&world), funds.lack(price())), (3, None));
}

#[tokio::test]
async fn a_payer_who_had_enough_within_the_hour_is_known_and_a_stranger_is_not() {
    let world = World::new(1).await;
    let known = || world.rail.known(&purse(), price());
    let funds = |units: u64| Known::Funds(Funds { balance: U256::from(units), allowance: None });
    assert_eq!(known(), Known::Stranger, "nobody has asked yet");
    world.chain.lock().balance = 999;
    world.rail.funds(&purse(), price()).await.unwrap();
    assert_eq!(known(), funds(999), "that it is too little is remembered, and costs nothing");
    world.later(1_000);
    assert_eq!(known(), Known::Stranger);
    world.chain.lock().balance = 1_000;
    world.rail.funds(&purse(), price()).await.unwrap();
    world.later(9_999);
    assert_eq!(known(), funds(1_000));
    world.later(1);
    assert_eq!(known(), Known::Expected, "what is in it is read again");
    world.later(3_589_999);
    assert_eq!(known(), Known::Expected);
    world.later(1);
    assert_eq!(known(), Known::Stranger);
    assert_eq!(reads(&world), 2, "to tell asks nobody");
}

#[tokio::test]
async fn a_payer_whose_funds_a_node_did_not_tell_is_no_stranger_for_a_second() {
    let world = World::new(1).await;
    world.node.does(Act::Reset);
    assert!(world.rail.funds(&purse(), price()).await.is_err());
    assert_eq!(world.rail.known(&purse(), price()), Known::Expected, "nobody asks again for a second");
    world.later(1_000);
    assert_eq!(world.rail.known(&purse(), price()), Known::Stranger);
}

#[tokio::test]
async fn a_network_that_cannot_be_read_is_an_error_and_no_empty_purse() {
    let world = World::new(1).await;
    world.node.does(Act::Reset);
    for _ in 0..3 {
        world.later(1_000);
        assert_eq!(world.rail.funds(&purse(), price()).await, Err(RailError::Nodes(RpcError::Unreachable)));
    }
    assert_eq!(world.rail.ready(NETWORK, payer()), Err(RailError::NodesLeftAlone));
    world.later(999);
    assert!(world.rail.funds(&purse(), price()).await.is_err());
    let asked = world.node.calls().len();
    // The failure stands for a moment; then the pause is over as well.
    assert_eq!(asked, 3);
    world.later(1);
    let chain = Arc::clone(&world.chain);
    world.node.does(Act::Reply(Arc::new(move |question| chain.lock().answer(question).to_string())));
    assert!(world.rail.funds(&purse(), price()).await.is_ok());
    assert!(world.rail.ready(NETWORK, payer()).is_ok());
    assert_eq!(*world.seen.nodes.lock(), [false, true]);
}

#[test]
fn a_permit_needs_an_allowance_as_well() {
    let funds = |balance: u64, allowance: u64| Funds {
        balance: U256::from(balance),
        allowance: Some(U256::from(allowance)),
    };
    assert_eq!(funds(1_000, 1_000).lack(price()), None);
    assert_eq!(funds(999, 0).lack(price()), Some(Lack::Balance));
    assert_eq!(funds(1_000, 999).lack(price()), Some(Lack::Allowance));
}

#[test]
fn what_funds_cover_is_the_least_of_them() {
    let units = |units| Amount::from_atomic(units).unwrap();
    let covered = |balance, allowance| Funds { balance, allowance }.covered();
    let [few, many] = [999_u64, 1_000].map(U256::from);
    assert_eq!(covered(few, None), (units(999), Lack::Balance));
    assert_eq!(covered(few, Some(U256::MAX)), (units(999), Lack::Balance));
    assert_eq!(covered(many, Some(few)), (units(999), Lack::Allowance));
    assert_eq!(covered(U256::MAX, None), (units(i64::MAX), Lack::Balance));
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}
