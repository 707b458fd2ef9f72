//! S1: bytes that two parsers read in two ways. Whatever the gateway makes of them, what reaches the upstream can be read
//! in one way only, and holds no request that was not priced.

use std::collections::HashSet;

use tests::strict::{self, Strict};
use tests::{Agent, Config, Faregate, Request, Route, Script, Upstream, Wire, World};

/// A request that nobody paid for, as it hides in the others.
const HIDDEN: &str = "GET /paid HTTP/1.1\r\nHost: a\r\n\r\n";

/// What is written in place of a length: the bytes of [`HIDDEN`].
const LENGTH: &str = "<length>";

/// What is written in place of the length of `0\r\n\r\n` and [`HIDDEN`].
const LONGER: &str = "<longer>";

/// Heads of a POST, each followed by `0\r\n\r\n` and then the hidden request.
const CHUNKED: [&str; 24] = [
    "Content-Length: <longer>\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: <longer>",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: CHUNKED",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunkedx",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;x=y",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding : chunked",
    "Transfer_Encoding: chunked\r\nContent-Length: <longer>",
    "Transfer-Encoding:\r\n chunked",
    "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
];

/// Heads of a POST, each followed by the hidden request at once.
const PLAIN: [&str; 17] = [
    "Content-Length: <length>",
    "Content-Length: 0",
    "Content-Length: 0\r\nContent-Length: <length>",
    "Content-Length: <length>\r\nContent-Length: <length>",
    "Content-Length: <length>, <length>",
    "Content-Length: 0, <length>",
    "Content-Length: +<length>",
    "Content-Length: -1",
    "Content-Length: 0x22",
    "Content-Length: <length> 0",
    "Content-Length:\x0b<length>",
    "Content-Length: ",
    "Content-Length: 18446744073709551616",
    "Content-Length : <length>",
    "Content-Length:\r\n <length>",
    "Content_Length: <length>",
    "Content-Length: <length>\r\nExpect: 100-continue",
];

/// Whole messages; the hidden request stands where it says so.
const WHOLE: [&str; 29] = [
    "GET /free HTTP/1.1\r\nHost: a\r\nContent-Length: <length>\r\n\r\n<hidden>",
    "HEAD /free HTTP/1.1\r\nHost: a\r\nContent-Length: <length>\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\nHost: a\n\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\rX: y\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n<hidden>",
    "GET /free HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n<hidden>",
    "GET /free /paid HTTP/1.1\r\nHost: a\r\n\r\n<hidden>",
    "GET  /free HTTP/1.1\r\nHost: a\r\n\r\n<hidden>",
    "GET\t/free\tHTTP/1.1\r\nHost: a\r\n\r\n<hidden>",
    "GET /free HTTP/1.2\r\nHost: a\r\n\r\n<hidden>",
    "GET /free\r\n\r\n<hidden>",
    "\r\n\r\nGET /free HTTP/1.1\r\nHost: a\r\n\r\n<hidden>",
    "POST /free HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n<hidden>",
    "POST /free HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x\na\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n<hidden>",
    "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n<hidden>",
    "GET /free HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tls/1.2\r\nContent-Length: <length>\r\n\r\n<hidden>",
];

#[tokio::test(flavor = "multi_thread")]
async fn s1_no_hidden_request_reaches_the_upstream() {
    let world = world().await;
    for message in corpus("/free", "") {
        speak(&world.gateway, &message).await;
        let hidden: Vec<Strict> =
            forwarded(&world.upstream, &message).into_iter().filter(|seen| seen.target == "/paid").collect();
        assert!(hidden.is_empty(), "{message:?} brought {hidden:?} to the upstream");
    }
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_paid_request_brings_no_second_one_along() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let mut payments = HashSet::new();
    // What a message brought may be seen after its client has gone, so each has a target of its own.
    let corpus = corpus("/paid?message=<number>", &format!("Agent-Key: {key}\r\n"));
    for (number, message) in corpus.into_iter().enumerate() {
        let message = message.replace("<number>", &number.to_string());
        speak(&world.gateway, &message).await;
        let mut targets = HashSet::new();
        let seen = forwarded(&world.upstream, &message);
        for request in seen.iter().filter(|seen| seen.target.starts_with("/paid")) {
            let payment = request.fields.get("faregate-payment-id");
            payments.insert(payment.unwrap_or_else(|| panic!("{message:?} brought {request:?}")).to_owned());
            assert!(targets.insert(&request.target), "a message was two requests: {request:?}");
        }
        assert_eq!(targets.len(), payments.len(), "each request has a payment of its own: {message:?}");
    }
    assert!(payments.len() > 5, "some of them are plain requests");
    world.gateway.ask("GET", "/v1/audit", None).await;
    let spent = 1_000_000 - settled(&world).await;
    assert!(spent % 1_000 == 0 && spent <= 1_000 * i64::try_from(payments.len()).unwrap(), "{spent}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_refused_message_is_answered_once_and_its_connection_closed() {
    let world = world().await;
    for head in [
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: +5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "X: y\r\n folded: 1",
    ] {
        let mut wire = world.gateway.wire().await;
        let message = format!("POST /free HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{HIDDEN}");
        wire.send_bytes(message.as_bytes()).await;
        let response = wire.try_response("POST").await;
        assert!(response.is_none_or(|response| response.status == 400), "{head:?}");
        assert!(wire.is_closed().await, "{head:?}");
    }
    assert!(world.upstream.tapes().iter().all(Vec::is_empty), "nothing was forwarded");
    world.finish().await;
}

/// `/free` says so, `/paid` has something to give.
async fn world() -> World {
    let upstream = Upstream::start().await;
    upstream.on("/paid", Script::reply(200, &[], "what is sold"));
    let routes = [Route::new("/paid", "$0.001"), Route::free("/free"), Route::free("/end")];
    // A message that waits for more than was sent ends by this.
    let config = Config::new(upstream.address(), routes).section("[limits]\nclient_read_timeout = \"300ms\"");
    let gateway = Faregate::start(config).await;
    let agent = Agent::new(&gateway, "$1").await;
    World { upstream, gateway, agent }
}

/// Every message, for this path and with these fields.
fn corpus(path: &str, fields: &str) -> Vec<String> {
    let head = |line: &&str| format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}{line}\r\n\r\n");
    let chunked = CHUNKED.iter().map(|line| format!("{}0\r\n\r\n<hidden>", head(line)));
    let plain = PLAIN.iter().map(|line| format!("{}<hidden>", head(line)));
    let whole = WHOLE.iter().map(|text| {
        let text = text.replace("/free", path);
        text.replacen("Host: a\r\n", &format!("Host: a\r\n{fields}"), 1)
    });
    let filled = |text: String| {
        let text = text.replace(LENGTH, &HIDDEN.len().to_string());
        text.replace(LONGER, &(HIDDEN.len() + 5).to_string()).replace("<hidden>", HIDDEN)
    };
    chunked.chain(plain).chain(whole).map(filled).collect()
}

/// Sends a message, then a request that marks the end, and reads until that is answered or the connection ends.
async fn speak(gateway: &Faregate, message: &str) {
    let mut wire: Wire = gateway.wire().await;
    wire.send_bytes(message.as_bytes()).await;
    let method = message.split_whitespace().next().unwrap_or_default();
    let Some(first) = wire.try_response(method).await else { return };
    assert!(!first.text().contains("what is sold") || message.contains("Agent-Key"), "{message:?}");
    let mut next = wire.try_call(&Request::get("/end")).await;
    while let Some(response) = next {
        assert!(!response.text().contains("what is sold"), "the answer to a hidden request: {message:?}");
        if response.text().contains("/end") {
            return;
        }
        next = wire.try_response("GET").await;
    }
}

/// Everything the upstream has seen.
fn forwarded(upstream: &Upstream, message: &str) -> Vec<Strict> {
    let tapes = upstream.tapes();
    let read = |tape: &Vec<u8>| match strict::requests(tape) {
        Ok(requests) => requests,
        Err(ambiguous) => panic!("{message:?} reached the upstream as something ambiguous: {ambiguous}"),
    };
    tapes.iter().flat_map(read).collect()
}

/// The balance once nothing is held.
async fn settled(world: &World) -> i64 {
    tests::wait::until("nothing to be held", || async {
        let money = world.agent.money(&world.gateway).await;
        (money.held == 0).then_some(money.balance)
    })
    .await
}
