//! Who waits for whom.

use super::*;

#[tokio::test]
async fn those_that_go_alone_and_are_refused_hold_up_no_batch_and_no_step_for_long() {
    let (_node, _settler, mut task, _outbox) = sender(reverting()).await;
    task.is_ready();
    let mut alone: Vec<_> = (0..10).map(|number| task.queued(payout(&format!("out/{number}")))).collect();
    let mut batched = task.queued(payment("pay"));
    let mut answered = Vec::new();
    for _ in 0..3 {
        task.dispatch().await.unwrap();
        alone.retain_mut(|answer| answer.try_recv().is_err());
        answered.push((batched.try_recv().is_ok(), alone.len()));
    }
    assert_eq!(
        answered,
        [(true, 6), (false, 2), (false, 0)],
        "the batch first, and four of the others in each step"
    );
}
