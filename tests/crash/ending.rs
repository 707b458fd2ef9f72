//! C11: SIGTERM. Readiness goes first, what was let in is served, streams have their own limit, and a second signal ends it
//! at once.

use nix::sys::signal::Signal;
use tests::wait::until;
use tests::{Config, Gate, Request, Route, Script, Wire, World};
use tokio::task::JoinSet;

use crate::journal::{Journal, Outcome};

/// Far longer than a test may last: what ends earlier was not ended by it.
const LONG: &str = "1h";

async fn world(shutdown: &str) -> World {
    World::with("$1", |upstream| {
        let tokens =
            r#"{ up_to = "$0.10", unread = "$0.04", units = [{ from = "json:/n", price = "$0.01" }] }"#;
        let chat = Route::metered("/chat", tokens);
        let routes = [Route::new("/paid", "$0.001"), Route::new("/items/{id}", "$0.001"), chat];
        Config::new(upstream, routes).section(&format!("[shutdown]\n{shutdown}"))
    })
    .await
}

/// Waits until whoever balances load would leave it out.
async fn unready(world: &World) {
    until("readiness to be red", || async {
        let [_, _, ops] = world.gateway.addresses();
        let response = Wire::connect(ops).await.call(&Request::get("/readyz")).await;
        (response.status == 503 && response.text().contains("draining")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_readiness_goes_first_and_newcomers_are_served_through_the_pause() {
    let mut world = world(&format!("pause = \"{LONG}\"")).await;
    let mut kept = world.gateway.wire().await;
    kept.call(&Request::get("/paid")).await.expect_status(402);
    world.gateway.signal(Signal::SIGTERM);
    unready(&world).await;
    let served = world.buy(&Request::get("/paid")).await;
    assert_eq!(served.expect_status(200).header("connection"), Some("close"), "come back elsewhere");
    let last = kept.call(&Request::get("/paid")).await;
    assert_eq!(last.expect_status(402).header("connection"), Some("close"));
    world.expect_balance(999_000).await;
    world.gateway.signal(Signal::SIGTERM);
    world.gateway.ended().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_asked_twice_it_ends_at_once_and_charges_nothing_for_what_was_cut() {
    let mut world = world(&format!("grace = \"{LONG}\"")).await;
    let gate = Gate::new();
    world.upstream.on_each(
        "/paid",
        [Script::reply(200, &[], "too late").after(&gate), Script::reply(200, &[], "in time")],
    );
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    let mut running = world.gateway.wire().await;
    running.send(&request).await;
    gate.reached().await;
    world.gateway.signal(Signal::SIGTERM);
    unready(&world).await;
    world.gateway.signal(Signal::SIGTERM);
    world.gateway.ended().await;
    assert!(running.try_response("GET").await.is_none());
    world.gateway.restart().await;
    world.expect_balance(1_000_000).await;
    assert_eq!(world.gateway.call(&request).await.expect_status(200).text(), "in time");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_stream_ends_at_its_own_limit_and_a_request_beside_it_finishes() {
    let mut world = world(&format!("grace = \"{LONG}\"\nstream_grace = \"10ms\"")).await;
    let (silence, work) = (Gate::new(), Gate::new());
    let stream = Script::begin(200, &["content-type: text/event-stream"]).send("data: 1\n\n").pass(&silence);
    world.upstream.on("/items/stream", stream);
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&work));
    let payment = world.agent.sign(&world.gateway, &Request::get("/items/stream")).await;
    let mut streaming = world.gateway.wire().await;
    streaming.send(&Request::get("/items/stream").paying(payment.header())).await;
    assert_eq!(streaming.head("GET").await.unwrap().0, 200);
    silence.reached().await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut running = world.gateway.wire().await;
    running.send(&Request::get("/paid").paying(payment.header())).await;
    work.reached().await;
    world.gateway.signal(Signal::SIGTERM);
    unready(&world).await;
    work.open();
    assert_eq!(running.response("GET").await.expect_status(200).text(), "done");
    // The stream is silent for ever; the process ends all the same.
    world.gateway.ended().await;
    world.gateway.restart().await;
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_an_answer_that_begins_after_the_doors_closed_is_given_whole_and_streams_that_are_cut_cost_nothing()
 {
    let mut world = world(&format!("grace = \"{LONG}\"\nstream_grace = \"0s\"")).await;
    let (more, work): (Vec<_>, _) = ((0..1_000).map(|_| Gate::new()).collect(), Gate::new());
    let stream = |gates: &[Gate]| {
        let begun = Script::events().event(r#"{"n":null}"#);
        gates.iter().fold(begun, |script, gate| script.pass(gate).event(r#"{"n":null}"#))
    };
    let late = Script::begin(200, &["transfer-encoding: chunked"]).after(&work).chunk("all of ").chunk("it");
    world.upstream.on("/items/stream", stream(&more));
    let last = [Gate::new()];
    world.upstream.on("/chat", stream(&last));
    world.upstream.on("/paid", late.last_chunk());
    let key = world.agent.key(&world.gateway).await;
    let mut streams = Vec::new();
    for path in ["/items/stream", "/chat"] {
        let mut wire = world.gateway.wire().await;
        wire.send(&Request::get(path).key(&key)).await;
        assert_eq!(wire.head("GET").await.unwrap().0, 200);
        wire.piece().await.unwrap();
        streams.push(wire);
    }
    let mut running = world.gateway.wire().await;
    running.send(&Request::post("/paid", "work").key(&key)).await;
    work.reached().await;
    world.gateway.signal(Signal::SIGTERM);
    unready(&world).await;
    // The doors close in a moment: then the next piece ends the stream.
    for gate in &more {
        gate.open();
        if streams[0].piece().await.is_none() {
            break;
        }
    }
    last[0].open();
    assert_eq!(streams[1].piece().await, None, "broken off, as the other one");
    work.open();
    let response = running.response("POST").await;
    assert!(response.complete, "{response:?}");
    assert_eq!(response.expect_status(200).text(), "all of it");
    world.gateway.ended().await;
    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_silent_stream_that_is_cut_costs_what_was_counted_of_it() {
    let mut world = world(&format!("grace = \"{LONG}\"\nstream_grace = \"0s\"")).await;
    let silence = Gate::new();
    let stream = |said: &str| Script::events().event(said).pass(&silence);
    world.upstream.on_each("/chat", [stream(r#"{"n":3}"#), stream(r#"{"n":null}"#)]);
    let key = world.agent.key(&world.gateway).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut wire = world.gateway.wire().await;
        wire.send(&Request::get("/chat").key(&key)).await;
        assert_eq!(wire.head("GET").await.unwrap().0, 200);
        wire.piece().await.unwrap();
        streams.push(wire);
    }
    world.gateway.terminate().await;
    world.gateway.restart().await;
    world.expect_balance(970_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_connection_that_was_let_in_is_heard() {
    let mut world = world("").await;
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let bytes = Request::get("/paid").paying(payment.header()).bytes("a.example");
    let (begin, rest) = bytes.split_at(bytes.len() / 2);
    let mut newcomer = world.gateway.wire().await;
    newcomer.send_bytes(begin).await;
    world.gateway.signal(Signal::SIGTERM);
    // No request is running: only this connection is waited for, and not for long.
    until("the end to begin", || async { world.gateway.log().contains("ending: ").then_some(()) }).await;
    newcomer.send_bytes(rest).await;
    newcomer.response("GET").await.expect_status(200);
    world.gateway.ended().await;
    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_under_load_every_work_that_was_done_is_answered_and_charged() {
    const CLIENTS: usize = 32;
    let mut world = world("").await;
    let challenge = world.gateway.challenge("/items/0").await.challenge();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (gateway, payer, challenge) =
            (world.gateway.data(), world.agent.payer.clone(), challenge.clone());
        clients.spawn(async move {
            let mut journal = Journal::default();
            for number in 0.. {
                // One connection for a few requests: some are in use when the end comes, some rest, some are new.
                let Some(mut wire) = Wire::try_connect(gateway).await else { break };
                let signed = Request::get(&format!("/items/{client}-{number}"))
                    .paying(payer.pay_challenge(&challenge).header());
                match wire.try_call(&signed).await {
                    Some(response) if response.complete => match Outcome::of(&response) {
                        Outcome::Charged(payment) => journal.acknowledged.push(payment),
                        Outcome::Again => panic!("turned away: {}", response.status),
                    },
                    Some(_) => panic!("an answer broke off"),
                    // Refused while the sockets were being closed.
                    None => break,
                }
            }
            journal
        });
    }
    until("some load", || async { (world.upstream.seen().len() >= 4 * CLIENTS).then_some(()) }).await;
    world.gateway.terminate().await;
    let mut journal = Journal::default();
    for known in clients.join_all().await {
        journal.merge(known);
    }
    journal.expect_distinct();
    world.gateway.restart().await;
    let payments = world.gateway.ask("GET", "/v1/audit", None).await["payments"].as_u64().unwrap();
    let count = journal.acknowledged.len();
    println!("{count} payments before the end");
    assert_eq!(
        payments, count as u64,
        "what was charged was answered, and what was answered is in the books"
    );
    assert_eq!(world.upstream.seen().len(), count, "no work that was done was voided");
    world.finish().await;
}
