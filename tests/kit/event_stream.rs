//! [`EventStream`]: the log of events as it grows, read from the management API as server-sent events.

use serde_json::Value;

use crate::faregate::Faregate;
use crate::request::Request;
use crate::wait::within;
use crate::wire::Wire;

/// An open stream.
#[derive(Debug)]
pub struct EventStream {
    wire: Wire,
    /// Read, and not taken.
    text: String,
}

// === impl EventStream ===

impl EventStream {
    /// What happens from now on, or behind the event with this cursor.
    pub async fn open(gateway: &Faregate, after: Option<&str>) -> Self {
        let mut request = Request::get("/v1/events/stream");
        if let Some(cursor) = after {
            request = request.with("Last-Event-ID", cursor);
        }
        let mut wire = Wire::connect(gateway.addresses()[1]).await;
        wire.send(&Faregate::as_admin(&request)).await;
        let (status, _) = wire.head("GET").await.expect("an answer");
        assert_eq!(status, 200, "the stream of events");
        Self { wire, text: String::new() }
    }

    /// The next event, as the log lists it. Its `id` line is its cursor, its `event` line its type.
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = read(&block) {
                    return event;
                }
                continue;
            }
            let piece =
                self.wire.piece().await.filter(|piece| !piece.is_empty()).expect("the stream goes on");
            self.text.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// The next event of a type; others are passed over.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        within(&format!("an event of the type {kind}"), async {
            loop {
                let event = self.next().await;
                if event["type"] == kind {
                    return event;
                }
            }
        })
        .await
    }
}

/// None of a comment, which only says that the stream lives.
fn read(block: &str) -> Option<Value> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let event: Value = serde_json::from_str(field("data: ")?).expect("an event is JSON");
    assert_eq!((field("id: "), field("event: ")), (event["cursor"].as_str(), event["type"].as_str()));
    Some(event)
}
