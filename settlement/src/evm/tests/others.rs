//! What another sender of the key knows better.

use super::flight::Flight;
use super::*;

const MOVED: B256 = B256::repeat_byte(7);

#[tokio::test]
async fn what_another_sender_closed_is_told_as_that_one_closed_it() {
    let (_node, _settler, mut task, outbox) = sender(reverting()).await;
    task.is_ready();
    let mut answered = task.queued(payout("out/0"));
    let recorded = Recorded { nonce: 0, members: task.queue.drain(..).collect(), versions: Vec::new() };
    task.flights.push(Flight::sent(recorded.clone(), true, 0));
    let over = [("out/0".into(), Over::Moved(MOVED))].into();
    *outbox.0.lock() = Standing { over, refuses: true, ..Standing::default() };
    // To this one it seems that something else took the nonce.
    assert!(task.finish(&recorded, None, true).await.is_err());
    assert!(answered.try_recv().is_err(), "it knows less than whoever closed it");
    task.dispatch().await.unwrap();
    assert_eq!(answered.try_recv(), Ok(Settling::Moved(MOVED)));
    assert!(task.flights.is_empty());
}

#[tokio::test]
async fn a_transfer_that_a_node_refuses_is_told_so_only_once_that_is_written_down() {
    let (_node, _settler, mut task, outbox) = sender(reverting()).await;
    task.is_ready();
    outbox.0.lock().refuses = true;
    let mut answered = task.queued(payout("out/0"));
    assert!(task.dispatch().await.is_err());
    assert!(answered.try_recv().is_err(), "whoever has the turn may send it");
    outbox.0.lock().refuses = false;
    task.dispatch().await.unwrap();
    assert_eq!(answered.try_recv(), Ok(Settling::Refused("no".to_owned())));
    assert_eq!(outbox.0.lock().given_up, ["out/0".into()]);
}
