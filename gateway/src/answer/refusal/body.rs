//! The JSON body of a [`Refusal`]: `error` and `message`, and the numbers a program needs to decide what to do.
//!
//! Written straight into its text: most answers of a busy gateway are a 402.

use std::borrow::Cow;

use domain::{Amount, PolicyViolation};
use protocol::permit::PERMIT2;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::{Refusal, Unpaid};

/// An amount as programs and people read it: `amount` in atomic units as decimal text, `display` in dollars.
pub(crate) struct Money(pub(crate) Amount);

/// What stands beside `error` and `message`.
enum Detail<'a> {
    Money(Amount),
    Text(Cow<'a, str>),
    Seconds(u32),
}

type Details<'a> = Vec<(&'static str, Detail<'a>)>;

/// A refusal as its body.
struct Body<'a>(&'a Refusal);

// === impl Refusal ===

impl Refusal {
    /// The JSON body, an object.
    pub(crate) fn body(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(&Body(self)).unwrap_or_default()
    }

    fn details(&self) -> Details<'_> {
        match self {
            Self::Policy { violation } => of_policy(violation),
            Self::PaymentRequired(unpaid) => of_unpaid(unpaid),
            Self::KeyScope { key } => vec![("key", written(key))],
            Self::RateLimited { scope, retry_after } => {
                vec![("limit_on", text(scope.name())), ("retry_after", Detail::Seconds(*retry_after))]
            }
            Self::TooManyPayers { retry_after } | Self::TooManyGivenBack { retry_after } => {
                vec![("retry_after", Detail::Seconds(*retry_after))]
            }
            Self::UnsettledPayments { most } => vec![("limit", Detail::Money(*most))],
            Self::OutcomeUnknown { payment, .. } | Self::SettlementUnknown(payment) => {
                vec![("payment", written(payment))]
            }
            Self::SignIn(challenge) => vec![("challenge", text(challenge))],
            Self::AlreadyDelivered(receipt)
            | Self::Refunded(receipt)
            | Self::GivenBack { record: receipt, .. } => vec![
                ("payment", written(&receipt.payment)),
                ("amount", Detail::Money(receipt.amount)),
                ("captured_at", written(&receipt.captured_at)),
            ],
            _ => Vec::new(),
        }
    }
}

fn of_policy(violation: &PolicyViolation) -> Details<'_> {
    match violation {
        PolicyViolation::PerRequest { limit, price } | PolicyViolation::PerRequestOfKey { limit, price } => {
            vec![
                ("limit", Detail::Money(*limit)),
                ("price", Detail::Money(*price)),
                ("window", text("request")),
            ]
        }
        PolicyViolation::Window { window, scope, limit, remaining, price, .. } => {
            let mut details = vec![
                ("limit", Detail::Money(*limit)),
                ("remaining", Detail::Money(*remaining)),
                ("price", Detail::Money(*price)),
                ("window", text(window.name())),
            ];
            details.extend(scope.as_ref().map(|scope| ("scope", written(scope))));
            details
        }
        _ => Vec::new(),
    }
}

fn of_unpaid(unpaid: &Unpaid) -> Details<'_> {
    match unpaid {
        Unpaid::Missing { price } => vec![("price", Detail::Money(*price))],
        Unpaid::Funds { available, price, .. } => {
            vec![("available", Detail::Money(*available)), ("price", Detail::Money(*price))]
        }
        Unpaid::Balance { short } => vec![
            ("available", Detail::Money(short.available)),
            ("price", Detail::Money(short.price)),
            ("network", text(&short.network)),
            ("token", text(&short.token)),
        ],
        Unpaid::AboveMaximum { maximum, price } => {
            vec![("maximum", Detail::Money(*maximum)), ("price", Detail::Money(*price))]
        }
        Unpaid::UnknownSigner { address, .. } => {
            vec![("address", Detail::Text(address.to_checksum(None).into()))]
        }
        Unpaid::Allowance { token, network, .. } => vec![
            ("network", text(network)),
            ("token", text(token)),
            ("spender", Detail::Text(PERMIT2.to_checksum(None).into())),
        ],
        Unpaid::Rejected { .. } | Unpaid::NotSettled { .. } => Vec::new(),
    }
}

fn text(text: &str) -> Detail<'_> {
    Detail::Text(text.into())
}

fn written(value: &impl ToString) -> Detail<'static> {
    Detail::Text(value.to_string().into())
}

// === impl Body ===

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("error", self.0.code())?;
        object.serialize_entry("message", &format_args!("{}", self.0))?;
        for (name, detail) in self.0.details() {
            object.serialize_entry(name, &detail)?;
        }
        object.end()
    }
}

// === impl Detail ===

impl Serialize for Detail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Money(amount) => Money(*amount).serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Seconds(seconds) => serializer.serialize_u32(*seconds),
        }
    }
}

// === impl Money ===

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Money", 2)?;
        object.serialize_field("amount", &format_args!("{}", self.0.atomic()))?;
        object.serialize_field("display", &format_args!("{}", self.0))?;
        object.end()
    }
}
