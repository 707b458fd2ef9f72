//! How many payments go through, where many wait for theirs at once: printed, not judged.

use std::time::Instant;

use super::*;

const PAYMENTS: usize = 3_000;
const AT_ONCE: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_payments_that_three_hundred_wait_for_at_once_are_each_moved_once() {
    let network = Network::start().await;
    let payers = network.payers(50, 1_000_000).await;
    let outbox = Memory::default();
    let settler =
        Settler::start_with(&network, &outbox, 0, Settings { gather: Duration::ZERO, ..settings() });
    let members: Vec<_> = payers.iter().cycle().take(PAYMENTS).map(|payer| member(payer, &offer())).collect();
    let began = Instant::now();
    let asking: Vec<_> = members
        .chunks(PAYMENTS / AT_ONCE)
        .map(|members| {
            let (handle, members) = (settler.handle.clone(), members.to_vec());
            tokio::spawn(async move {
                for member in members {
                    transaction(&handle.settle(member, Depth::Counts).await);
                }
            })
        })
        .collect();
    for asked in asking {
        within("all of them", asked).await.expect("moved");
    }
    let took = began.elapsed();
    let transactions = outbox.closed().len();
    println!("{PAYMENTS} payments in {took:?}, {transactions} transactions");
    assert_eq!(network.received(recipient()).await.len(), PAYMENTS);
}
