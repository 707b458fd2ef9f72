//! Who takes a connection of a listener and does nothing with it loses it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::http::Call;
use crate::server::{self, Connections};

/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(20);

/// A listener with few connections.
struct Listening {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Listening {
    fn on(limits: Connections) -> Self {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let endless =
            || Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 65_536])));
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/slow", get(async || tokio::time::sleep(SOON * 5).await))
            .route("/endless", get(async move || endless()));
        let (stop, stopped) = oneshot::channel();
        let serving =
            tokio::spawn(server::serve_in(limits, socket, router, async { stopped.await.unwrap() }));
        Self { address, stop, serving }
    }

    async fn ask(&self, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).await.unwrap();
        socket
    }

    async fn is_answered(&self) {
        assert_eq!(Call::new("GET", "/").send(self.address).await.body, "here");
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn who_asks_nothing_loses_the_connection() {
    let listening = Listening::on(Connections { count: 2, asking: SOON, reading: NEVER });
    let _idle = TcpStream::connect(listening.address).await.unwrap();
    let mut half = TcpStream::connect(listening.address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    listening.is_answered().await;
    listening.end().await;
}

#[tokio::test]
async fn who_asks_nothing_more_loses_the_connection() {
    let listening = Listening::on(Connections { count: 3, asking: SOON, reading: NEVER });
    let mut kept = listening.ask("/").await;
    let mut answer = String::new();
    kept.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("here") && !answer.contains("connection: close"), "{answer}");
    listening.end().await;
}

#[tokio::test]
async fn an_answer_is_the_last_where_as_many_are_open_as_may_be() {
    let listening = Listening::on(Connections { count: 1, asking: NEVER, reading: NEVER });
    let _answered = listening.ask("/").await;
    listening.is_answered().await;
    listening.end().await;
}

#[tokio::test]
async fn who_does_not_read_the_answer_loses_the_connection() {
    let listening = Listening::on(Connections { count: 1, asking: NEVER, reading: SOON });
    let _deaf = listening.ask("/endless").await;
    listening.is_answered().await;
    listening.end().await;
}

#[tokio::test]
async fn an_answer_may_take_longer_than_the_question() {
    let listening = Listening::on(Connections { count: 1, asking: SOON, reading: SOON });
    let mut answer = String::new();
    listening.ask("/slow").await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    listening.end().await;
}
