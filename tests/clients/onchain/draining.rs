//! The gateway ends, or gives its place to the next binary, while answers stream: what was delivered is paid for, and nothing else is.

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::wait::until;
use tests::{Gate, Payer, PublicWorld, Request, Response, Route, Script, Setting, Wire};

/// What a call of a route with a fixed price costs.
const PRICE: u64 = 1_000;

/// Streams are cut at once, and nobody else is waited for as long as a test lasts.
const SHORT: &str = "[shutdown]\ngrace = \"1h\"\nstream_grace = \"0s\"";

/// Of what was used a millionth of a dollar each, and all of it where nobody can tell.
const USED: &str = r#"{ up_to = "$0.002", units = [{ from = "json:/used", price = "$0.000001" }] }"#;

#[tokio::test(flavor = "multi_thread")]
async fn c11_streams_that_sigterm_cuts_cost_what_was_delivered_of_them() {
    cuts_streams(Signal::SIGTERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_streams_that_sigusr2_cuts_cost_what_was_delivered_of_them() {
    cuts_streams(Signal::SIGUSR2).await;
}

async fn cuts_streams(signal: Signal) {
    let mut world = world().await;
    // They go on until they are cut.
    let more: Vec<Gate> = std::iter::repeat_with(Gate::new).take(1_000).collect();
    let endless = |text: &str| {
        let begun = Script::events().event(text);
        more.iter().fold(begun, |script, gate| script.pass(gate).event(text))
    };
    for (path, text) in [("/after", "{}"), ("/deferred", "{}"), ("/counted", "{\"used\":700}")] {
        world.upstream.on(path, endless(text));
    }
    // They say nothing any more.
    let silence = Gate::new();
    for (path, text) in [("/silent", "{\"used\":300}"), ("/worthless", "{}")] {
        world.upstream.on(path, Script::events().event(text).pass(&silence));
    }
    let payers = world.network.payers(5, 10 * PRICE).await;
    let paths = ["/after", "/deferred", "/counted", "/silent", "/worthless"];
    let mut streams = Vec::new();
    for (path, payer) in paths.into_iter().zip(&payers) {
        world.network.approve_permit2(payer.address()).await;
        let request = signed(&world, payer, path).await;
        streams.push((begun(&world, &request).await, request));
    }
    world.gateway.signal(signal);
    // The doors close in a moment: then the next piece ends those that go on.
    for gate in &more {
        gate.open();
        if streams[0].0.piece().await.is_none() {
            break;
        }
    }
    for (stream, _) in &mut streams {
        while stream.piece().await.is_some() {}
    }
    next_process(&mut world, signal).await;
    world.settled(2 * PRICE + 700 + 300).await;
    // What is owed is delivered, and paid for once; what was void may be bought with the same payment.
    for path in paths {
        world.upstream.on(path, Script::reply(200, &[], "{\"used\":50}"));
    }
    for (_, request) in &streams[..2] {
        again(&world, request).await.expect_status(200);
    }
    world.settled(2 * PRICE + 700 + 300).await;
    again(&world, &streams[4].1).await.expect_status(200);
    world.settled(2 * PRICE + 700 + 300 + 50).await;
    world.finish().await;
}

async fn world() -> PublicWorld {
    let fixed = ["/after", "/deferred"].map(|path| {
        Route::new(path, "$0.001").line(&format!("settle = \"{}\"", path.trim_start_matches('/')))
    });
    let metered = ["/counted", "/silent", "/worthless"].map(|path| Route::metered(path, USED));
    let methods = PublicWorld::moved_by("\"eip3009\", \"permit2\"");
    let setting = Setting::new(fixed.into_iter().chain(metered)).section(SHORT).network(&methods);
    setting.network("max_timeout = \"2m\"").start().await
}

/// A paid call, once somebody who settles it is known.
async fn signed(world: &PublicWorld, payer: &Payer, path: &str) -> Request {
    let challenge: Value = until("an offer", || async {
        let challenge = world.gateway.call(&Request::get(path)).await.challenge();
        challenge["accepts"].as_array().is_some_and(|offers| !offers.is_empty()).then_some(challenge)
    })
    .await;
    let mut challenge = challenge;
    let offers = challenge["accepts"].as_array_mut().unwrap();
    offers.retain(|offer| offer["network"] == "eip155:84532");
    Request::get(path).paying(payer.pay_challenge(&challenge).header())
}

/// Its answer, of which the first piece has come.
async fn begun(world: &PublicWorld, request: &Request) -> Wire {
    let mut wire = world.gateway.wire().await;
    wire.send(request).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    wire.piece().await.unwrap();
    wire
}

async fn next_process(world: &mut PublicWorld, signal: Signal) {
    if signal == Signal::SIGTERM {
        world.gateway.ended().await;
        return world.gateway.restart().await;
    }
    until("the next process to serve", || async {
        let log = world.gateway.log();
        (log.lines().filter(|line| line.contains("listen.ops")).count() >= 2).then_some(())
    })
    .await;
}

/// The same payment once more, when nobody is at work on it.
async fn again(world: &PublicWorld, request: &Request) -> Response {
    until("the payment to be at rest", || async {
        let answer = world.gateway.call(request).await;
        (![409, 503].contains(&answer.status)).then_some(answer)
    })
    .await
}
