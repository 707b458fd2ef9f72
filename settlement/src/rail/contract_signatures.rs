//! [`ContractSignatures`]: whether payers that are contracts have signed (ERC-1271), and how often they are asked.
//!
//! Whoever sends a request may name any payer: such a signature costs its sender nothing, and us a call of a node. One that was
//! answered is not asked again for a while. So many are asked at once, and of one client an eighth of that. Questions are counted for each
//! payer: a contract may say yes to everything. And wrong answers are: for each payer, for all those who have not signed anything right
//! lately, and of these for each client, which has an eighth. Whoever floods in one wallet's name holds up that wallet, and whoever floods in
//! many names holds up nobody who pays, and from one address nobody elsewhere.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use alloy_primitives::{B256, keccak256};
use domain::{Address, Clock, UnixMillis};
use parking_lot::Mutex;
use protocol::seal::Seal;

use super::RailError;
use super::kept::Kept;
use super::shares::{CLIENTS_SHARE, Place, Places};

/// How long an answer stands, and a failure.
const FRESH_MS: i64 = 10_000;
const SHORT_MS: i64 = 1_000;

/// How long a payer is known to be one who signs right.
const KNOWN_MS: i64 = 3_600_000;

/// Answers and payers that are kept.
const ANSWERS_MAX: usize = 16_384;
const PAYERS_MAX: usize = 16_384;
const CLIENTS_MAX: usize = 16_384;

/// Questions at once, and how long one more waits.
const RUNNING_MAX: usize = 16;
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Questions in a row of one payer, whatever is answered.
const ASKED_OF_ONE: Burst = Burst { most: 64, forgotten_ms: 125 };

/// Wrong answers in a row that one payer, and all unknown ones together, may have.
const WRONG_OF_ONE: Burst = Burst { most: 16, forgotten_ms: 1_000 };
const WRONG_OF_ALL: Burst = Burst { most: 128, forgotten_ms: 100 };

/// So many in a row, and milliseconds until one more of them is forgotten.
#[derive(Clone, Copy, Debug)]
struct Burst {
    most: i64,
    forgotten_ms: i64,
}

/// Whether a payer has signed something that no key of it has.
#[derive(Clone, Copy, Debug)]
pub struct ContractSignature<'a> {
    /// CAIP-2.
    pub network: &'a str,
    /// Who pays, if it has.
    pub payer: Address,
    /// What was signed.
    pub digest: B256,
    /// The signature.
    pub seal: &'a Seal,
    /// Whose request it is, by the address that counts for it; those without one are one client.
    pub client: Option<IpAddr>,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The payer is a contract, and has signed it.
    Signed,
    /// The same, but the contract is still to be made by this factory, which nobody calls for it here.
    Undeployed(Address),
    /// The payer is a contract, and has not signed it.
    NotSigned,
    /// There is no contract.
    NoContract,
}

type Answer = Result<Validity, RailError>;

/// What was answered last, and when; locked while it is asked.
type Entry = tokio::sync::Mutex<Option<(UnixMillis, Answer)>>;

/// Answers on one network, and what was wrong.
pub(super) struct ContractSignatures {
    answers: Kept<B256, Entry>,
    /// When a payer last signed right. Nobody else is in it.
    known: Kept<Address, Mutex<UnixMillis>>,
    asked_of_one: Kept<Address, Mutex<Count>>,
    wrong_of_one: Kept<Address, Mutex<Count>>,
    /// Of those who are not known.
    wrong_of_all: Mutex<Count>,
    /// Of those, from one address.
    wrong_of_client: Kept<Option<IpAddr>, Mutex<Count>>,
    wrong_of_client_max: Burst,
    places: Places,
}

/// Questions or wrong answers that are not forgotten yet, by the moment until which they are not.
#[derive(Default)]
struct Count {
    until: UnixMillis,
}

// === impl ContractSignature ===

impl ContractSignature<'_> {
    /// One name for one signature on one network, whoever shows it.
    fn name(&self) -> B256 {
        let seal = keccak256(self.seal.bytes());
        keccak256([self.payer.as_slice(), self.digest.as_slice(), seal.as_slice()].concat())
    }
}

// === impl ContractSignatures ===

impl ContractSignatures {
    /// So many clients may stand behind an address, and have their shares together.
    pub(super) fn new(clients_per_address: NonZeroU32) -> Self {
        // More than all there are is all.
        let clients = clients_per_address.get().min(CLIENTS_SHARE);
        let Burst { most, forgotten_ms } = WRONG_OF_ALL;
        let (clients, share) = (i64::from(clients), i64::from(CLIENTS_SHARE));
        Self {
            answers: Kept::new(ANSWERS_MAX),
            known: Kept::new(PAYERS_MAX),
            asked_of_one: Kept::new(PAYERS_MAX),
            wrong_of_one: Kept::new(PAYERS_MAX),
            wrong_of_all: Mutex::default(),
            wrong_of_client: Kept::new(CLIENTS_MAX),
            wrong_of_client_max: Burst {
                most: most * clients / share,
                forgotten_ms: forgotten_ms * share / clients,
            },
            places: Places::new(RUNNING_MAX, clients_per_address),
        }
    }

    /// What is remembered, or else is asked now, where it may be.
    pub(super) async fn get(
        &self,
        signature: &ContractSignature<'_>,
        clock: &dyn Clock,
        ask: impl Future<Output = Answer>,
    ) -> Answer {
        let entry = self.answers.entry(signature.name());
        let mut remembered = entry.lock().await;
        if let Some((at, answer)) = &*remembered {
            let age_max = if answer.is_ok() { FRESH_MS } else { SHORT_MS };
            // A clock that was set back makes nothing fresher.
            if (0..age_max).contains(&clock.now().0.saturating_sub(at.0)) {
                return answer.clone();
            }
        }
        let (wrong, of_client) =
            (self.wrong_of_one.entry(signature.payer), self.wrong_of_client.entry(signature.client));
        let is_known = self.is_known(&signature.payer, clock.now());
        let are_few = is_known
            || (self.wrong_of_all.lock().are_few(WRONG_OF_ALL, clock.now())
                && of_client.lock().are_few(self.wrong_of_client_max, clock.now()));
        if !are_few || !wrong.lock().are_few(WRONG_OF_ONE, clock.now()) {
            return Err(RailError::AskedTooOften);
        }
        if !self.asked_of_one.entry(signature.payer).lock().takes(ASKED_OF_ONE, clock.now()) {
            return Err(RailError::AskedTooOften);
        }
        let Some(_place) = self.place(signature.client).await else { return Err(RailError::AskedTooOften) };
        let answer = ask.await;
        let now = clock.now();
        *remembered = Some((now, answer.clone()));
        match &answer {
            Ok(Validity::Signed) => *self.known.entry(signature.payer).lock() = now,
            Ok(Validity::Undeployed(_) | Validity::NotSigned | Validity::NoContract) => {
                wrong.lock().add(WRONG_OF_ONE, now);
                if !is_known {
                    self.wrong_of_all.lock().add(WRONG_OF_ALL, now);
                    of_client.lock().add(self.wrong_of_client_max, now);
                }
            }
            Err(_) => {}
        }
        answer
    }

    /// A place, once its client has fewer than its share of them; none where that takes too long.
    async fn place(&self, client: Option<IpAddr>) -> Option<Place<'_>> {
        tokio::time::timeout(WAIT_MAX, self.places.take(client)).await.ok()
    }

    fn is_known(&self, payer: &Address, now: UnixMillis) -> bool {
        self.known.find(payer).is_some_and(|at| now.0.saturating_sub(at.lock().0) < KNOWN_MS)
    }
}

// === impl Count ===

impl Count {
    fn are_few(&self, Burst { most, forgotten_ms }: Burst, now: UnixMillis) -> bool {
        let left_ms = self.until.0.saturating_sub(now.0);
        // More than there can be is of a clock that was set back.
        left_ms <= (most - 1) * forgotten_ms || left_ms > most * forgotten_ms
    }

    /// One more, where they are few.
    fn takes(&mut self, limit: Burst, now: UnixMillis) -> bool {
        let are_few = self.are_few(limit, now);
        if are_few {
            self.add(limit, now);
        }
        are_few
    }

    fn add(&mut self, Burst { most, forgotten_ms }: Burst, now: UnixMillis) {
        self.until = self.until.max(now).plus(forgotten_ms).min(now.plus(most * forgotten_ms));
    }
}

#[cfg(test)]
mod tests;
