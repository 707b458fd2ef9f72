//! [`Told`]: what becomes of a request for a deposit, and [`DepositReply`]: how every listener answers it.

use std::sync::Arc;

use domain::{Address, Amount, B256, PaymentId, WalletId};
use ledger::ReceiptRecord;
use protocol::challenge::{PaymentRequired, Resource};
use protocol::header::{PAYMENT_REQUIRED, PAYMENT_RESPONSE, X_PAYMENT_RESPONSE};
use protocol::offer::Offer;
use protocol::offer_v1::{Described, OfferV1};
use protocol::receipt::SettlementResponse;
use protocol::verify::Rejection;
use protocol::{X402_VERSION, X402_VERSION_1};
use serde_json::{Value, json};

use super::Bounds;

/// The field with the payment's name, where its outcome is not known yet.
const PAYMENT_ID: &str = "faregate-payment-id";

/// Who pays, and how they are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// Who signed.
    pub address: Address,
    /// CAIP-2 of the network that is paid on.
    pub network: Arc<str>,
    /// The version of x402 that it speaks.
    pub version: u64,
}

/// What becomes of a request for a deposit.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A payment is asked for: none came, or one that was not and will not be charged.
    Asked {
        /// In the operator's order of networks and tokens.
        offers: Vec<Offer>,
        /// What was called.
        url: String,
        /// For which wallet.
        wallet: WalletId,
        /// How much.
        amount: Amount,
        /// Why.
        unpaid: Unpaid,
    },
    /// The wallet has it, now or since an earlier call with the same payment.
    Funded {
        /// The deposit; its route is the wallet.
        record: ReceiptRecord,
        /// Who paid.
        payer: Payer,
    },
    /// The value moved in a block that may still be undone; the wallet has it once the block counts.
    Pending {
        /// The deposit.
        payment: PaymentId,
        /// For which wallet.
        wallet: WalletId,
        /// How much.
        amount: Amount,
        /// By which transaction, where that is at hand.
        transaction: Option<B256>,
        /// Who paid.
        payer: Payer,
    },
    /// It may have moved, or still may. The same payment is told the outcome.
    Unknown(PaymentId),
    /// The same payment is under way.
    InProgress,
    /// The payment was used for something else.
    Reused,
    /// Less or more than may be deposited at once.
    Amount(Bounds),
    /// The payment cannot be read.
    Malformed(String),
    /// The network cannot be read, or nobody settles there. Nothing moved.
    RailUnavailable,
    /// The books cannot be written. Nothing moved.
    LedgerUnavailable,
    /// Too much is queued. Nothing moved.
    Overloaded,
    /// The clock is being set. Nothing moved.
    ClockAhead,
}

/// Why a payment is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaid {
    /// None came.
    Missing,
    /// It is not one that was asked for.
    Rejected {
        /// Of x402.
        code: &'static str,
        /// For people.
        message: String,
    },
    /// Its payer has too little.
    Funds,
    /// It could not be settled, and nothing moved.
    NotSettled {
        /// A code of who settles.
        reason: String,
        /// Whose it was.
        payer: Payer,
    },
}

/// An answer, as every listener gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositReply {
    /// HTTP status.
    pub status: u16,
    /// Fields beside those of the body.
    pub headers: Vec<(&'static str, String)>,
    /// JSON; a problem (RFC 9457) from status 400 on.
    pub body: Value,
}

// === impl Payer ===

impl Payer {
    pub(super) fn new(address: Address, network: &Arc<str>, version: u64) -> Self {
        Self { address, network: Arc::clone(network), version }
    }

    /// As its client reads it.
    fn receipt(&self, response: SettlementResponse) -> (&'static str, String) {
        match self.version {
            X402_VERSION_1 => (X_PAYMENT_RESPONSE, response.in_v1().to_header()),
            _ => (PAYMENT_RESPONSE, response.to_header()),
        }
    }

    fn settled(&self, transaction: B256, amount: Amount, payment: PaymentId) -> (&'static str, String) {
        let payer = self.address.to_checksum(None);
        self.receipt(SettlementResponse::settled(&self.network, &payer, transaction.0, amount, payment))
    }

    fn refused(&self, reason: &str) -> (&'static str, String) {
        self.receipt(SettlementResponse {
            success: false,
            error_reason: Some(reason.to_owned()),
            error_message: None,
            payer: Some(self.address.to_checksum(None)),
            transaction: String::new(),
            network: self.network.to_string(),
            amount: None,
            extra: None,
        })
    }
}

// === impl Unpaid ===

impl Unpaid {
    pub(super) fn rejected(rejection: &Rejection) -> Self {
        Self::Rejected { code: rejection.code(), message: rejection.to_string() }
    }

    const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "payment_required",
            Self::Rejected { code, .. } => code,
            Self::Funds => "insufficient_funds",
            Self::NotSettled { .. } => "settlement_failed",
        }
    }
}

// === impl Told ===

impl Told {
    /// As it is answered.
    #[must_use]
    pub fn reply(&self) -> DepositReply {
        match self {
            Self::Asked { offers, url, wallet, unpaid, .. } => {
                let mut reply = self.problem();
                let header = required(offers, url, *wallet, unpaid.code()).to_header();
                reply.headers.push((PAYMENT_REQUIRED, header));
                if let Unpaid::NotSettled { reason, payer } = unpaid {
                    reply.headers.push(payer.refused(reason));
                }
                in_v1(offers, url, *wallet, &mut reply.body);
                reply
            }
            Self::Funded { record, payer } => DepositReply {
                status: 200,
                headers: vec![payer.settled(record.transaction, record.amount, record.payment)],
                body: deposit(record.payment, &record.route, record.amount, Some(record.transaction), payer),
            },
            Self::Pending { payment, wallet, amount, transaction, payer } => {
                let receipt = transaction.map(|hash| payer.settled(hash, *amount, *payment));
                let retry = ("retry-after", "5".to_owned());
                let mut body = deposit(*payment, &wallet.to_string(), *amount, *transaction, payer);
                body["state"] = "pending".into();
                DepositReply { status: 202, headers: receipt.into_iter().chain([retry]).collect(), body }
            }
            _ => self.problem(),
        }
    }

    fn problem(&self) -> DepositReply {
        let (status, code, seconds) = self.sort();
        let mut body = json!({
            "type": format!("urn:faregate:problem:{code}"), "status": status, "code": code, "detail": self.detail(),
            "error": code,
        });
        let mut headers: Vec<_> =
            seconds.into_iter().map(|seconds: u32| ("retry-after", seconds.to_string())).collect();
        match self {
            Self::Unknown(payment) => {
                body["payment"] = payment.to_string().into();
                headers.push((PAYMENT_ID, payment.to_string()));
            }
            Self::Asked { amount, .. } => body["price"] = money(*amount),
            Self::Amount(Bounds { least, most }) => {
                body["minimum"] = money(*least);
                body["maximum"] = money(*most);
            }
            _ => {}
        }
        DepositReply { status, headers, body }
    }

    /// Status, code, and the seconds after which trying again can help.
    const fn sort(&self) -> (u16, &'static str, Option<u32>) {
        match self {
            Self::Funded { .. } => (200, "funded", None),
            Self::Pending { .. } => (202, "pending", Some(5)),
            Self::Asked { unpaid, .. } => (402, unpaid.code(), None),
            Self::Malformed(_) => (400, "invalid_payload", None),
            Self::Amount(_) => (422, "invalid_amount", None),
            Self::InProgress => (409, "payment_in_progress", Some(1)),
            Self::Reused => (409, "payment_reused", None),
            Self::Unknown(_) => (503, "settlement_unknown", Some(5)),
            Self::RailUnavailable => (503, "settlement_unavailable", Some(5)),
            Self::LedgerUnavailable => (503, "ledger_unavailable", Some(5)),
            Self::Overloaded => (503, "overloaded", Some(1)),
            Self::ClockAhead => (503, "clock_ahead", Some(30)),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Asked { amount, wallet, url, unpaid, .. } => match unpaid {
                Unpaid::Missing => format!(
                    "a deposit of {amount} into {wallet} is paid by an x402 client, such as `faregate pay -X POST --max '{amount}' '{url}'`"
                ),
                Unpaid::Rejected { message, .. } => message.clone(),
                Unpaid::Funds => "the payer has too little on this network".to_owned(),
                Unpaid::NotSettled { reason, .. } => {
                    format!("the payment could not be settled ({reason}); nothing was charged, sign a new one")
                }
            },
            Self::Amount(Bounds { least, most }) => {
                format!("one deposit is {least} to {most}: name it as `amount`, such as `?amount=5.00`")
            }
            Self::Malformed(why) => why.clone(),
            Self::Funded { .. } => "the wallet has it".to_owned(),
            Self::Pending { .. } => "it moved, and the wallet has it once its block counts".to_owned(),
            Self::Unknown(_) => "it is not known yet whether the payment was settled; send the same payment again, it is charged \
                                 at most once"
                .to_owned(),
            Self::InProgress => "this payment is under way; ask again in a moment".to_owned(),
            Self::Reused => "this payment was used for something else; sign a new one".to_owned(),
            Self::RailUnavailable => {
                "payments on this network cannot be settled right now; nothing was charged, try again".to_owned()
            }
            Self::LedgerUnavailable => {
                "deposits cannot be recorded right now; send the same payment again, it is charged at most once".to_owned()
            }
            Self::Overloaded => "too many payments are running; nothing was charged, try again".to_owned(),
            Self::ClockAhead => {
                "the clock is being set; signed payments are not taken for a moment, nothing was charged".to_owned()
            }
        }
    }
}

/// A deposit that has its money. What else is in the wallet is nobody's business here.
fn deposit(
    payment: PaymentId,
    wallet: &str,
    amount: Amount,
    transaction: Option<B256>,
    payer: &Payer,
) -> Value {
    json!({
        "id": payment.to_string(),
        "state": "funded",
        "wallet": wallet,
        "amount": money(amount),
        "network": &*payer.network,
        "payer": payer.address.to_checksum(None),
        "transaction": transaction.map(|hash| hash.to_string()),
    })
}

fn description(wallet: WalletId) -> String {
    format!("Deposit into {wallet}")
}

fn required(offers: &[Offer], url: &str, wallet: WalletId, code: &str) -> PaymentRequired {
    PaymentRequired {
        x402_version: X402_VERSION,
        error: Some(code.to_owned()),
        resource: Some(Resource {
            url: url.to_owned(),
            description: Some(description(wallet)),
            mime_type: Some("application/json".to_owned()),
        }),
        accepts: offers.to_vec(),
        extensions: None,
    }
}

/// What v1 clients read, on networks that v1 has names for.
fn in_v1(offers: &[Offer], url: &str, wallet: WalletId, body: &mut Value) {
    let description = description(wallet);
    let described = Described { description: &description, mime_type: "application/json", method: "POST" };
    let offers = offers.iter().filter_map(|offer| OfferV1::new(offer, described));
    let accepts: Vec<Value> =
        offers.filter_map(|offer| serde_json::from_str(&offer.json(url)).ok()).collect();
    if !accepts.is_empty() {
        body["x402Version"] = X402_VERSION_1.into();
        body["accepts"] = accepts.into();
    }
}

fn money(amount: Amount) -> Value {
    json!({ "amount": amount.atomic().to_string(), "display": amount.to_string() })
}
