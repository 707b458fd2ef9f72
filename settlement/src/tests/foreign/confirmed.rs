//! Where nodes are named, a facilitator's success is one once they show it.

use super::*;

/// Of the payment with the nonce 1.
fn paid() -> Value {
    landed(&transaction(7, &[1]))
}

#[tokio::test]
async fn d10_a_success_of_what_landed_and_failed_or_paid_something_else_is_none_where_nodes_are_named() {
    let mut failed = paid();
    failed["meta"]["err"] = json!({ "InstructionError": [2, { "Custom": 1 }] });
    let mut too_little = paid();
    too_little["meta"]["postTokenBalances"][0]["uiTokenAmount"]["amount"] = json!("999");
    for shown in [failed, too_little, landed(&transaction(7, &[2]))] {
        let (_node, witness) = node(move || shown.clone()).await;
        let scene = Scene::with(|line| line.seen_by(witness)).await;
        scene.settles(Some("landed"));
        let (payment, unread) = scene.asked(1).await;
        assert!(matches!(scene.foreign.settle(payment, &unread).await, Settling::Unknown(_)));
        // Nor is it one when it comes again, and nobody is kept out by it.
        assert!(!scene.foreign.settle_again(payment).await);
        assert!(scene.house.ledger.open_unknown(payment).is_some());
        assert!(matches!(scene.identify(2).await, Identity::Payer(_)));
    }
}

#[tokio::test]
async fn a_success_that_a_node_shows_a_moment_later_in_a_confirmed_block_is_one() {
    let asked = AtomicUsize::new(0);
    let shown = move || if asked.fetch_add(1, Ordering::SeqCst) == 0 { Value::Null } else { paid() };
    let (node, witness) = node(shown).await;
    let scene = Scene::with(|line| line.seen_by(witness)).await;
    scene.settles(Some("landed"));
    let (payment, unread) = scene.asked(1).await;
    let moved = TransactionId::Named("landed".parse().unwrap());
    assert_eq!(scene.foreign.settle(payment, &unread).await, Settling::Told(moved));
    let asked: Vec<Value> = node.calls().into_iter().filter_map(|call| call.body).collect();
    let reads: Vec<&Value> = asked.iter().filter(|body| body["method"] == "getTransaction").collect();
    assert_eq!(reads.len(), 2);
    for read in reads {
        assert_eq!(
            (&read["params"][0], &read["params"][1]["commitment"]),
            (&json!("landed"), &json!("confirmed"))
        );
    }
}

#[tokio::test]
async fn a_node_that_is_behind_or_refuses_hides_nothing_that_another_one_shows() {
    for behind in
        [json!({ "result": null }), json!({ "error": { "code": -32005, "message": "node is behind" } })]
    {
        let late = Mock::start().await;
        late.does(Act::Reply(Arc::new(move |question| {
            let mut answer = behind.clone();
            if question["method"] == "getGenesisHash" {
                answer = json!({ "result": "devnet" });
            }
            answer["jsonrpc"] = json!("2.0");
            answer["id"] = question["id"].clone();
            answer.to_string()
        })));
        let (shows, _) = node(paid).await;
        let nodes = Nodes::new(vec![late.url.clone(), shows.url.clone()], LONG).unwrap();
        let witness = Witness::new(nodes.of_genesis("devnet"));
        let scene = Scene::with(|line| line.seen_by(witness)).await;
        scene.settles(Some("landed"));
        let (payment, unread) = scene.asked(1).await;
        assert!(matches!(scene.foreign.settle(payment, &unread).await, Settling::Told(_)));
    }
}

#[tokio::test]
async fn a_success_that_no_node_shows_is_unknown_in_time_and_after_three_nothing_is_forwarded() {
    let (_node, witness) = node(|| Value::Null).await;
    let scene = Scene::within(Duration::from_millis(200), |line| line.seen_by(witness)).await;
    scene.settles(Some("landed"));
    for nonce in 1..4 {
        let (payment, unread) = scene.asked(nonce).await;
        assert!(matches!(scene.foreign.settle(payment, &unread).await, Settling::Unknown(_)));
    }
    assert!(matches!(scene.identify(10).await, Identity::Closed(_)));
}

#[tokio::test]
async fn d10_what_is_found_wrong_once_it_has_landed_has_paid_and_is_refused_only_where_nodes_show_nothing() {
    let invalid = json!({ "isValid": false, "invalidReason": "transaction_already_processed" }).to_string();
    let moved = TransactionId::Named("landed".parse().unwrap());
    let refused = Settling::Refused("transaction_already_processed".to_owned());
    for (shown, expected) in [
        (paid(), Settling::Told(moved)),
        (Value::Null, refused.clone()),
        (landed(&transaction(7, &[2])), refused),
    ] {
        let (_node, witness) = node(move || shown.clone()).await;
        let scene = Scene::with(|line| line.seen_by(witness)).await;
        scene.mock.does(Act::Answer(200, invalid.clone()));
        let (payment, unread) = scene.asked(1).await;
        assert_eq!(scene.foreign.settle(payment, &unread).await, expected);
    }
    // Nobody knows where they do not answer.
    let (node, witness) = node(paid).await;
    node.does(Act::Reset);
    let scene = Scene::with(|line| line.seen_by(witness)).await;
    scene.mock.does(Act::Answer(200, invalid));
    let (payment, unread) = scene.asked(1).await;
    assert!(matches!(scene.foreign.settle(payment, &unread).await, Settling::Unknown(_)));
}
