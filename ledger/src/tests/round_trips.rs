//! How often a batch of several processes asks the database, counted on the line between the two.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use parking_lot::Mutex;

use super::kit::{Books, request, signed};
use super::several::settings;

/// Lets everything through and counts, for each batch that was committed, what was asked and waited for.
struct Line {
    address: SocketAddr,
    batches: Arc<Mutex<Vec<usize>>>,
}

// === impl Line ===

impl Line {
    /// To the server whose socket this is.
    fn to(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let batches = Arc::<Mutex<Vec<usize>>>::default();
        let counts = Arc::clone(&batches);
        // It ends with the tests.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, counts) = (UnixStream::connect(&socket).unwrap(), Arc::clone(&counts));
                let (mut back, mut out) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut back, &mut out);
                    let _ = out.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || {
                    let _ = forward(client, &server, &counts);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, batches }
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.batches.lock())
    }
}

/// Message for message. The first has no type; `Q` is a text that is answered at once, `S` the end of a prepared statement's steps.
fn forward(
    mut client: TcpStream,
    mut server: &UnixStream,
    counts: &Mutex<Vec<usize>>,
) -> std::io::Result<()> {
    let mut kind = None;
    let mut asked = None;
    loop {
        let mut length = [0; 4];
        if let Some(kind) = &mut kind {
            client.read_exact(std::slice::from_mut(kind))?;
            server.write_all(&[*kind])?;
        }
        client.read_exact(&mut length)?;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
        client.read_exact(&mut body)?;
        let text = String::from_utf8_lossy(&body);
        asked = match (kind, &*text) {
            (Some(b'Q'), text) if text.contains("execute behind") => Some(1),
            (Some(b'Q'), "rollback\0") => None,
            (Some(b'Q' | b'S'), _) => asked.map(|count| count + 1),
            _ => asked,
        };
        let is_commit = kind == Some(b'Q') && text.starts_with("commit");
        if let (true, Some(count)) = (is_commit, asked) {
            counts.lock().push(count);
            asked = None;
        }
        server.write_all(&length)?;
        server.write_all(&body)?;
        kind = Some(0);
    }
}

#[tokio::test]
async fn a_batch_of_several_asks_three_times_whatever_the_others_did() {
    let url = test_postgres::fresh_database();
    let part = |name: &str| Some(url.split(name).nth(1)?.split('&').next()?.to_owned());
    let (folder, port) = (part("host=").unwrap(), part("port=").unwrap_or_else(|| "5432".to_owned()));
    let database = url.split('?').next().and_then(|start| start.rsplit('/').next()).unwrap();
    let line = Line::to(format!("{folder}/.s.PGSQL.{port}"));
    let counted = format!("postgres://faregate@{}/{database}?sslmode=disable", line.address);
    let (one, other) = (Books::at(settings(&counted)), Books::at(settings(&url)));
    one.fund(1, 10_000).await;
    let trade = async || {
        for nonce in 1..=4 {
            other.pay(request(3)).await.delivered();
            one.pay(request(2)).await.delivered();
            let held = other.hold(request(5)).await.unwrap();
            one.hold(request(1)).await.unwrap().void().await.unwrap();
            held.void().await.unwrap();
            one.pay(signed(1, nonce)).await.delivered();
        }
    };
    // The wallet, the agent and the provider are read once.
    one.pay(request(1)).await.delivered();
    line.take();
    trade().await;
    let batches = line.take();
    assert!(batches.len() >= 24, "{batches:?}");
    assert!(batches.iter().all(|asked| *asked == 3), "{batches:?}");
    one.finish().await;
    other.finish().await;
}
