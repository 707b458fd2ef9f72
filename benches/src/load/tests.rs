//! Against the real upstream, and against servers that are slow or wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::*;
use crate::upstream;

fn plan(target: SocketAddr, pace: Pace) -> Plan {
    Plan {
        target,
        pid: std::process::id(),
        expected: 200,
        refused: None,
        patience: None,
        connections: 4,
        pace,
        is_awake: false,
        warmup: Duration::from_millis(20),
        window: Duration::from_millis(200),
    }
}

fn start_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || upstream::serve_on(&listener));
    address
}

/// Gives each request this answer after a delay; an answer that says `close` is the last of its connection.
fn start_server(delay: Duration, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while socket.read(&mut buffer).is_ok_and(|count| count > 0) {
                    thread::sleep(delay);
                    if socket.write_all(answer.as_bytes()).is_err() || answer.contains("close") {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_closed_loop_counts_every_answer() {
    let target = start_upstream();
    let measured = Load::run(&plan(target, Pace::Closed), &mut Requests::same(target, "/")).unwrap();
    assert!(measured.answers > 0);
    assert!(measured.total >= measured.answers);
    assert!(measured.latencies.count() > 0);
    assert_eq!(measured.reconnects, 0);
}

#[test]
fn an_open_loop_sends_what_was_due_and_no_more() {
    let target = start_upstream();
    let measured = Load::run(&plan(target, Pace::Open(1_000)), &mut Requests::same(target, "/")).unwrap();
    // 220 ms at 1,000/s, the first at once.
    assert_eq!(measured.total, 220);
}

#[test]
fn an_open_loop_counts_latency_from_the_due_time() {
    let target = start_server(Duration::from_millis(20), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let slow = Plan { connections: 1, ..plan(target, Pace::Open(100)) };
    let mut measured = Load::run(&slow, &mut Requests::same(target, "/")).unwrap();
    // Each takes 20 ms, one is due every 10 ms: the last of 22 has waited for half of the others.
    assert!(measured.latencies.percentile_micros(99) > 150_000.0);
}

#[test]
fn an_unexpected_status_ends_the_run() {
    let target = start_upstream();
    let wrong = Plan { expected: 402, ..plan(target, Pace::Closed) };
    let error = Load::run(&wrong, &mut Requests::same(target, "/")).unwrap_err();
    assert!(error.to_string().starts_with("200 instead of 402"), "{error}");
}

#[test]
fn payments_that_run_out_are_an_error_and_never_sent_twice() {
    let target = start_upstream();
    let values = (0..50).map(|value| value.to_string()).collect();
    let mut requests = Requests::once(target, "/", "payment-signature", values);
    let error = Load::run(&plan(target, Pace::Closed), &mut requests).unwrap_err();
    assert!(error.to_string().contains("too few payments"), "{error}");
}

#[test]
fn a_connection_that_the_server_closes_is_opened_again_and_counted() {
    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let target = start_server(Duration::ZERO, answer);
    let measured = Load::run(&plan(target, Pace::Open(100)), &mut Requests::same(target, "/")).unwrap();
    assert_eq!(measured.total, 22);
    assert_eq!(measured.reconnects, 22);
}

#[test]
fn with_patience_what_is_not_answered_and_what_is_wrong_is_counted_and_the_run_goes_on() {
    let patient = |target| Plan { patience: Some(Duration::from_millis(50)), ..plan(target, Pace::Closed) };
    let silent = start_server(Duration::from_secs(3_600), "");
    let measured = Load::run(&patient(silent), &mut Requests::same(silent, "/")).unwrap();
    assert_eq!(measured.total, 0);
    // Four connections, for 220 ms, each given up after 50 or soon after.
    assert!((4..=20).contains(&measured.failed), "{}", measured.failed);
    let broken =
        start_server(Duration::ZERO, "HTTP/1.1 502 Bad\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let measured = Load::run(&patient(broken), &mut Requests::same(broken, "/")).unwrap();
    assert!(measured.total == 0 && measured.failed > 4, "{}", measured.failed);
}
