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
