//! The disk: the power goes at an exact sync of a commit of the ledger's (C5), the disk is full (C14), a sync fails (C15).
//!
//! SQLite only: PostgreSQL's disk is its own affair, and its failures look like D1 to us.

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::Signal;
use tests::wait::until;
use tests::{Config, Database, Disk, Request, Route, Wire, World, crowd};

use crate::journal::Outcome;

const PRICE: i64 = 1_000;
const FUNDS: i64 = 1_000_000;

/// Requests that are in one commit or two when the power goes.
const AT_ONCE: usize = 8;

/// More than there are connections to what the management API changes.
const CHANGES: usize = 8;

async fn world(disk: &Disk) -> World {
    World::with("$1", |upstream| {
        let routes = [Route::new("/items/{id}", "$0.001"), Route::free("/free")];
        Config { database: Some(Database::Sqlite), ..Config::new(upstream, routes).disk(disk) }
    })
    .await
}

/// Signed requests for this many items; `first` keeps them apart.
async fn signed(world: &World, first: usize, count: usize) -> Vec<Request> {
    let challenge = world.gateway.challenge("/items/0").await.challenge();
    let sign = |number| {
        let payment = world.agent.payer.pay_challenge(&challenge);
        Request::get(&format!("/items/{number}")).paying(payment.header())
    };
    (first..first + count).map(sign).collect()
}

async fn payments(world: &World) -> usize {
    let audit = world.gateway.ask("GET", "/v1/audit", None).await;
    usize::try_from(audit["payments"].as_u64().unwrap()).unwrap()
}

async fn readiness(world: &World) -> u16 {
    let [_, _, ops] = world.gateway.addresses();
    Wire::connect(ops).await.call(&Request::get("/readyz")).await.status
}

/// Sends all at once and lets the disk end the process under them. Every request has an outcome in the end, charged once.
async fn killed_in_a_commit(set: impl Fn(&Disk)) {
    let disk = Disk::new();
    let mut world = world(&disk).await;
    let mut before = 0;
    for request in signed(&world, 1, 2).await {
        world.gateway.call(&request).await.expect_status(200);
        before += 1;
    }
    let requests = signed(&world, 10, AT_ONCE).await;
    set(&disk);
    let calls = requests.iter().cloned().map(|request| {
        let gateway = world.gateway.data();
        tokio::spawn(async move { Wire::connect(gateway).await.try_call(&request).await })
    });
    let calls: Vec<_> = calls.collect();
    let status = world.gateway.end().await;
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "killed inside the commit: {status}");
    let mut acknowledged = 0;
    for call in calls {
        let response = call.await.unwrap();
        acknowledged += usize::from(response.is_some_and(|response| response.status == 200));
    }
    world.gateway.restart().await;
    let kept = payments(&world).await;
    assert!(
        (before + acknowledged..=before + AT_ONCE).contains(&kept),
        "{acknowledged} acknowledged, {kept} kept"
    );
    world.expect_balance(FUNDS - PRICE * i64::try_from(kept).unwrap()).await;
    for request in &requests {
        until("an outcome", || async {
            matches!(Outcome::of(&world.gateway.call(request).await), Outcome::Charged(_)).then_some(())
        })
        .await;
    }
    assert_eq!(payments(&world).await, before + AT_ONCE, "each was charged once");
    world.expect_balance(FUNDS - PRICE * i64::try_from(before + AT_ONCE).unwrap()).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_killed_in_a_commit_before_its_sync_every_outcome_is_found() {
    for sync in 1..=2 {
        killed_in_a_commit(|disk| disk.kill_before_sync(sync)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_killed_in_a_commit_after_its_sync_every_outcome_is_found() {
    for sync in 1..=2 {
        killed_in_a_commit(|disk| disk.kill_after_sync(sync)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_killed_after_the_sync_and_before_the_answer_the_payment_stands_and_is_delivered_free() {
    let disk = Disk::new();
    let mut world = world(&disk).await;
    let request = signed(&world, 1, 1).await.remove(0);
    disk.kill_after_sync(1);
    assert!(world.gateway.wire().await.try_call(&request).await.is_none(), "nobody heard of the commit");
    world.gateway.end().await;
    world.gateway.restart().await;
    assert_eq!(payments(&world).await, 1, "the commit was durable");
    world.gateway.call(&request).await.expect_status(200);
    assert_eq!(world.upstream.calls("/items/1").len(), 2, "forwarded once more under the same receipt");
    world.expect_balance(FUNDS - PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_a_full_disk_charges_nothing_and_heals_without_a_restart() {
    let disk = Disk::new();
    let world = world(&disk).await;
    let requests = signed(&world, 1, 2 * AT_ONCE).await;
    disk.set_full(true);
    for response in crowd::send_all(world.gateway.data(), requests.clone(), AT_ONCE).await {
        assert_eq!(response.status, 503, "{}", response.text());
        assert!(response.header("payment-response").is_none());
        assert!(response.header("payment-required").is_none(), "no client is asked to pay again");
    }
    assert!(disk.failed() > 0, "the disk was asked");
    world.expect_balance(FUNDS).await;
    assert_eq!(readiness(&world).await, 503);
    let forwarded = world.upstream.seen().len();
    for response in crowd::send_all(world.gateway.data(), requests.clone(), AT_ONCE).await {
        assert_eq!(response.status, 503);
    }
    assert_eq!(world.upstream.seen().len(), forwarded, "what cannot be charged is not forwarded");
    world.gateway.call(&Request::get("/free")).await.expect_status(200);
    let freeze = Request::new("POST", &format!("/v1/agents/{}/freeze", world.agent.id));
    for _ in 0..CHANGES {
        let refused = world.gateway.admin(&freeze).await;
        assert!(refused.status >= 500, "nothing could be written: {}", refused.status);
    }

    disk.set_full(false);
    until("readiness", || async { (readiness(&world).await == 200).then_some(()) }).await;
    for response in crowd::send_all(world.gateway.data(), requests.clone(), AT_ONCE).await {
        response.expect_status(200);
    }
    world.expect_balance(FUNDS - PRICE * i64::try_from(requests.len()).unwrap()).await;
    assert_eq!(payments(&world).await, requests.len());
    for (change, status) in [("freeze", 403), ("thaw", 200)] {
        let path = format!("/v1/agents/{}/{change}", world.agent.id);
        world.gateway.ask("POST", &path, None).await;
        world.buy(&Request::get("/items/1")).await.expect_status(status);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c15_a_sync_that_fails_ends_the_process_and_nothing_acknowledged_is_lost() {
    let disk = Disk::new();
    let mut world = world(&disk).await;
    for request in signed(&world, 1, 3).await {
        world.gateway.call(&request).await.expect_status(200);
    }
    let requests = signed(&world, 10, AT_ONCE).await;
    disk.set_broken(true);
    let calls = requests.iter().cloned().map(|request| {
        let gateway = world.gateway.data();
        tokio::spawn(async move {
            // The process ends meanwhile: refused and reset are fine, an answer that says paid is not.
            match Wire::try_connect(gateway).await {
                Some(mut wire) => wire.try_call(&request).await,
                None => None,
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        if let Some(response) = call.await.unwrap() {
            assert_eq!(response.status, 503, "{}", response.text());
            assert!(response.header("payment-response").is_none());
        }
    }
    let status = world.gateway.end().await;
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(world.gateway.log().contains("the disk failed"), "{}", world.gateway.log());
    disk.set_broken(false);
    world.gateway.restart().await;
    let kept = payments(&world).await;
    assert!((3..=3 + AT_ONCE).contains(&kept), "{kept}");
    world.expect_balance(FUNDS - PRICE * i64::try_from(kept).unwrap()).await;
    for request in &requests {
        until("an outcome", || async {
            matches!(Outcome::of(&world.gateway.call(request).await), Outcome::Charged(_)).then_some(())
        })
        .await;
    }
    assert_eq!(payments(&world).await, 3 + AT_ONCE);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_killed_at_any_sync_of_its_first_start_it_starts_the_next_time() {
    let mut killed = 0;
    for sync in 1..=6 {
        let disk = Disk::new();
        let mut world = world(&Disk::new()).await;
        world.gateway.terminate().await;
        // A fresh data directory: schema, identity and catalog are made at this start.
        std::fs::remove_dir_all(world.gateway.data_directory()).unwrap();
        disk.kill_before_sync(sync);
        world.gateway.put_on(&disk);
        match world.gateway.try_restart().await {
            Some(status) => {
                assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "sync {sync}: {status}");
                killed += 1;
            }
            // It needed fewer; one of the next would be the one.
            None => world.gateway.kill().await,
        }
        disk.kill_before_sync(0);
        world.gateway.restart().await;
        world.gateway.challenge("/items/1").await;
        world.finish().await;
    }
    assert!(killed > 0, "a first start syncs its log");
}
