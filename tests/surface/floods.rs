//! S5: HTTP/2 used as a weapon. The connection that does it is bounded or closed; a neighbour's is served as before.

use std::time::Duration;

use tests::frames::{END_HEADERS, END_STREAM, Ending, Frames};
use tests::h2::Http2;
use tests::{Agent, Config, Faregate, Gate, Request, Route, Script, Upstream, Wire, World};

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
const INITIAL_WINDOW: u16 = 4;

async fn world(limits: &str) -> World {
    let upstream = Upstream::start().await;
    let routes = [Route::new("/paid", "$0.001"), Route::free("/free")];
    let gateway = Faregate::start(Config::new(upstream.address(), routes).section(limits)).await;
    let agent = Agent::new(&gateway, "$1").await;
    World { upstream, gateway, agent }
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_streams_opened_and_reset_at_once_disturb_nobody() {
    let world = world("").await;
    let key = world.agent.key(&world.gateway).await;
    let mut neighbour = Http2::connect(world.gateway.data()).await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "late").after(&gate));
    let mut attacker = Frames::connect(world.gateway.data(), &[]).await;
    let block = attacker.block("GET", "/paid", &[("agent-key", &key)]);
    for stream in 0..3_000 {
        attacker.headers(stream * 2 + 1, END_HEADERS | END_STREAM, &block).await;
        attacker.reset(stream * 2 + 1).await;
        if stream % 500 == 0 {
            neighbour.call(&Request::get("/free")).await.expect_status(200);
        }
    }
    drop(attacker);
    gate.open();
    tests::wait::until("nothing to be held", || async {
        (world.agent.money(&world.gateway).await.held == 0).then_some(())
    })
    .await;
    neighbour.call(&Request::get("/free")).await.expect_status(200);
    world.gateway.challenge("/paid").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_header_that_never_ends_closes_its_connection() {
    let world = world("").await;
    let mut neighbour = Http2::connect(world.gateway.data()).await;
    let mut attacker = Frames::connect(world.gateway.data(), &[]).await;
    let block = attacker.block("GET", "/free", &[]);
    attacker.headers(1, END_STREAM, &block).await;
    let more = attacker.bomb("x", &"y".repeat(1_000), 0);
    for _ in 0..2_000 {
        attacker.continuation(1, &more).await;
    }
    assert_eq!(attacker.ending().await, Ending::Connection);
    neighbour.call(&Request::get("/free")).await.expect_status(200);
    assert_eq!(world.upstream.seen().len(), 1, "only the neighbour's");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_header_that_never_goes_on_is_cut_off() {
    let world = world("[limits]\nclient_header_timeout = \"400ms\"").await;
    let mut attacker = Frames::connect(world.gateway.data(), &[]).await;
    let block = attacker.block("GET", "/free", &[]);
    attacker.headers(1, END_STREAM, &block).await;
    assert_eq!(attacker.ending().await, Ending::Connection);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_few_bytes_that_become_many_fields_are_refused() {
    let world = world("").await;
    let mut neighbour = Http2::connect(world.gateway.data()).await;
    let mut attacker = Frames::connect(world.gateway.data(), &[]).await;
    // Four kilobytes each, four thousand times: sixteen megabytes in a frame of eight kilobytes.
    let mut block = attacker.block("GET", "/free", &[]);
    block.extend(attacker.bomb("x-bomb", &"y".repeat(3_900), 4_000));
    attacker.headers(1, END_HEADERS | END_STREAM, &block).await;
    let _ = attacker.ending().await;
    neighbour.call(&Request::get("/free")).await.expect_status(200);
    assert_eq!(world.upstream.seen().len(), 1, "only the neighbour's");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_client_that_opens_no_window_is_given_up_has_paid_and_gets_no_refund() {
    let world = world("[limits]\nclient_write_timeout = \"500ms\"").await;
    let key = world.agent.key(&world.gateway).await;
    let mut neighbour = Http2::connect(world.gateway.data()).await;
    world.upstream.on("/paid", Script::reply(200, &[], vec![b'z'; 8 * 1024 * 1024]));
    let mut attacker = Frames::connect(world.gateway.data(), &[(INITIAL_WINDOW, 0)]).await;
    let block = attacker.block("GET", "/paid", &[("agent-key", &key)]);
    attacker.headers(1, END_HEADERS | END_STREAM, &block).await;
    assert_eq!(attacker.ending().await, Ending::Answered);
    neighbour.call(&Request::get("/free")).await.expect_status(200);
    assert_eq!(attacker.ending().await, Ending::Stream);
    world.gateway.counted("faregate_request_duration_seconds_count", &[("outcome", "paid")], 1).await;
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_an_http2_length_that_does_not_fit_its_body_is_no_second_request() {
    let world = world("").await;
    let key = world.agent.key(&world.gateway).await;
    let hidden = b"GET /paid HTTP/1.1\r\nHost: a\r\n\r\n";
    for fields in [
        &[("content-length", "0"), ("agent-key", key.as_str())][..],
        &[("content-length", "5"), ("content-length", "31"), ("agent-key", &key)],
        &[("content-length", "31"), ("content-length", "31"), ("agent-key", &key)],
        &[("transfer-encoding", "chunked"), ("agent-key", &key)],
        &[("connection", "keep-alive"), ("agent-key", &key)],
        &[("x", "y\r\ntransfer-encoding: chunked"), ("agent-key", &key)],
        &[("x\r\ntransfer-encoding", "chunked"), ("agent-key", &key)],
        &[("agent-key", &key)],
    ] {
        let mut client = Frames::connect(world.gateway.data(), &[]).await;
        let block = client.block("POST", "/paid", fields);
        client.headers(1, END_HEADERS, &block).await;
        client.data(1, END_STREAM, hidden).await;
        let _ = client.ending().await;
        for tape in world.upstream.tapes() {
            let seen = tests::strict::requests(&tape);
            let seen = seen.unwrap_or_else(|ambiguous| panic!("{fields:?}: {ambiguous}"));
            let unpaid = seen.iter().find(|seen| !seen.fields.has("faregate-payment-id"));
            assert!(unpaid.is_none(), "{fields:?}: {unpaid:?}");
        }
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_requests_that_never_end_lose_their_connection_and_disturb_nobody_on_it() {
    let world = world("[limits]\nclient_read_timeout = \"300ms\"").await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    world.upstream.on("/free", Script::reply(401, &[], "no").before_the_body());
    let key = world.agent.key(&world.gateway).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let served = http2.start(&Request::get("/paid").key(&key)).await;
    gate.reached().await;
    let mut endless = http2.begin(&Request::post("/free", "a").with("Content-Length", "100")).await;
    endless.answer().await.expect_status(401);
    http2.no_more().await;
    gate.open();
    assert_eq!(served.response().await.expect_status(200).text(), "done");
    world.gateway.idle().await;
    drop(endless);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_many_requests_that_never_end_lose_their_connection_whoever_is_served_on_it() {
    let world = world("[limits]\nclient_read_timeout = \"1s\"").await;
    world.upstream.on("/paid", Script::hang());
    world.upstream.on("/free", Script::reply(401, &[], "no").before_the_body());
    let key = world.agent.key(&world.gateway).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let served = http2.start(&Request::get("/paid").key(&key)).await;
    world.upstream.call("/paid", 1).await;
    let mut endless = Vec::new();
    for _ in 0..9 {
        endless.push(http2.begin(&Request::post("/free", "a").with("Content-Length", "100")).await);
    }
    for call in &mut endless {
        call.answer().await.expect_status(401);
    }
    world.upstream.left("/paid").await;
    world.gateway.idle().await;
    drop((served, endless));
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_requests_that_never_end_lose_their_connection_also_where_its_client_takes_nothing_more() {
    let world = world("[limits]\nclient_read_timeout = \"4s\"").await;
    world.upstream.on("/free", Script::reply(401, &[], "no").before_the_body());
    let mut attacker = Frames::connect_narrow(world.gateway.data(), &[]).await;
    let block = attacker.block("POST", "/free", &[("content-length", "100")]);
    for stream in [1, 3, 5] {
        attacker.headers(stream, END_HEADERS, &block).await;
        assert_eq!(attacker.ending().await, Ending::Answered);
    }
    attacker.ping_until_full().await;
    world.gateway.idle().await;
    drop(attacker);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_an_answer_of_ours_that_a_client_does_not_take_is_given_up_soon() {
    let world = world("[limits]\nclient_write_timeout = \"1h\"").await;
    let mut attacker = Frames::connect(world.gateway.data(), &[(INITIAL_WINDOW, 0)]).await;
    let block = attacker.block("GET", "/paid", &[]);
    attacker.headers(1, END_HEADERS | END_STREAM, &block).await;
    assert_eq!(attacker.ending().await, Ending::Answered);
    assert_eq!(attacker.ending().await, Ending::Stream);
    world.gateway.idle().await;
    world.finish().await;
}

/// So many may run at once; an address has two of them.
const FEW: &str = "[limits]\nrequests_in_flight_max = 16\nclient_write_timeout = \"1h\"";

#[tokio::test(flavor = "multi_thread")]
async fn a4_requests_of_one_address_and_answers_that_it_does_not_take_leave_others_their_places() {
    let world = world(FEW).await;
    let gate = Gate::new();
    world.upstream.on("/free", Script::reply(200, &[], "").after(&gate));
    let mut attacker = Frames::connect(world.gateway.data(), &[(INITIAL_WINDOW, 0)]).await;
    let [free, paid] = ["/free", "/paid"].map(|path| attacker.block("GET", path, &[]));
    for stream in [1, 3] {
        attacker.headers(stream, END_HEADERS | END_STREAM, &free).await;
    }
    gate.reached_by(2).await;
    for stream in 2..40 {
        attacker.headers(stream * 2 + 1, END_HEADERS | END_STREAM, &paid).await;
        assert_eq!(attacker.ending().await, Ending::Answered);
    }
    let mut other = Wire::connect_from([127, 0, 0, 2].into(), world.gateway.data()).await;
    other.call(&Request::get("/paid")).await.expect_status(402);
    world.gateway.call(&Request::get("/paid")).await.expect_refusal(429, "too_many_running");
    let metrics = world.gateway.metrics().await;
    assert_eq!(metrics.count("faregate_rate_limited_total", &[("scope", "address")]), 39);
    gate.open();
    // What nobody takes is given up.
    world.gateway.idle().await;
    world.gateway.challenge("/paid").await;
    drop(attacker);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_connections_of_one_address_leave_others_theirs() {
    let world = world("[limits]\nconnections_max = 16\nclient_header_timeout = \"1h\"").await;
    let mut silent = [world.gateway.wire().await, world.gateway.wire().await];
    assert!(world.gateway.wire().await.is_closed().await, "one too many");
    let other = async || Wire::connect_from([127, 0, 0, 2].into(), world.gateway.data()).await;
    other().await.call(&Request::get("/free")).await.expect_status(200);
    for wire in &mut silent {
        wire.call(&Request::get("/free")).await.expect_status(200);
    }
    drop(silent);
    tests::wait::until("room for one more", || async {
        world.gateway.wire().await.try_call(&Request::get("/free")).await
    })
    .await
    .expect_status(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_request_that_never_ends_is_answered_for_as_long_as_its_answer_goes_on() {
    let world = world("[limits]\nclient_read_timeout = \"300ms\"").await;
    let gates: Vec<Gate> = std::iter::repeat_with(Gate::new).take(6).collect();
    let header = Script::begin(200, &["transfer-encoding: chunked"]).before_the_body();
    let script = gates.iter().fold(header, |script, gate| script.chunk("piece ").pass(gate));
    world.upstream.on("/free", script.last_chunk());
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let mut endless = http2.begin(&Request::post("/free", "").with("Content-Length", "100")).await;
    let pieces = async {
        for gate in &gates {
            gate.reached().await;
            // Twice as long in all as a client may be silent.
            tokio::time::sleep(Duration::from_millis(100)).await;
            gate.open();
        }
    };
    let (answer, ()) = tokio::join!(endless.answer(), pieces);
    assert_eq!(answer.expect_status(200).text(), "piece ".repeat(6));
    drop(endless);
    world.finish().await;
}
