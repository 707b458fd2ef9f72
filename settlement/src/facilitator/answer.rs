//! What a facilitator's answers mean. Absent and `null` are the same, unknown fields are ignored, codes are open words.

use std::collections::HashMap;
use std::str::FromStr;

use domain::party::is_evm;
use domain::{Address, B256, ForeignName, Party};
use protocol::offer::{FACILITATOR, Offer, SCHEME_EXACT, SCHEME_UPTO};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use super::Shown;

/// Codes of a refused settlement that are none: the nonce is used, perhaps by this very payment, or a transaction is on its way.
const NO_REFUSAL: [&str; 6] = [
    "nonce_already_used",
    "invalid_exact_evm_nonce_already_used",
    "duplicate_settlement",
    "settlement_pending",
    "invalid_transaction_state",
    "invalid_exact_evm_transaction_failed",
];

/// Most addresses that one facilitator settles from.
const SETTLERS_MAX: usize = 64;

/// Longest word of somebody else that is kept, in characters.
const WORD_MAX: usize = 128;

/// The verdict on a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It would be settled.
    Valid,
    /// It would not; the facilitator's code for why.
    Invalid(String),
}

/// The verdict on a payment whose payer only the facilitator can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// It would be settled; who signed it.
    Payer(ForeignName),
    /// It would not; the facilitator's code for why.
    Invalid(String),
}

/// What became of a settlement, where the facilitator knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It says that value moved in this transaction. The chain has the last word.
    Moved {
        /// The hash on an EVM network, a signature on others.
        transaction: String,
    },
    /// Nothing was sent, and nothing will be; the facilitator's code for why.
    Refused(String),
}

/// Why nothing is known. Value may have moved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unknown {
    /// The question could not be written down.
    #[error("the payment cannot be shown to the facilitator")]
    Unsent,
    /// No connection: nothing was asked.
    #[error("the facilitator cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the facilitator did not answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the facilitator broke off its answer")]
    Broken,
    /// More than is read.
    #[error("the facilitator's answer is too long")]
    TooLong,
    /// Not what x402 says that it answers.
    #[error("the facilitator answered {status} without an x402 answer{}", wants_key(*status))]
    Malformed {
        /// Of the answer.
        status: u16,
    },
    /// About another payment, or another amount.
    #[error("the facilitator's answer is about another payment: its {0} differs")]
    Other(&'static str),
    /// It does not know itself.
    #[error("the facilitator does not know: {0}")]
    Undecided(String),
}

/// `GET /supported`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Supported {
    /// What it settles.
    pub kinds: Vec<Kind>,
    /// Who sends its transactions, by networks such as `eip155:*`.
    #[serde(default)]
    pub signers: Option<HashMap<String, Option<Vec<String>>>>,
}

/// One way of paying that a facilitator settles.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kind {
    /// Of x402.
    pub x402_version: u64,
    /// `exact`, `upto`...
    pub scheme: String,
    /// CAIP-2, or v1's name.
    pub network: String,
    /// What clients must find in an offer to sign it.
    #[serde(default)]
    pub extra: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifyResponse {
    is_valid: bool,
    invalid_reason: Option<String>,
    payer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SettleResponse {
    success: bool,
    error_reason: Option<String>,
    payer: Option<String>,
    transaction: Option<String>,
    network: Option<String>,
    amount: Option<String>,
}

pub(super) fn identified(status: StatusCode, body: &[u8]) -> Result<Identified, Unknown> {
    let answer: VerifyResponse = read(status, body)?;
    if !answer.is_valid {
        return Ok(Identified::Invalid(word(answer.invalid_reason)));
    }
    let payer = answer.payer.and_then(|payer| payer.parse().ok());
    payer.map(Identified::Payer).ok_or(Unknown::Other("payer"))
}

pub(super) fn verified(status: StatusCode, body: &[u8], payer: Option<Party>) -> Result<Verified, Unknown> {
    let answer: VerifyResponse = read(status, body)?;
    if !answer.is_valid {
        return Ok(Verified::Invalid(word(answer.invalid_reason)));
    }
    is_payer(answer.payer.as_deref(), payer)?;
    Ok(Verified::Valid)
}

/// A refusal is one only where the network is read, no transaction stands beside it and the server did not fail; success only where all
/// that is told is of this payment.
pub(super) fn settled(status: StatusCode, body: &[u8], shown: Shown<'_>) -> Result<Settled, Unknown> {
    let answer: SettleResponse = read(status, body)?;
    let transaction = answer.transaction.filter(|transaction| !transaction.is_empty());
    if !answer.success {
        let reason = word(answer.error_reason);
        // Where nobody here can look, no code tells whether it was sent before: each facilitator has its own.
        let can_tell = is_evm(&shown.requirements.network) && !NO_REFUSAL.contains(&&*reason);
        let is_refusal = transaction.is_none() && !status.is_server_error() && can_tell;
        return if is_refusal { Ok(Settled::Refused(reason)) } else { Err(Unknown::Undecided(reason)) };
    }
    if !status.is_success() {
        return Err(Unknown::Malformed { status: status.as_u16() });
    }
    is_payer(answer.payer.as_deref(), shown.payer)?;
    is_of(answer.network.as_deref(), answer.amount.as_deref(), shown.requirements)?;
    let is_evm = is_evm(&shown.requirements.network);
    let transaction = transaction.filter(|text| {
        if is_evm { B256::from_str(text).is_ok() } else { text.parse::<ForeignName>().is_ok() }
    });
    let transaction = transaction.ok_or(Unknown::Other("transaction"))?;
    Ok(Settled::Moved { transaction: transaction.chars().take(WORD_MAX).collect() })
}

/// Only a good answer says anything: an error page may be JSON as well.
pub(super) fn supported(status: StatusCode, body: &[u8]) -> Result<Supported, Unknown> {
    if !status.is_success() {
        return Err(Unknown::Malformed { status: status.as_u16() });
    }
    read(status, body)
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, Unknown> {
    serde_json::from_slice(body).map_err(|_| Unknown::Malformed { status: status.as_u16() })
}

/// What a status says of who asked.
const fn wants_key(status: u16) -> &'static str {
    if matches!(status, 401 | 403) {
        ": it does not take the fields that are sent to it (headers, headers_file)"
    } else {
        ""
    }
}

/// Where it is told, it must be ours.
fn is_payer(told: Option<&str>, payer: Option<Party>) -> Result<(), Unknown> {
    let (Some(told), Some(payer)) = (told.filter(|text| !text.is_empty()), payer) else { return Ok(()) };
    let is_ours = match payer {
        Party::Evm(address) => Address::from_str(told) == Ok(address),
        Party::Named(name) => name.as_str() == told,
    };
    if is_ours { Ok(()) } else { Err(Unknown::Other("payer")) }
}

fn is_of(network: Option<&str>, amount: Option<&str>, requirements: &Offer) -> Result<(), Unknown> {
    let ours = &*requirements.network;
    let is_ours = |told: &str| told == ours || protocol::network::of_v1_name(told) == Some(ours);
    if network.is_some_and(|told| !is_ours(told)) {
        return Err(Unknown::Other("network"));
    }
    if amount.is_some_and(|told| told != requirements.amount) {
        return Err(Unknown::Other("amount"));
    }
    Ok(())
}

/// Somebody else's word, no longer than is kept.
fn word(text: Option<String>) -> String {
    let text = text.unwrap_or_else(|| "unspecified".to_owned());
    text.chars().filter(|character| !character.is_control()).take(WORD_MAX).collect()
}

// === impl Supported ===

impl Supported {
    /// Whether it settles payments of this scheme on a network (CAIP-2), by any version of x402.
    #[must_use]
    pub fn settles(&self, scheme: &str, network: &str) -> bool {
        let names = |told: &str| told == network || protocol::network::of_v1_name(told) == Some(network);
        self.kinds.iter().any(|kind| kind.scheme == scheme && names(&kind.network))
    }

    /// What clients must find in an offer of scheme `exact` on a network to sign it; none where such payments are not settled.
    #[must_use]
    pub fn extra_of_exact(&self, network: &str) -> Option<Map<String, Value>> {
        let is_it =
            |kind: &&Kind| (kind.x402_version, &*kind.scheme, &*kind.network) == (2, SCHEME_EXACT, network);
        self.kinds.iter().find(is_it).map(|kind| kind.extra.clone().unwrap_or_default())
    }

    /// The accounts of a network from which it says that it sends transactions, in order; of very many not all.
    #[must_use]
    pub fn accounts_of(&self, network: &str, most: usize) -> Vec<String> {
        let mut accounts: Vec<String> = self.signers_of(network).map(str::to_owned).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts.truncate(most);
        accounts
    }

    fn signers_of<'a>(&'a self, network: &'a str) -> impl Iterator<Item = &'a str> {
        let family = network.split_once(':').map(|(family, _)| format!("{family}:*")).unwrap_or_default();
        let signers = self.signers.iter().flatten();
        let of_network = signers.filter(move |(key, _)| **key == family || **key == *network);
        of_network.filter_map(|(_, all)| all.as_ref()).flatten().map(String::as_str)
    }

    /// Whom payments of `upto` on a network may name, the one first that it wants offers to name; none where it settles no such ones.
    #[must_use]
    pub fn settlers_of_upto(&self, network: &str) -> Vec<Address> {
        let is_it =
            |kind: &&Kind| (kind.x402_version, &*kind.scheme, &*kind.network) == (2, SCHEME_UPTO, network);
        let Some(kind) = self.kinds.iter().find(is_it) else { return Vec::new() };
        let named = kind.extra.as_ref().and_then(|extra| extra.get(FACILITATOR)).and_then(Value::as_str);
        let signers = self.signers_of(network);
        let mut settlers: Vec<Address> = Vec::new();
        for address in named.into_iter().chain(signers).filter_map(|text| Address::from_str(text).ok()) {
            if !settlers.contains(&address) && settlers.len() < SETTLERS_MAX {
                settlers.push(address);
            }
        }
        settlers
    }
}

// === impl Unknown ===

impl Unknown {
    /// Whether the question certainly never left.
    #[must_use]
    pub const fn was_not_asked(&self) -> bool {
        matches!(self, Self::Unsent | Self::Unreachable)
    }

    /// Whether whoever guards the facilitator turns us away, whatever we ask.
    #[must_use]
    pub const fn turns_away(&self) -> bool {
        matches!(self, Self::Malformed { status: 401 | 403 | 404 | 405 | 429 })
    }

    /// Whether no answer came, of whatever kind.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout | Self::Broken)
    }

    pub(super) fn from_transport(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Broken
        }
    }
}
