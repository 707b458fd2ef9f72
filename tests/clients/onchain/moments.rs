//! C7 at its exact moments: killed while a facilitator verifies, while value moves, and with a settlement's answer in hand, before and after
//! the sync that keeps it. Nobody asks again before it is over: what a restart finds it closes by itself.
//!
//! The disk that is killed at an exact sync is SQLite's.

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Clock, Disk, Gate, Payer, Payment, PublicWorld, Request, Route, Setting, Wire};
use tokio::task::JoinHandle;

const PRICE: u64 = 1_000;
const EXPIRED: &str = "invalid_exact_evm_payload_authorization_valid_before";

fn route() -> [Route; 1] {
    [Route::new("/paid", "$0.001")]
}

/// What is sent and cut off, and the payment in it.
struct CutOff {
    payment: Payment,
    request: Request,
    answer: JoinHandle<bool>,
}

// === impl CutOff ===

impl CutOff {
    async fn send(world: &PublicWorld, payer: &Payer) -> Self {
        let request = Request::get("/paid");
        let payment = payer.pay_challenge(&world.challenge(&request).await);
        let request = request.paying(payment.header());
        let (gateway, sent) = (world.gateway.data(), request.clone());
        let answer =
            tokio::spawn(async move { Wire::connect(gateway).await.try_call(&sent).await.is_some() });
        Self { payment, request, answer }
    }

    /// Killed before it could answer. So often it was asked to settle.
    async fn expect_asked(self, world: &PublicWorld, times: usize) -> Request {
        assert!(!self.answer.await.expect("a call that does not panic"), "nobody was answered");
        let nonce = self.payment.payload["payload"]["authorization"]["nonce"].as_str().expect("a nonce");
        assert_eq!(world.facilitator.count(Call::Settle, nonce), times);
        self.request
    }
}

/// Delivered for what was paid, and not paid again.
async fn delivered(world: &PublicWorld, request: &Request) {
    world.gateway.call(request).await.expect_status(200);
    assert_eq!(world.upstream.calls("/paid").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_d8_killed_while_value_moves_it_is_found_on_chain_though_nobody_asks_again() {
    let mut world = PublicWorld::paid().await;
    let payer = world.payer(PRICE).await;
    world.facilitator.on(Call::Settle, Conduct::silent().after_doing());
    let cut_off = CutOff::send(&world, &payer).await;
    world.facilitator.done(Call::Settle, 1).await;
    world.gateway.kill().await;
    found_by_itself(world, cut_off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_before_the_sync_that_keeps_a_settlements_answer_it_is_found_on_chain() {
    killed_at_the_answer(Disk::kill_before_sync, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_after_the_sync_that_keeps_a_settlements_answer_it_is_captured_once() {
    killed_at_the_answer(Disk::kill_after_sync, 0).await;
}

/// `holds`: so many are on disk then.
async fn killed_at_the_answer(kill: impl Fn(&Disk, u32), holds: u64) {
    let disk = Disk::new();
    let mut world = Setting::new(route()).disk(&disk).start().await;
    // From here on all that is written stands in the log, behind what was written before.
    world.gateway.terminate().await;
    disk.set_log_only(true);
    world.gateway.restart().await;
    let payer = world.payer(PRICE).await;
    let gate = Gate::new();
    world.facilitator.on(Call::Settle, Conduct::honest().at(&gate));
    let cut_off = CutOff::send(&world, &payer).await;
    gate.reached().await;
    let log = world.gateway.data_directory().join("ledger.db-wal");
    let synced = std::fs::metadata(&log).expect("a log").len();
    kill(&disk, 1);
    gate.open();
    assert_eq!(world.gateway.end().await.signal(), Some(Signal::SIGKILL as i32), "killed in its commit");
    if holds > 0 {
        // What was not synced is gone with the power.
        let log = std::fs::File::options().write(true).open(log).expect("the log");
        log.set_len(synced).expect("a log that is cut");
    }
    disk.set_log_only(false);
    assert_eq!(world.gateway.holds().await, holds);
    found_by_itself(world, cut_off).await;
}

/// Started again, and asked by nobody; then its client comes once more.
async fn found_by_itself(mut world: PublicWorld, cut_off: CutOff) {
    world.gateway.restart().await;
    world.settled(PRICE).await;
    let request = cut_off.expect_asked(&world, 1).await;
    delivered(&world, &request).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_a_facilitator_verifies_nothing_is_settled_for_a_call_that_has_ended() {
    let clock = Clock::new();
    let mut world = Setting::new(route()).clock(&clock).start().await;
    let mut payers = world.network.payers(2, 2 * PRICE).await;
    payers.iter_mut().for_each(|payer| payer.follow(&clock));
    // One has moved: when that is known, both were looked at.
    world.facilitator.on_each(Call::Settle, [Conduct::silent().after_doing(), Conduct::honest()]);
    let moved = CutOff::send(&world, &payers[0]).await;
    world.facilitator.done(Call::Settle, 1).await;
    let gate = Gate::new();
    world.facilitator.on(Call::Verify, Conduct::honest().at(&gate));
    let cut_off = CutOff::send(&world, &payers[1]).await;
    gate.reached().await;
    world.gateway.kill().await;
    world.facilitator.on(Call::Verify, Conduct::honest());
    world.gateway.restart().await;
    until("what moved to be found", || async {
        let payments = world.gateway.ask("GET", "/v1/payments", None).await;
        payments["data"].as_array().expect("payments").first().map(drop)
    })
    .await;
    moved.expect_asked(&world, 1).await;
    world.gateway.call(&cut_off.request).await.expect_refusal(503, "settlement_unknown");

    // The end of its time, there and here.
    let end = &cut_off.payment.payload["payload"]["authorization"]["validBefore"];
    let end: u64 = end.as_str().expect("an end").parse().expect("seconds");
    let left = i64::try_from(end).expect("seconds") - clock.seconds();
    world.network.mine_at(end).await;
    world.network.mine(10).await;
    clock.step(left + 1);
    world.settled(PRICE).await;
    let request = cut_off.expect_asked(&world, 0).await;
    world.gateway.call(&request).await.expect_refusal(402, EXPIRED);
    world.buy(&payers[1], &Request::get("/paid")).await.expect_status(200);
    world.settled(2 * PRICE).await;
    world.finish().await;
}
