//! Facilitators that fail, lie or hang: what is booked is what the chain shows.

use super::*;
use crate::evm::stub::Stub;

fn is_unknown(settling: &Settling) -> bool {
    matches!(settling, Settling::Unknown(_))
}

#[tokio::test]
async fn d5_a_facilitator_that_is_down_is_left_alone_and_tried_again_after_a_pause() {
    let world = World::new(1).await;
    world.facilitators[0].does(Act::Reset);
    for nonce in 1..=3 {
        assert!(world.rail.ready(NETWORK, payer()).is_ok());
        assert!(matches!(world.settle(nonce).await, Settling::Unavailable(_)), "{nonce}");
    }
    // Nobody forwards anything from now on, and nobody asks.
    assert_eq!(world.rail.ready(NETWORK, payer()), Err(RailError::Settler));
    assert!(matches!(world.settle(4).await, Settling::Unavailable(_)));
    assert_eq!((world.asked(0, "verify"), world.asked(0, "settle")), (3, 0));
    world.facilitators[0].does(honest(&world.chain));
    world.later(1_000);
    assert!(world.rail.ready(NETWORK, payer()).is_ok());
    assert_eq!(world.settle(5).await, moved(5));
    assert_eq!(*world.seen.facilitators.lock(), [("0".to_owned(), false), ("0".to_owned(), true)]);
}

/// Somebody else.
fn other(number: u8) -> Address {
    Address::repeat_byte(number)
}

/// A payment of this payer.
fn signed_by(payer: Address, nonce: u8) -> Signed {
    let (payment, requirements) = texts(nonce);
    let mut payment: Value = serde_json::from_str(&payment).unwrap();
    payment["payload"]["authorization"]["from"] = json!(payer);
    Signed::read(NETWORK.into(), TOKEN, 1, &payment.to_string(), &requirements).unwrap()
}

/// Payments of these payers, one after the other.
async fn settle_for(world: &World, payers: &[Address]) {
    for (nonce, payer) in (1..).zip(payers) {
        let id = PaymentId::generate(world.clock.now(), [nonce; 10]);
        let settling = world.rail.settle(id, &signed_by(*payer, nonce), price()).await;
        assert!(matches!(settling, Settling::Unavailable(_)), "{settling:?}");
    }
}

#[tokio::test]
async fn d5_what_is_answered_to_one_payer_and_is_none_of_x402_keeps_that_payer_out_and_nobody_else() {
    let world = World::new(1).await;
    world.facilitators[0].does(Act::Answer(500, "{}".to_owned()));
    settle_for(&world, &[payer(); 5]).await;
    assert_eq!(world.asked(0, "verify"), 3, "it is left alone");
    assert_eq!(world.rail.ready(NETWORK, payer()), Err(RailError::Settler));
    assert!(world.rail.ready(NETWORK, other(7)).is_ok());
    assert!(world.seen.facilitators.lock().is_empty());
    // What was served already is tried on.
    let served = PaymentId::generate(world.clock.now(), [6; 10]);
    assert!(matches!(world.rail.collect(served, &signed(6), price()).await, Settling::Unavailable(_)));
    assert_eq!(world.asked(0, "verify"), 4);
    // Once more after the pause.
    world.later(1_000);
    assert!(world.rail.ready(NETWORK, payer()).is_ok());
    world.facilitators[0].does(honest(&world.chain));
    assert_eq!(world.settle(9).await, moved(9));
    assert_eq!(world.settle(10).await, moved(10));
}

#[tokio::test]
async fn d5_what_is_answered_to_several_payers_in_a_row_or_turns_us_away_closes_a_facilitator() {
    let several = [other(7), other(8), other(9)];
    for (status, payers, is_closed) in
        [(500, several, true), (500, [other(7), other(8), other(7)], false), (401, [other(7); 3], true)]
    {
        let world = World::new(1).await;
        world.facilitators[0].does(Act::Answer(status, "{}".to_owned()));
        settle_for(&world, &payers).await;
        let ready = world.rail.ready(NETWORK, payer());
        assert_eq!(ready.is_err(), is_closed, "{status} {payers:?}");
    }
    // An answer to anybody else ends the row.
    let world = World::new(1).await;
    for payer in several {
        world.facilitators[0].does(Act::Answer(500, "{}".to_owned()));
        settle_for(&world, &[payer]).await;
        let invalid = json!({ "isValid": false, "invalidReason": "insufficient_funds" }).to_string();
        world.facilitators[0].does(Act::Answer(200, invalid));
        assert!(matches!(world.settle(20).await, Settling::Refused(_)));
    }
    assert!(world.rail.ready(NETWORK, payer()).is_ok());
    // And they count anew in the next one.
    world.facilitators[0].does(Act::Answer(500, "{}".to_owned()));
    settle_for(&world, &several).await;
    assert!(world.rail.ready(NETWORK, payer()).is_err());
}

#[tokio::test]
async fn a_facilitator_that_answers_though_not_in_x402_is_left_alone_for_five_seconds_at_most() {
    for (act, comes_back) in [(Act::Answer(401, "{}".to_owned()), true), (Act::Reset, false)] {
        let world = World::new(1).await;
        world.facilitators[0].does(act);
        // Whoever's payment makes it fail has the one that may try each time.
        for nonce in 1..=12 {
            world.settle(nonce).await;
            world.later(5_000);
        }
        assert_eq!(world.rail.ready(NETWORK, payer()).is_ok(), comes_back);
    }
}

#[tokio::test]
async fn d5_another_facilitator_settles_what_one_was_not_asked_to() {
    let world = World::new(2).await;
    world.facilitators[0].does(Act::Reset);
    for nonce in 1..=8 {
        assert_eq!(world.settle(nonce).await, moved(nonce));
    }
    assert_eq!((world.asked(0, "verify"), world.asked(0, "settle")), (3, 0), "then it is left alone");
    assert_eq!(world.asked(1, "settle"), 8);
}

#[tokio::test]
async fn d6_a_facilitator_that_is_slow_holds_up_its_own_places_only() {
    let world = World::with(2, 1, LONG).await;
    let (gate, slow) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (opened, told, chain) = (Arc::clone(&gate), Arc::clone(&slow), Arc::clone(&world.chain));
    world.facilitators[0].does(settling(move |nonce| {
        chain.lock().use_up(nonce, true);
        told.add_permits(1);
        Act::When(Arc::clone(&opened), Box::new(success(transaction(nonce))))
    }));
    let others = async {
        drop(slow.acquire().await.unwrap());
        let others = [world.settle(2).await, world.settle(3).await, world.settle(4).await];
        gate.add_permits(1);
        others
    };
    let (first, others) = tokio::join!(world.settle(1), others);
    assert_eq!((first, others), (moved(1), [moved(2), moved(3), moved(4)]));
    assert_eq!((world.asked(0, "settle"), world.asked(1, "settle")), (1, 3));
}

#[tokio::test]
async fn d6_a_verification_that_takes_too_long_moves_nothing() {
    let world = World::new(1).await;
    world.facilitators[0].does(Act::Hang);
    assert!(matches!(world.settle(1).await, Settling::Unavailable(_)));
    assert_eq!(world.asked(0, "settle"), 0);
}

#[tokio::test]
async fn d7_a_server_that_fails_in_settling_has_refused_nothing_and_no_other_is_asked() {
    let world = World::new(2).await;
    for act in [Act::Answer(500, "{}".to_owned()), Act::Reset, Act::Answer(200, "a".repeat(100_000))] {
        let failing = settling(move |_| act.clone());
        world.facilitators.iter().for_each(|facilitator| facilitator.does(failing.clone()));
        let before = world.asked(0, "settle") + world.asked(1, "settle");
        assert!(is_unknown(&world.settle(1).await));
        assert_eq!(world.asked(0, "settle") + world.asked(1, "settle"), before + 1);
    }
}

#[tokio::test]
async fn d8_a_settlement_that_times_out_after_success_is_found_on_chain() {
    let world = World::new(1).await;
    let chain = Arc::clone(&world.chain);
    world.facilitators[0].does(settling(move |nonce| {
        chain.lock().use_up(nonce, true);
        Act::Hang
    }));
    assert_eq!(world.settle(1).await, moved(1));
    assert_eq!(world.asked(0, "settle"), 1);
}

#[tokio::test]
async fn d10_a_success_that_the_chain_does_not_show_is_not_booked() {
    let world = World::new(1).await;
    world.facilitators[0].does(settling(|nonce| success(transaction(nonce))));
    assert!(is_unknown(&world.settle(1).await));
    // Named another one: what the chain shows is booked.
    let chain = Arc::clone(&world.chain);
    world.facilitators[0].does(settling(move |nonce| {
        chain.lock().use_up(nonce, true);
        success(B256::repeat_byte(9))
    }));
    assert_eq!(world.settle(2).await, moved(2));
}

#[tokio::test]
async fn d10_a_refusal_whose_nonce_is_used_is_none() {
    let world = World::new(1).await;
    let chain = Arc::clone(&world.chain);
    world.facilitators[0].does(settling(move |nonce| {
        chain.lock().use_up(nonce, true);
        refusal("insufficient_funds")
    }));
    assert_eq!(world.settle(1).await, moved(1), "whatever was said of it");
    let invalid = json!({ "isValid": false, "invalidReason": "insufficient_funds" }).to_string();
    world.facilitators[0].does(Act::Answer(200, invalid));
    // Settled before: by whom, the evidence says.
    assert!(is_unknown(&world.settle(1).await));
    assert_eq!(world.settle(2).await, Settling::Refused("insufficient_funds".to_owned()));
    world.node.does(Act::Reset);
    assert!(is_unknown(&world.settle(3).await));
}

#[tokio::test]
async fn d10_who_was_asked_to_settle_and_says_no_may_still_do_it() {
    let world = World::new(1).await;
    world.facilitators[0].does(settling(|_| refusal("insufficient_funds")));
    assert!(is_unknown(&world.settle(1).await), "a fresh 402 would have its payer pay twice");
    let reads = || {
        let calls = world.node.calls();
        calls
            .iter()
            .filter(|call| call.body.as_ref().is_some_and(|body| body["method"] == "eth_call"))
            .count()
    };
    assert_eq!(reads(), 2, "it is not looked for as long as one that may have been made");
    world.facilitators[0].does(settling(|_| Act::Answer(500, "{}".to_owned())));
    assert!(is_unknown(&world.settle(2).await));
    assert_eq!(reads(), 2 + 3);
}

#[tokio::test]
async fn d11_an_answer_about_another_payment_is_no_success() {
    let world = World::new(1).await;
    let other = json!({
        "success": true, "transaction": B256::repeat_byte(9), "network": NETWORK, "payer": Address::repeat_byte(9)
    });
    world.facilitators[0].does(settling(move |_| Act::Answer(200, other.to_string())));
    assert!(is_unknown(&world.settle(1).await));
}

#[tokio::test]
async fn a12_a_nonce_that_is_used_without_a_transfer_is_not_settled() {
    let world = World::new(1).await;
    let chain = Arc::clone(&world.chain);
    world.facilitators[0].does(settling(move |nonce| {
        chain.lock().use_up(nonce, false);
        success(transaction(nonce))
    }));
    assert!(is_unknown(&world.settle(1).await));
}

#[tokio::test]
async fn what_is_unused_past_its_time_never_moves() {
    let world = World::new(1).await;
    world.facilitators[0].does(settling(|_| Act::Reset));
    world.chain.lock().time = VALID_BEFORE - 1;
    assert!(is_unknown(&world.settle(1).await));
    world.chain.lock().time = VALID_BEFORE;
    assert_eq!(world.settle(1).await, Settling::Refused("expired".to_owned()));
}

#[tokio::test]
async fn what_is_settled_behind_the_requests_leaves_places_for_those_who_wait() {
    let world = World::with(1, 2, LONG).await;
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (opened, told, chain) = (Arc::clone(&gate), Arc::clone(&begun), Arc::clone(&world.chain));
    world.facilitators[0].does(settling(move |nonce| {
        chain.lock().use_up(nonce, true);
        told.add_permits(1);
        // Those behind take until somebody who waits has been served.
        if nonce == B256::repeat_byte(9) {
            success(transaction(nonce))
        } else {
            Act::When(Arc::clone(&opened), Box::new(success(transaction(nonce))))
        }
    }));
    let behind = async |nonce: u8| {
        let id = PaymentId::generate(world.clock.now(), [nonce; 10]);
        world.rail.collect(id, &signed(nonce), price()).await
    };
    let waiting = async {
        drop(begun.acquire().await.unwrap());
        let settling = world.settle(9).await;
        gate.add_permits(1);
        settling
    };
    let (first, second, waited) = tokio::join!(behind(1), behind(2), waiting);
    assert_eq!((first, second, waited), (moved(1), moved(2), moved(9)));
}

#[tokio::test]
async fn our_own_settler_is_waited_for_a_minute_and_what_no_block_shows_by_then_is_unknown() {
    tokio::time::pause();
    let (settler, _asked) = Stub::silent(PAY_TO);
    let chain = Chain::new(Nodes::new(vec!["http://127.0.0.1:9".to_owned()], LONG).unwrap(), 0);
    let line = Line::new(network(), Arc::new(chain), Settler::Evm(settler), (LONG, LONG));
    let clock = Hands(AtomicI64::new(i64::try_from(BEGAN).unwrap() * 1_000));
    let share = Share { running_max: 8, wait_max: LONG };
    let rail = Rail::new(vec![line], share, Arc::new(clock), Arc::new(Unobserved));
    let id = PaymentId::generate(rail.now(), [1; 10]);
    let signed = signed(1);
    let (asking, collecting) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(61), rail.settle(id, &signed, price())),
        tokio::time::timeout(Duration::from_secs(61), rail.collect(id, &signed, price())),
    );
    assert!(is_unknown(&asking.unwrap()) && is_unknown(&collecting.unwrap()));
    assert_eq!(rail.last_heard(&id), Some(Last::Unknown));
}
