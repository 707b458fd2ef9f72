//! [`Facilitator`]: one that a test makes fail and lie. Hands its calls on to the official one, or to nobody, as its [`Conduct`] for
//! each says, and remembers what it was asked.

mod conduct;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::chain::NETWORK;
use crate::message::{Fields, Reader};
use crate::payer::random_hex;
use crate::request::Request;
use crate::upstream::Seen;
use crate::wait::within;
use crate::wire::Wire;

pub use conduct::Conduct;
use conduct::Say;

/// A non-EVM network.
pub const SOLANA_DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

/// Whose account pays for transactions there.
pub const FEE_PAYER: &str = "FeePayer1111111111111111111111111111111111";

/// Who pays there, whatever was signed.
pub const SOLANA_PAYER: &str = "2wKupLR9q6wXYppw8Gr2NvWxKBUqm4PPJKkQfoxHDBg4";

/// Listens until dropped.
#[derive(Debug)]
pub struct Facilitator {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What a facilitator is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `POST /verify`.
    Verify,
    /// `POST /settle`.
    Settle,
    /// `GET /supported`.
    Supported,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which.
    pub call: Call,
    /// Of the payment, as it stands in it: 32 bytes, or for Permit2 a number, or on Solana the transaction. Empty for `/supported`.
    pub nonce: String,
    /// Its fields.
    pub fields: Fields,
    /// Its body; null for `/supported`.
    pub body: Value,
}

#[derive(Debug)]
struct Shared {
    behind: Mutex<Option<SocketAddr>>,
    conducts: Mutex<HashMap<Call, VecDeque<Conduct>>>,
    asked: watch::Sender<Vec<Asked>>,
    /// Calls that were carried out: which, and the nonce.
    done: watch::Sender<Vec<(Call, String)>>,
    /// The first of two calls whose answers are exchanged.
    waiting: Mutex<HashMap<Call, First>>,
}

/// Its own answer, and how it is given the other one's.
#[derive(Debug)]
struct First {
    answer: Vec<u8>,
    other: oneshot::Sender<Vec<u8>>,
}

// === impl Facilitator ===

impl Facilitator {
    /// Before another one. Honest until told otherwise.
    pub async fn before(other: SocketAddr) -> Self {
        Self::listen(Some(other)).await
    }

    /// Before nobody: it says yes to everything, and no value moves.
    pub async fn alone() -> Self {
        Self::listen(None).await
    }

    async fn listen(behind: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            behind: Mutex::new(behind),
            conducts: Mutex::default(),
            asked: watch::Sender::default(),
            done: watch::Sender::default(),
            waiting: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, serving }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on before this one: the other has ended.
    pub fn move_before(&self, other: SocketAddr) {
        *self.shared.behind.lock().unwrap() = Some(other);
    }

    /// What it does from now on when it is asked this.
    pub fn on(&self, call: Call, conduct: Conduct) {
        self.on_each(call, [conduct]);
    }

    /// What it does each time in turn; the last conduct stays.
    pub fn on_each(&self, call: Call, conducts: impl IntoIterator<Item = Conduct>) {
        self.shared.conducts.lock().unwrap().insert(call, conducts.into_iter().collect());
    }

    /// Everything it was asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.borrow().clone()
    }

    /// How often it was asked this about the payment with this nonce.
    #[must_use]
    pub fn count(&self, call: Call, nonce: &str) -> usize {
        self.asked().iter().filter(|asked| asked.call == call && asked.nonce == nonce).count()
    }

    /// Waits until it was asked this so often, whatever the payment, and gives the last one.
    pub async fn call(&self, call: Call, count: usize) -> Asked {
        let mut changes = self.shared.asked.subscribe();
        let enough = |all: &Vec<Asked>| all.iter().filter(|asked| asked.call == call).count() >= count;
        let _ = within(&format!("call {count} of {call:?}"), changes.wait_for(enough)).await;
        self.asked().into_iter().filter(|asked| asked.call == call).nth(count - 1).expect("it was asked")
    }

    /// Waits until the one behind has answered this so often, whatever is then said of it.
    pub async fn done(&self, call: Call, count: usize) {
        let mut changes = self.shared.done.subscribe();
        let enough =
            |all: &Vec<(Call, String)>| all.iter().filter(|(done, _)| *done == call).count() >= count;
        let _ = within(&format!("{call:?} {count} to be carried out"), changes.wait_for(enough)).await;
    }
}

impl Drop for Facilitator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

// === impl Asked ===

impl Asked {
    /// `None` for a path that no facilitator has.
    fn read(seen: &Seen) -> Option<Self> {
        let call = match seen.path() {
            "/verify" => Call::Verify,
            "/settle" => Call::Settle,
            "/supported" => Call::Supported,
            _ => return None,
        };
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let signed = &body["paymentPayload"]["payload"];
        let nonces = [
            &signed["authorization"]["nonce"],
            &signed["permit2Authorization"]["nonce"],
            &signed["transaction"],
        ];
        let nonce = nonces.iter().find_map(|nonce| nonce.as_str()).unwrap_or_default().to_owned();
        Some(Self { call, nonce, fields: seen.fields.clone(), body })
    }

    /// Who pays.
    fn payer(&self) -> Value {
        if self.body["paymentRequirements"]["network"] == SOLANA_DEVNET {
            return SOLANA_PAYER.into();
        }
        let signed = &self.body["paymentPayload"]["payload"];
        let payers = [&signed["authorization"]["from"], &signed["permit2Authorization"]["from"]];
        payers.into_iter().find(|payer| payer.is_string()).cloned().unwrap_or_default()
    }

    /// What it is settled by: on Solana always by the same transaction, which lands once.
    fn transaction(&self) -> String {
        if self.body["paymentRequirements"]["network"] != SOLANA_DEVNET {
            return random_hex();
        }
        let letters: Vec<char> = self.nonce.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.iter().rev().take(60).collect()
    }

    /// Yes, without anything having been looked at or done. `transaction`: of a settlement; absent where there is none.
    fn yes(&self, transaction: Option<&str>) -> Value {
        let network = &self.body["paymentRequirements"]["network"];
        match self.call {
            Call::Verify => json!({ "isValid": true, "payer": self.payer() }),
            Call::Settle => {
                let transaction = transaction.unwrap_or_default();
                json!({ "success": true, "payer": self.payer(), "transaction": transaction, "network": network })
            }
            Call::Supported => {
                let solana = json!({
                    "x402Version": 2, "scheme": "exact", "network": SOLANA_DEVNET, "extra": { "feePayer": FEE_PAYER }
                });
                let kinds = ["exact", "upto"]
                    .map(|scheme| json!({ "x402Version": 2, "scheme": scheme, "network": NETWORK }));
                let kinds: Vec<Value> = kinds.into_iter().chain([solana]).collect();
                json!({ "kinds": kinds, "extensions": [], "signers": { "solana:*": [FEE_PAYER] } })
            }
        }
    }

    /// No, whatever was done.
    fn no(&self) -> Value {
        let network = &self.body["paymentRequirements"]["network"];
        match self.call {
            Call::Verify => {
                json!({ "isValid": false, "invalidReason": "invalid_payload", "payer": self.payer() })
            }
            _ => json!({
                "success": false, "errorReason": "invalid_payload", "payer": self.payer(), "transaction": "", "network": network
            }),
        }
    }
}

// === impl Shared ===

impl Shared {
    fn conduct(&self, call: Call) -> Conduct {
        let mut conducts = self.conducts.lock().unwrap();
        let Some(queue) = conducts.get_mut(&call) else { return Conduct::honest() };
        let next = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        next.expect("a call has at least one conduct")
    }

    /// Has the call carried out; the status and the body of the answer. `None` where the one behind ends before.
    async fn carry_out(&self, asked: &Asked) -> Option<(u16, Vec<u8>)> {
        let behind = *self.behind.lock().unwrap();
        let answer = match behind {
            None => (200, asked.yes(Some(&asked.transaction())).to_string().into_bytes()),
            Some(other) => {
                let request = match asked.call {
                    Call::Verify => Request::post("/verify", &asked.body.to_string()),
                    Call::Settle => Request::post("/settle", &asked.body.to_string()),
                    Call::Supported => Request::get("/supported"),
                };
                let request = request.with("Content-Type", "application/json");
                let response = Wire::try_connect(other).await?.try_call(&request).await?;
                (response.status, response.body)
            }
        };
        self.done.send_modify(|done| done.push((asked.call, asked.nonce.clone())));
        Some(answer)
    }

    /// The answer of the other one of two.
    async fn exchange(&self, call: Call, answer: Vec<u8>) -> Vec<u8> {
        let (other, take) = oneshot::channel();
        let first = self.waiting.lock().unwrap().remove(&call);
        let Some(first) = first else {
            self.waiting.lock().unwrap().insert(call, First { answer, other });
            return take.await.unwrap_or_default();
        };
        let _ = first.other.send(answer);
        first.answer
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

/// One connection: calls until an end.
async fn converse(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut reader = Reader::default();
    loop {
        let seen = Seen::read(&mut reader, &mut stream).await?;
        let asked = Asked::read(&seen)?;
        let conduct = shared.conduct(asked.call);
        shared.asked.send_modify(|all| all.push(asked.clone()));
        if let Some(gate) = &conduct.gate {
            gate.pass().await;
        }
        let mut done = asked.clone();
        if conduct.is_greedy {
            let signed =
                &asked.body["paymentPayload"]["payload"]["permit2Authorization"]["permitted"]["amount"];
            done.body["paymentRequirements"]["amount"] = signed.clone();
        }
        let (status, done) = if conduct.is_done { shared.carry_out(&done).await? } else { (200, Vec::new()) };
        let (status, body) = match conduct.say {
            Say::Answer => (status, done),
            Say::Status(status) => (status, b"{}".to_vec()),
            Say::Body(body) => (200, body),
            Say::Yes(transaction) => (200, asked.yes(transaction.as_deref()).to_string().into_bytes()),
            Say::No => (200, asked.no().to_string().into_bytes()),
            Say::Other => (status, shared.exchange(asked.call, done).await),
            Say::Nothing => {
                // Until the other side has had enough.
                let _ = stream.read(&mut [0]).await;
                return None;
            }
            Say::End => return None,
        };
        answer(&mut stream, status, &body).await?;
    }
}

async fn answer(stream: &mut TcpStream, status: u16, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} It\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()
}

#[cfg(test)]
mod tests;
