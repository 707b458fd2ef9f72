//! The rig: books, a route, a signer, and a rail that does as it is told.

mod gate;
mod told;

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::{
    Address, Amount, B256, CanonicalPath, Catalog, Clock, Network, Payee, PaymentId, Provider, Route,
    RouteId, Settle, TransferMethod, UnixMillis,
};
use http::{HeaderMap, HeaderValue};
use ledger::{Ledger, Outlet, Unobserved, Writer};
use pingora::http::ResponseHeader;
use protocol::challenge::PaymentRequired;
use protocol::header;
use protocol::sign::sign_offer;
use protocol::signature::SigningKey;
use registry::config::Limits;
use registry::{Database, Registry};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::refusal::Refusal;
use crate::context::{Exchange, Times};
use crate::metrics::{Metrics, Outcome};
use crate::offer::currency::Currencies;
use crate::payment::credential::Credential;
use crate::payment::leniency::Leniency;
use crate::payment::meter::Meter;
use crate::rail::{Public, PublicNetworks, PublicRail};
use crate::rate::{Consumer, Strangers};
use crate::samples;
use crate::snapshot::Snapshot;
use crate::stage::admit::Admitted;
use crate::stage::capture::capture;
use crate::stage::hold::{Admission, Holder, Payer};
use crate::stage::prove::prove;
use crate::stage::route::{Routed, route};
use crate::stage::verify::verify;
use crate::traffic::Traffic;

pub(super) use gate::Gate;
pub(super) use told::Told;

pub(super) const NOW: UnixMillis = UnixMillis(1_795_348_800_000);
pub(super) const HASH: B256 = B256::repeat_byte(0xab);
/// What the payer has at first, and may have open: three calls.
const PAYER_FUNDS: i64 = 3 * samples::PRICE;

/// Who settles payments of `upto`.
pub(super) const SETTLER: Address = Address::repeat_byte(0x5e);

struct Standing;

impl Clock for Standing {
    fn now(&self) -> UnixMillis {
        NOW
    }
}

pub(super) struct Rig {
    pub(super) ledger: Ledger,
    pub(super) rail: Arc<Told>,
    _writer: Writer,
    registry: Registry,
    snapshot: Arc<Snapshot>,
    public: Public,
    pub(super) leniency: Leniency,
    _files: TempDir,
}

// === impl Rig ===

impl Rig {
    pub(super) async fn new(settle: Settle) -> Self {
        Self::with(|route| route.settle = settle).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Route)) -> Self {
        Self::built(change, Payee::Direct(Address::repeat_byte(4))).await
    }

    /// Paid into a treasury, out of which can be given back.
    pub(super) async fn with_treasury(settle: Settle) -> Self {
        Self::built(|route| route.settle = settle, Payee::Treasury).await
    }

    async fn built(change: impl FnOnce(&mut Route), payee: Payee) -> Self {
        let files = tempfile::tempdir().unwrap();
        let directory = files.path().to_owned();
        let mut settings = ledger::Settings::new(ledger::Database::Sqlite { directory: directory.clone() });
        let mut network = samples::network();
        if payee == Payee::Treasury {
            settings.outlets.insert(Arc::clone(&network.id), Outlet::default());
            network.treasury = Some(Address::repeat_byte(8));
        }
        let open = move || Ledger::open(settings, Arc::new(Standing), Arc::new(Unobserved)).unwrap();
        let (ledger, writer) = tokio::task::spawn_blocking(open).await.unwrap();
        let registry = Registry::open(&Database::Sqlite { directory }, Arc::new(Standing)).await.unwrap();
        let mut sold = samples::route();
        change(&mut sold);
        let provider = Provider { payee: Some(payee), ..samples::provider() };
        let catalog = Catalog::new(1, vec![Arc::new(provider)], vec![Arc::new(sold)]).unwrap();
        network.tokens[0].methods = TransferMethod::ALL.to_vec();
        let rail = Arc::new(Told::new());
        let currencies = Currencies::new(ledger.asset(), std::slice::from_ref(&network));
        let currencies = currencies.giving_back(&ledger).settled_by(Arc::clone(&rail) as Arc<dyn PublicRail>);
        let traffic = Traffic::default();
        let snapshot = Snapshot::build(Arc::new(catalog), &ledger, &currencies, &traffic, None).await;
        let public = Public::new(networks(&rail, &network), NonZeroU32::MIN);
        let snapshot = Arc::new(snapshot);
        let leniency = Leniency::default();
        Self { ledger, rail, _writer: writer, registry, snapshot, public, leniency, _files: files }
    }

    pub(super) fn payer(&self) -> Address {
        key().address()
    }

    /// A payment header, in this version of x402.
    pub(super) fn payment(&self, nonce: u8, version: u64) -> String {
        let offer = self.snapshot.offer(RouteId(0)).unwrap();
        let way = &offer.ways[0];
        let quote = offer.payable(way, NOW).next().unwrap();
        let accepts = vec![way.offer(quote.amount, &quote.text)];
        let challenge =
            PaymentRequired { x402_version: 2, error: None, resource: None, accepts, extensions: None };
        let signed = sign_offer(&key(), &challenge, 0, B256::repeat_byte(nonce), NOW).unwrap();
        if version == 2 {
            return signed;
        }
        let mut v2: Value = serde_json::from_slice(&header::decode(signed.as_bytes()).unwrap()).unwrap();
        let payload = v2["payload"].take();
        let v1 = json!({"x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": payload});
        header::encode(v1.to_string().as_bytes())
    }

    /// As the gateway does it: verify, then hold.
    pub(super) async fn admit_at(
        &self,
        path: &str,
        query: Option<&str>,
        payment: &str,
    ) -> Result<(Admission, Payer), Refusal> {
        let (routed, request) = self.routed(path, query);
        let value = HeaderValue::from_str(payment).unwrap();
        let offer = routed.offer().unwrap();
        let judged =
            |found| verify(Credential::Payment(&value), &routed.route, offer, NOW, found, &Limits::default());
        let claim =
            prove(judged(None)?, Some(&self.public), Consumer::at(None), |found| judged(Some(found))).await?;
        let (directory, metrics) = (self.registry.directory(), metrics());
        let nobodies = Strangers::of_agents(NonZeroU32::MIN);
        let holder = Holder {
            ledger: &self.ledger,
            directory: &directory,
            public: Some(&self.public),
            metrics: &metrics,
            leniency: &self.leniency,
            nobodies: &nobodies,
            client: Consumer::Address([127, 0, 0, 1].into()),
        };
        let mut holding = holder.identify(&claim, None, &routed, &HeaderMap::new(), &mut None).await?;
        let mut random = [0; 10];
        getrandom::fill(&mut random).unwrap();
        let payment = PaymentId::generate(NOW, random);
        let admission = holder.hold(&claim, &mut holding, &routed, &request, None, || Ok(payment)).await?;
        Ok((admission, holding.payer))
    }

    pub(super) async fn admit(&self, payment: &str) -> Result<(Admission, Payer), Refusal> {
        self.admit_at("/paid", None, payment).await
    }

    /// The exchange of a payment that is taken.
    pub(super) async fn admitted(&self, payment: &str) -> Exchange {
        let (routed, request) = self.routed("/paid", None);
        match self.admit(payment).await.unwrap() {
            (Admission::Signed(signed), payer) => {
                let metered = routed.route.price.metered().cloned();
                let mut exchange = Exchange::signed(routed, request, signed, payer);
                exchange.meter = metered.map(Meter::new);
                exchange
            }
            _ => panic!("it is held by a payment on a public network"),
        }
    }

    pub(super) fn routed(&self, path: &str, query: Option<&str>) -> (Routed, Admitted) {
        let request = Admitted {
            method: "GET".to_owned(),
            authority: "localhost".to_owned(),
            path: CanonicalPath::parse(path.as_bytes()).unwrap(),
            query: query.map(str::to_owned),
            content_length: None,
        };
        (route(&self.snapshot, &request).unwrap(), request)
    }

    /// The upstream answers with this status.
    pub(super) async fn capture(
        &self,
        exchange: &mut Exchange,
        status: u16,
    ) -> (Result<Outcome, Refusal>, ResponseHeader) {
        self.capture_with(exchange, ResponseHeader::build(status, None).unwrap()).await
    }

    /// The upstream answers with this header.
    pub(super) async fn capture_with(
        &self,
        exchange: &mut Exchange,
        mut response: ResponseHeader,
    ) -> (Result<Outcome, Refusal>, ResponseHeader) {
        let outcome =
            capture(exchange, &mut response, &metrics(), &self.leniency, &mut Times::default()).await;
        (outcome, response)
    }

    /// Waits until a payment stands in the books.
    pub(super) async fn until_captured(&self, payment: PaymentId) {
        let mut number = 0;
        while self.ledger.payment(payment).await.unwrap().is_none() {
            assert!(self.ledger.unknown().is_empty(), "somebody knows of it");
            // A commit: what was handed over before it is in it.
            number += 1;
            self.ledger.open_provider(&format!("other {number}")).await.unwrap();
        }
    }

    /// Ends what is open, and then the audit of the SQL and of the memory.
    pub(super) async fn finish(&self, mut exchange: Exchange) {
        if let Some(crate::stage::prepay::Undoing::Void(voiding)) = exchange.undo() {
            voiding.await.unwrap();
        }
        drop(exchange);
        let report = self.ledger.audit().await.unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
}

fn networks(rail: &Arc<Told>, network: &Network) -> PublicNetworks {
    let most = Amount::from_atomic(PAYER_FUNDS).unwrap();
    let rail: Arc<dyn PublicRail> = Arc::clone(rail) as Arc<dyn PublicRail>;
    PublicNetworks { rail, payer_unsettled_max: [(Arc::clone(&network.id), most)].into(), foreign: None }
}

fn key() -> SigningKey {
    SigningKey::from_hex(&"42".repeat(32)).unwrap()
}

pub(super) fn metrics() -> Metrics {
    Metrics::new(&prometheus::Registry::new()).unwrap()
}

/// The receipt in a field of an answer.
pub(super) fn receipt(response: &ResponseHeader, name: &str) -> Value {
    let value = response.headers[name].as_bytes();
    serde_json::from_slice(&header::decode(value).unwrap()).unwrap()
}
