//! What a person says of a payment, and what is known of it by then or later.

use super::*;

/// Once this is open the facilitator has settled what it was asked to in this transaction.
fn settles_late(scene: &Scene, gate: &Arc<Semaphore>) {
    let settled = json!({ "success": true, "payer": "payer", "transaction": "one", "network": SOLANA });
    let settled = Act::When(Arc::clone(gate), Box::new(Act::Answer(200, settled.to_string())));
    let valid = Act::Answer(200, json!({ "isValid": true, "payer": "payer" }).to_string());
    scene.mock.does(Act::By(Arc::new(move |call| {
        if call.head.contains("/verify") { valid.clone() } else { settled.clone() }
    })));
}

#[tokio::test]
async fn d10_what_moved_though_a_person_said_that_it_did_not_is_an_error_and_counted() {
    for is_void in [true, false] {
        let (scene, gate) = (Scene::new().await, Arc::new(Semaphore::new(0)));
        let (payment, _) = scene.asked(1).await;
        settles_late(&scene, &gate);
        let errors = Arc::new(AtomicUsize::new(0));
        let logging = tracing::subscriber::set_default(Errors(Arc::clone(&errors)));
        let comes_again = async {
            assert!(!scene.foreign.settle_again(payment).await, "somebody else was faster");
        };
        let said = async {
            while scene.mock.calls().iter().all(|call| !call.head.contains("/settle")) {
                tokio::task::yield_now().await;
            }
            let one = TransactionId::Named("one".parse().unwrap());
            let close = if is_void { Close::Void } else { Close::Moved(one.into()) };
            scene.house.ledger.close(payment, close).await.unwrap();
            gate.add_permits(1);
        };
        tokio::join!(comes_again, said);
        drop(logging);
        let late = if is_void { vec![Closed::Late] } else { Vec::new() };
        assert_eq!((errors.load(Ordering::SeqCst), &*scene.told.0.lock()), (late.len(), &late));
    }
}

#[tokio::test]
async fn before_a_person_says_that_it_did_not_move_nodes_are_looked_at_once_more() {
    let (_node, witness) = node(|| landed(&transaction(7, &[1]))).await;
    let scene = Scene::with(|line| line.seen_by(witness)).await;
    let ((payment, _), (other, _)) = (scene.asked(1).await, scene.asked(2).await);
    let moved = TransactionId::Named("landed".parse().unwrap());
    assert_eq!(scene.foreign.look_once_more(payment).await, Some(moved));
    assert!(scene.house.ledger.open_unknown(payment).is_none(), "it is captured");
    assert_eq!(scene.foreign.look_once_more(other).await, None);
    assert!(scene.mock.calls().is_empty(), "nobody is asked to settle anything");
}
