//! [`Firm`]: a control plane and two gateways on one PostgreSQL that settle by one key, of which any may be killed.

use std::time::Duration;

use domain::Address;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tests::chain::{NETWORK, Network, Transfer};
use tests::config::{Config, Provider};
use tests::{Database, Faregate, Payer, PublicWorld, Request, Response, Route, Upstream, Wire, audit};
use tokio::task::JoinSet;

/// What is waited for while a turn passes on: the times of two leases, on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(150);

/// What whoever takes the key's turn says.
const TURN: &str = "it is this process's turn to send";

/// What whoever counts as dead says when it hears of that.
const BURIED: &str = "to which this one seemed dead";

/// How a provider is paid.
pub(super) const DIRECT: &str = "address = \"0x9090909090909090909090909090909090909090\"";
pub(super) const TREASURY: &str = "custody = \"treasury\"\nfee = \"10%\"";

/// All of them.
pub(super) struct Firm {
    pub(super) network: Network,
    pub(super) upstream: Upstream,
    /// The control plane, and the gateways.
    pub(super) all: Vec<Faregate>,
    database: String,
    /// How often each is known to have taken the turn.
    turns: Vec<usize>,
    _key: NamedTempFile,
}

/// A payment's call, and what became of it.
pub(super) struct Called {
    pub(super) request: Request,
    /// None where it was cut off.
    pub(super) response: Option<Response>,
}

// === impl Firm ===

impl Firm {
    /// With lines more about the network and sections of the file; paid as `payee` says.
    pub(super) async fn start(
        (lines, sections, payee): (&str, &str, &str),
        routes: impl IntoIterator<Item = Route>,
    ) -> Self {
        let (network, upstream, key) =
            (Network::start().await, Upstream::start().await, PublicWorld::settler_key());
        let treasury = PublicWorld::treasury().to_checksum(None);
        let lines = PublicWorld::settling(&format!("treasury = \"{treasury}\"\n{lines}"), &key);
        let section = format!("{}\n{sections}", network.section(&lines, &[]));
        let database = test_postgres::fresh_database();
        let provider = Provider::new("acme", upstream.address()).line(payee).routes(routes);
        let config = Config::default().section(&section).provider(provider);
        let config = config.on(Database::Shared(database.clone()));
        let mut all = Vec::new();
        for command in ["control-plane", "gateway", "gateway"] {
            all.push(Faregate::start(config.clone().serving(command)).await);
        }
        let turns = vec![0; all.len()];
        Self { network, upstream, all, database, turns, _key: key }
    }

    pub(super) fn control(&self) -> &Faregate {
        &self.all[0]
    }

    /// Who has the key's turn, once it is another one than at the last time: its place.
    pub(super) async fn next_owner(&mut self) -> usize {
        let taken = |one: &Faregate| one.log().matches(TURN).count();
        let owner = at_last("somebody to take the turn", async || {
            self.all.iter().zip(&self.turns).position(|(one, turns)| taken(one) > *turns)
        })
        .await;
        self.turns[owner] = taken(&self.all[owner]);
        owner
    }

    /// Wakes one that was frozen, and waits until it knows where it stands: it goes on, or it was buried meanwhile and ends. Then it is started
    /// again.
    pub(super) async fn wake(&mut self, place: usize) {
        let one = &self.all[place];
        one.signal(Signal::SIGCONT);
        let is_buried = at_last("the one that woke up to know where it stands", async || {
            let is_buried = one.log().contains(BURIED);
            (is_buried || one.is_ready().await).then_some(is_buried)
        })
        .await;
        if is_buried {
            let status = self.all[place].end().await;
            assert!(!status.success(), "it knows nothing of the books any more: {status}");
            self.all[place].restart().await;
        }
        self.turns[place] = self.all[place].log().matches(TURN).count();
    }

    /// The first of the gateways that is another process.
    pub(super) fn other_gateway(&self, than: usize) -> usize {
        if than == 1 { 2 } else { 1 }
    }

    /// No block comes until [`Firm::mine`].
    pub(super) async fn stop_mining(&self) {
        self.network.mine_every(0).await;
        self.network.mine_each(false).await;
    }

    /// A block each second.
    pub(super) async fn mine(&self) {
        self.network.mine_every(1).await;
    }

    /// Waits until each gateway has sold something, and all of it has moved, so that the provider has so much: right after a start nobody
    /// settles yet.
    pub(super) async fn warm_up(&self, received: u64) {
        self.mine().await;
        for gateway in [1, 2] {
            let payer = Payer::random();
            self.network.fund(payer.address(), 1_000).await;
            let request = self.signed(gateway, &payer, "/paid").await;
            self.served_at_last(gateway, &request).await;
        }
        at_last("all of it to have moved", async || {
            (self.network.balance(PublicWorld::provider()).await == received).then_some(())
        })
        .await;
        self.counted("errand where answer is null", 0).await;
        self.counted("sent_transaction where closed = 0", 0).await;
    }

    /// The call that carries a payment of its own, by the offer of one of the gateways.
    pub(super) async fn signed(&self, gateway: usize, payer: &Payer, path: &str) -> Request {
        let request = request(path);
        let challenge = at_last("the gateway to read its network", async || {
            let response = self.all[gateway].call(&request).await;
            (response.status == 402).then(|| response.challenge())
        })
        .await;
        paying(request, payer, challenge)
    }

    /// Sends these to the gateways in turn, and waits for none.
    pub(super) fn send(&self, requests: Vec<Request>) -> JoinSet<Called> {
        let mut calls = JoinSet::new();
        for (number, request) in requests.into_iter().enumerate() {
            let gateway = self.all[1 + number % 2].data();
            calls.spawn(async move {
                let response = Wire::connect(gateway).await.try_call(&request).await;
                Called { request, response }
            });
        }
        calls
    }

    /// Sends the same payment to a gateway until it is served. It is never asked to pay again.
    pub(super) async fn served_at_last(&self, gateway: usize, request: &Request) -> Response {
        at_last("the payment to be served", async || {
            let response = self.all[gateway].call(request).await;
            let code = if response.status == 200 { String::new() } else { response.code().to_owned() };
            match (response.status, code.as_str()) {
                (200, _) => Some(response),
                (503, "settlement_unknown" | "settlement_unavailable") | (409, "payment_in_progress") => None,
                (status, code) => panic!("{status} {code}: {}", response.text()),
            }
        })
        .await
    }

    /// A number of the database.
    pub(super) fn count(&self, sql: &str) -> u64 {
        let read = test_postgres::query(&self.database, &format!("select count(*) from registry.{sql}"));
        read.parse().unwrap_or_else(|_| panic!("no number: {read}"))
    }

    /// Waits until there are so many rows.
    pub(super) async fn counted(&self, sql: &str, count: u64) {
        at_last(sql, async || (self.count(sql) == count).then_some(())).await;
    }

    /// Transfers out of the treasury, once there are so many and each of them is over.
    pub(super) async fn over(&self, count: usize) -> Vec<Value> {
        at_last("what leaves the treasury to be over", async || {
            let listed = self.control().ask("GET", "/v1/outgoing?limit=500", None).await;
            let all = listed["data"].as_array().expect("a list").clone();
            let is_over = |one: &Value| ["paid", "failed", "void"].contains(&one["state"].as_str().unwrap());
            (all.len() >= count && all.iter().all(is_over)).then_some(all)
        })
        .await
    }

    /// What left the treasury for an address.
    pub(super) async fn left_for(&self, address: Address) -> Vec<Transfer> {
        let all = self.network.received(address).await.into_iter();
        all.filter(|one| one.from == PublicWorld::treasury()).collect()
    }

    /// Everything is closed: each nonce of the key is one transaction, and the books say what the chain says of whoever was paid.
    pub(super) async fn finish(self, recipient: Address) {
        at_last("everything to be settled", async || {
            let mut sum = 0.0;
            for one in &self.all {
                let metrics = one.metrics().await;
                let open = |what: &str| metrics.sum(&format!("faregate_chain_payments_{what}"), &[]);
                sum += open("unknown") + open("due");
            }
            (sum < 1.0).then_some(())
        })
        .await;
        self.counted("sent_transaction where closed = 0", 0).await;
        let settler = json!([PublicWorld::treasury(), "latest"]);
        let sent = self.network.rpc("eth_getTransactionCount", settler).await;
        let sent = u64::from_str_radix(sent.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        assert_eq!(self.count("sent_transaction where landed is not null"), sent, "each nonce once");
        assert_eq!(self.count("sent_transaction"), sent);
        audit::chain(self.control(), &self.network, recipient).await;
        for one in self.all.into_iter().rev() {
            assert!(!one.log().contains("the last wall"), "a batch that should not have been tried");
            one.finish().await;
        }
    }
}

/// As behind one load balancer: a payment is bound to the host it was made for.
pub(super) fn request(path: &str) -> Request {
    Request::get(path).with("Host", "api.example.com")
}

pub(super) fn paying(request: Request, payer: &Payer, mut challenge: Value) -> Request {
    let offers = challenge["accepts"].as_array_mut().expect("offers");
    offers.retain(|offer| offer["network"] == NETWORK);
    let payment = payer.pay_challenge(&challenge);
    request.paying(payment.header())
}

/// Looks until there is something, for as long as turns may take to pass on.
pub(super) async fn at_last<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}
