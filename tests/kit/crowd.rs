//! Many at once: requests over connections of their own, and those that stay open until the test lets them go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::{JoinHandle, JoinSet};

use crate::message::Response;
use crate::request::Request;
use crate::wire::Wire;

/// Sends every request over so many connections at once; each sends its share one after another.
pub async fn send_all(address: SocketAddr, requests: Vec<Request>, connections: usize) -> Vec<Response> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        senders.spawn(async move {
            let mut wire = Wire::connect(address).await;
            let mut responses = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let response = wire.call(request).await;
                if response.header("connection").is_some_and(|option| option.eq_ignore_ascii_case("close")) {
                    wire = Wire::connect(address).await;
                }
                responses.push(response);
            }
            responses
        });
    }
    senders.join_all().await.into_iter().flatten().collect()
}

/// Sends every request at once, each on a connection of its own. Await the tasks for the answers.
pub fn begin_all(
    address: SocketAddr,
    requests: impl IntoIterator<Item = Request>,
) -> Vec<JoinHandle<Response>> {
    let begin = |request| tokio::spawn(async move { Wire::connect(address).await.call(&request).await });
    requests.into_iter().map(begin).collect()
}

/// The answers of all, in order.
pub async fn answers(calls: Vec<JoinHandle<Response>>) -> Vec<Response> {
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        answers.push(call.await.expect("a call that does not panic"));
    }
    answers
}

/// How many have this status.
#[must_use]
pub fn count(responses: &[Response], status: u16) -> usize {
    responses.iter().filter(|response| response.status == status).count()
}
