use crate::companion::Companion;
use crate::wait::until;
use crate::{Gate, Request, Script, Upstream, Wire};

#[tokio::test]
async fn an_upstream_remembers_every_byte() {
    let upstream = Upstream::start().await;
    let mut wire = Wire::connect(upstream.address()).await;
    let request = Request::post("/a?b=%20", "body").with("X-Case", "Kept");
    wire.call(&request).await.expect_status(200);
    let seen = upstream.call("/a", 1).await;
    assert_eq!(seen.raw, request.bytes(&upstream.address().to_string()));
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a?b=%20"));
    wire.call(&Request::get("/second")).await.expect_status(200);
    assert_eq!(upstream.connections(), 1, "the connection is kept");
}

#[tokio::test]
async fn a_gate_stops_a_script_until_it_is_opened() {
    let upstream = Upstream::start().await;
    let gate = Gate::new();
    upstream.on("/events", Script::events().event("1").pass(&gate).event("2").last_chunk());
    let mut wire = Wire::connect(upstream.address()).await;
    wire.send(&Request::get("/events")).await;
    assert_eq!(wire.head("GET").await.map(|head| head.0), Some(200));
    assert_eq!(wire.piece().await.as_deref(), Some(&b"data: 1\n\n"[..]));
    gate.reached().await;
    gate.open();
    assert_eq!(wire.piece().await.as_deref(), Some(&b"data: 2\n\n"[..]));
    assert_eq!(wire.piece().await.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn a_client_that_leaves_at_a_gate_is_noticed() {
    let upstream = Upstream::start().await;
    upstream.on("/slow", Script::hang());
    let mut wire = Wire::connect(upstream.address()).await;
    wire.send(&Request::get("/slow")).await;
    upstream.call("/slow", 1).await;
    drop(wire);
    upstream.left("/slow").await;
}

#[tokio::test]
async fn a_body_that_is_cut_is_seen_as_cut() {
    let upstream = Upstream::start().await;
    upstream.on("/length", Script::begin(200, &["content-length: 9"]).send("cut").close());
    upstream.on("/chunked", Script::events().chunk("cut").reset());
    upstream.on("/nothing", Script::hang_up());
    for path in ["/length", "/chunked"] {
        let response = Wire::connect(upstream.address()).await.call(&Request::get(path)).await;
        assert!(!response.complete, "{path}");
    }
    let mut wire = Wire::connect(upstream.address()).await;
    assert!(wire.try_call(&Request::get("/nothing")).await.is_none());
}

#[tokio::test]
async fn interim_responses_and_upgrades_are_told_apart() {
    let upstream = Upstream::start().await;
    upstream.on("/hints", Script::raw("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n"));
    upstream.on("/socket", Script::websocket());
    let mut wire = Wire::connect(upstream.address()).await;
    let response = wire.call(&Request::get("/hints")).await;
    assert_eq!((response.status, response.interim.as_slice()), (204, &[103][..]));
    wire.call(&Request::get("/socket")).await.expect_status(101);
    wire.send_bytes(b"ping").await;
    assert_eq!(wire.some().await, b"ping");
}

#[tokio::test]
async fn a_companion_that_says_more_than_a_pipe_holds_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let end = folder.path().join("end");
    let script = format!("echo begun 1; yes | head -c 1000000; touch {}", end.display());
    let mut companion = Companion::start("sh".as_ref(), &["-c", &script]);
    assert_eq!(companion.says("begun ").await, "1");
    until("the end of it", || async { end.exists().then_some(()) }).await;
}
