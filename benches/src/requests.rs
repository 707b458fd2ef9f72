//! [`Requests`]: what the generator sends next. A payment is sent once and never again.

use std::net::SocketAddr;

/// Where requests come from.
pub(crate) enum Requests {
    /// The same bytes every time.
    Same(Vec<u8>),
    /// These bytes in turn, for ever: one request for each agent key.
    InTurn {
        /// At least one.
        requests: Vec<Vec<u8>>,
        /// The place of the next.
        next: usize,
    },
    /// One header value each, each value once.
    Once {
        /// The request up to the value.
        before: Vec<u8>,
        /// What is left.
        values: std::vec::IntoIter<String>,
    },
}

// === impl Requests ===

impl Requests {
    /// The same GET every time.
    pub(crate) fn same(host: SocketAddr, path: &str) -> Self {
        Self::Same(format!("{}\r\n", head(host, path)).into_bytes())
    }

    /// The same GET with these values of one header field in turn.
    pub(crate) fn in_turn(host: SocketAddr, path: &str, field: &str, values: &[String]) -> Self {
        let request = |value| format!("{}{field}: {value}\r\n\r\n", head(host, path)).into_bytes();
        Self::InTurn { requests: values.iter().map(request).collect(), next: 0 }
    }

    /// A GET for each of these values of one header field.
    pub(crate) fn once(host: SocketAddr, path: &str, field: &str, values: Vec<String>) -> Self {
        let before = format!("{}{field}: ", head(host, path)).into_bytes();
        Self::Once { before, values: values.into_iter() }
    }

    /// Puts the next request into `output`; false when none is left.
    pub(crate) fn write_next(&mut self, output: &mut Vec<u8>) -> bool {
        match self {
            Self::Same(request) => output.extend_from_slice(request),
            Self::InTurn { requests, next } => {
                let Some(request) = requests.get(*next) else { return false };
                output.extend_from_slice(request);
                *next = (*next + 1) % requests.len();
            }
            Self::Once { before, values } => {
                let Some(value) = values.next() else { return false };
                output.extend_from_slice(before);
                output.extend_from_slice(value.as_bytes());
                output.extend_from_slice(b"\r\n\r\n");
            }
        }
        true
    }
}

/// A request without its last line.
fn head(host: SocketAddr, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(mut requests: Requests, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            let mut output = Vec::new();
            if requests.write_next(&mut output) {
                texts.push(String::from_utf8(output).unwrap());
            }
        }
        texts
    }

    #[test]
    fn a_payment_is_sent_once() {
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let sent = texts(Requests::once(host, "/paid", "payment-signature", vec!["a".into(), "b".into()]), 5);
        assert_eq!(sent.len(), 2);
        assert!(sent[0].ends_with("\r\npayment-signature: a\r\n\r\n"), "{}", sent[0]);
        assert!(sent[1].ends_with("\r\npayment-signature: b\r\n\r\n"));
    }

    #[test]
    fn keys_take_turns() {
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let sent = texts(Requests::in_turn(host, "/paid", "agent-key", &["a".into(), "b".into()]), 3);
        assert!(sent[0].starts_with("GET /paid HTTP/1.1\r\nhost: 127.0.0.1:80\r\n"));
        assert_eq!(sent[0], sent[2]);
        assert_ne!(sent[0], sent[1]);
    }
}
