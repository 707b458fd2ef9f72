//! The whole command against a server that says what the test wants, over a real socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use clap::Parser;
use protocol::challenge::PaymentRequired;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

/// A server and everything it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Gives these answers in order, one a connection, then 200 to whatever comes.
    async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1/x", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let mut answers: VecDeque<String> = answers.into_iter().collect();
        let serving = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
                }
                kept.lock().unwrap().push(String::from_utf8(request).unwrap());
                let answer = answers.pop_front().unwrap_or_else(|| answer("200 OK", "", "{}"));
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, asked, serving }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{fields}\r\n{body}")
}

fn challenge() -> String {
    let offer = serde_json::json!({
        "scheme": "exact", "network": "eip155:402402", "amount": "2500", "maxTimeoutSeconds": 60,
        "asset": "0x00000000000000000000000000000000000000aa", "payTo": "0x00000000000000000000000000000000000000bb",
        "extra": { "name": "Faregate USD", "version": "1" },
    });
    let accepts = vec![serde_json::from_value(offer).unwrap()];
    let challenge =
        PaymentRequired { x402_version: 2, error: None, resource: None, accepts, extensions: None };
    answer("402 Payment Required", &format!("PAYMENT-REQUIRED: {}\r\n", challenge.to_header()), "{}")
}

async fn pay(url: &str, max: &str) -> anyhow::Result<Verdict> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("key");
    std::fs::write(&key, format!("0x{}\n", "11".repeat(32)))?;
    let line = ["pay", url, "--max", max, "--key-file", key.to_str().unwrap_or_default()];
    execute(Line::parse_from(line).arguments, Format::Json).await
}

#[tokio::test]
async fn a_paid_answer_is_yes_and_took_two_requests() {
    let receipt = protocol::receipt::SettlementResponse::settled(
        "eip155:402402",
        "0x00000000000000000000000000000000000000cc",
        [7; 32],
        Amount::parse_atomic("2500").unwrap(),
        domain::PaymentId::from_bytes([7; 16]),
    );
    let paid = answer("200 OK", &format!("PAYMENT-RESPONSE: {}\r\n", receipt.to_header()), "{\"data\":1}");
    let server = Server::start([challenge(), paid]).await;
    assert_eq!(pay(&server.url, "$0.01").await.unwrap(), Verdict::Yes);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(!asked[0].contains("payment-signature"));
    assert!(asked[1].contains("payment-signature"), "{}", asked[1]);
}

#[tokio::test]
async fn nothing_is_paid_twice_whatever_comes_after_the_first_payment() {
    let refusals = [
        answer("409 Conflict", "", "{\"error\":\"payment_in_progress\"}"),
        answer("503 Service Unavailable", "Retry-After: 1\r\n", "{\"error\":\"outcome_unknown\"}"),
        challenge(),
        // The connection is closed without an answer.
        String::new(),
    ];
    for refusal in refusals {
        let server = Server::start([challenge(), refusal.clone()]).await;
        assert_eq!(pay(&server.url, "$0.01").await.unwrap(), Verdict::No, "{refusal}");
        assert_eq!(server.asked().len(), 2, "{refusal}");
    }
}

#[tokio::test]
async fn above_the_maximum_nothing_is_sent_a_second_time() {
    let server = Server::start([challenge()]).await;
    assert_eq!(pay(&server.url, "$0.0024").await.unwrap(), Verdict::No);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_payment_follows_no_redirect() {
    let elsewhere = answer("307 Temporary Redirect", "Location: /elsewhere\r\n", "");
    let server = Server::start([challenge(), elsewhere]).await;
    assert_eq!(pay(&server.url, "$0.01").await.unwrap(), Verdict::No);
    assert_eq!(server.asked().len(), 2);
}
