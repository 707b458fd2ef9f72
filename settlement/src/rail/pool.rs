//! [`Pool`]: the facilitators of one network: whose turn it is, who is left alone, and who may be asked after whom.
//!
//! A payment is verified where it is settled: the official facilitator does not try a settlement before it sends it, and what fails on
//! chain ends unknown. Verification may always be asked of another one; settlement only where the question certainly never left.
//!
//! Who answers a verification, and not in x402, may do so because of that one payment: a payer's contract is called there. So such answers
//! close a facilitator only where the payments of several payers in a row have them; a payer whose own have them in a row is left alone itself.

use std::sync::Arc;
use std::time::Duration;

use domain::{Address, Clock, Party, UnixMillis};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Watched;
use super::breaker::Breaker;
use super::kept::Kept;
use super::settlers::Told;
use crate::facilitator::{Facilitator, Settled, Shown, Unknown, Verified};

/// The longest pause after answers that are none of x402. A payer whose contract is judged may be why: a longer one would let it keep all
/// others out.
const ANSWERED_PAUSE_MS_MAX: i64 = 5_000;

/// Payers that are remembered for such answers, and those of one facilitator in a row.
const PAYERS_MAX: usize = 16_384;
const IN_A_ROW_MAX: usize = 16;

/// One facilitator in a pool.
pub struct Member {
    /// What it is called in logs and metrics.
    pub name: Arc<str>,
    /// How it is reached.
    pub facilitator: Facilitator,
    /// How often it is the first, beside the others' weights. 0: only where the others fail.
    pub weight: u32,
    /// Settlements at once; more wait.
    pub running_max: usize,
}

/// The facilitators of a network.
pub struct Pool {
    seats: Vec<Seat>,
    /// How long a settlement may wait for a place.
    wait_max: Duration,
    /// Half of all places: what nobody waits for takes no more.
    behind: Semaphore,
    /// Smooth weighted round robin: what each of them is owed.
    owed: Mutex<Vec<i64>>,
    /// Of those whose payments nobody judged in x402.
    payers: Kept<Party, Mutex<Breaker>>,
}

struct Seat {
    member: Member,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    /// Whose payments had answers that are none of x402 since the last that was one.
    in_a_row: Mutex<Vec<Party>>,
    /// Who settles payments of `upto` there.
    told: Mutex<Told>,
}

/// A payment that is to be settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// As its payer signed it.
    pub(super) signed: Shown<'a>,
    /// The same with the amount that is to move.
    pub(super) settled: Shown<'a>,
    /// Who alone may settle it, where its payer named somebody.
    pub(super) named: Option<Address>,
}

/// Who waits for a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// A client.
    Waiting,
    /// Nobody: it is settled behind the requests.
    Behind,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// One says that value moved.
    Moved(String),
    /// One would not settle it: nobody was asked to.
    Invalid(String),
    /// One was asked to settle it, and says that it did not.
    Refused(String),
    /// One was asked to settle it, and may have.
    Unknown(Unknown),
    /// Nobody was asked to settle it; why the last one was not.
    Nobody(String),
}

// === impl Pool ===

impl Pool {
    /// The preferred one first, where weights are the same.
    #[must_use]
    pub fn new(members: Vec<Member>, wait_max: Duration) -> Self {
        let owed = Mutex::new(vec![0; members.len()]);
        let seat = |member: Member| Seat {
            places: Semaphore::new(member.running_max),
            breaker: Mutex::default(),
            in_a_row: Mutex::default(),
            told: Mutex::new(Told::default()),
            member,
        };
        let places: usize = members.iter().map(|member| member.running_max).sum();
        let (behind, payers) = (Semaphore::new(places.div_ceil(2)), Kept::new(PAYERS_MAX));
        Self { seats: members.into_iter().map(seat).collect(), wait_max, behind, owed, payers }
    }

    /// Whether anybody could be asked now about a payment of this payer.
    pub(super) fn is_available(&self, payer: Party, clock: &dyn Clock) -> bool {
        let is_left_alone = self.payers.find(&payer).is_some_and(|payer| payer.lock().is_open(clock.now()));
        !is_left_alone && self.seats.iter().any(|seat| !seat.breaker.lock().is_open(clock.now()))
    }

    /// Asks those whose turn it is who settles payments of `upto` on this network.
    pub(super) async fn learn(&self, network: &str, clock: &dyn Clock) {
        for seat in &self.seats {
            if !seat.told.lock().is_due(clock.now()) {
                continue;
            }
            let supported = seat.member.facilitator.supported().await;
            let heard = supported.map(|supported| supported.settlers_of_upto(network));
            seat.told.lock().hear(heard.ok(), clock.now());
        }
    }

    /// Who settles payments of `upto`: those of the preferred facilitators first, and of those that are left alone last.
    pub(super) fn settlers(&self, clock: &dyn Clock) -> Vec<Address> {
        let mut seats: Vec<&Seat> = self.seats.iter().collect();
        seats.sort_by_key(|seat| {
            (seat.breaker.lock().is_open(clock.now()), std::cmp::Reverse(seat.member.weight))
        });
        seats.iter().flat_map(|seat| seat.told.lock().addresses().to_vec()).collect()
    }

    /// Has a payment verified and settled, by one of them.
    pub(super) async fn settle(
        &self,
        question: Question<'_>,
        queue: Queue,
        watched @ Watched { clock, .. }: Watched<'_>,
    ) -> Heard {
        let _behind = match queue {
            // It is never closed.
            Queue::Behind => self.behind.acquire().await.ok(),
            Queue::Waiting => None,
        };
        let payer = question.signed.payer;
        let known = payer.and_then(|payer| self.payers.find(&payer));
        // What was served already is tried until it is over.
        let may_be_put_off = queue == Queue::Waiting;
        if may_be_put_off && known.as_ref().is_some_and(|known| !known.lock().admits(clock.now())) {
            return Heard::Nobody("its payer is left alone after failures".to_owned());
        }
        let (mut is_odd, mut said) = (false, "every facilitator is left alone after failures".to_owned());
        for index in self.order() {
            let Some(seat) = self.seats.get(index) else { continue };
            if question.named.is_some_and(|named| !seat.told.lock().addresses().contains(&named)) {
                "nobody settles for the address that the payment names".clone_into(&mut said);
                continue;
            }
            if seat.breaker.lock().is_open(clock.now()) {
                continue;
            }
            let Some(_place) = self.place(seat).await else {
                "every facilitator is busy".clone_into(&mut said);
                continue;
            };
            // It may have been left alone while this one waited.
            if !seat.breaker.lock().admits(clock.now()) {
                continue;
            }
            match seat.ask(question).await {
                Err(unknown) => {
                    let may_be_its_payers = !unknown.is_silence() && !unknown.turns_away();
                    is_odd |= may_be_its_payers;
                    seat.note(Some(&unknown), payer.filter(|_| may_be_its_payers), watched);
                    said = unknown.to_string();
                }
                Ok(heard) => {
                    let failure = match &heard {
                        Heard::Unknown(unknown) if !matches!(unknown, Unknown::Undecided(_)) => Some(unknown),
                        _ => None,
                    };
                    seat.note(failure, None, watched);
                    if let Some(known) = known {
                        known.lock().succeeded();
                    }
                    return heard;
                }
            }
        }
        if let Some(payer) = payer.filter(|_| is_odd) {
            self.leave_alone(payer, clock.now());
        }
        Heard::Nobody(said)
    }

    /// Nobody judged a payment of this payer in x402, though somebody answered.
    fn leave_alone(&self, payer: Party, now: UnixMillis) {
        if self.payers.entry(payer).lock().failed_for(now, ANSWERED_PAUSE_MS_MAX) {
            tracing::warn!(%payer, "what facilitators answer to its payments is none of x402, again and again: it is left alone for a while");
        }
    }

    /// Whose turn it is, then the others in their order; who has no place left comes last.
    fn order(&self) -> Vec<usize> {
        let weight = |index: usize| self.seats.get(index).map_or(0, |seat| i64::from(seat.member.weight));
        let total: i64 = (0..self.seats.len()).map(weight).sum();
        let mut owed = self.owed.lock();
        for (index, owed) in owed.iter_mut().enumerate() {
            *owed += weight(index);
        }
        let weighted = owed.iter().enumerate().filter(|(index, _)| weight(*index) > 0);
        // The first of those that are owed most.
        let first = weighted.rev().max_by_key(|(_, owed)| **owed).map(|(index, _)| index);
        if let Some(owed) = first.and_then(|index| owed.get_mut(index)) {
            *owed -= total;
        }
        drop(owed);
        let mut order: Vec<usize> = (0..self.seats.len()).collect();
        order.sort_by_key(|index| {
            let is_full = self.seats.get(*index).is_none_or(|seat| seat.places.available_permits() == 0);
            (is_full, Some(*index) != first, std::cmp::Reverse(weight(*index)))
        });
        order
    }

    /// A place, after the others who wait for one.
    async fn place<'a>(&self, seat: &'a Seat) -> Option<SemaphorePermit<'a>> {
        if let Ok(place) = seat.places.try_acquire() {
            return Some(place);
        }
        tokio::time::timeout(self.wait_max, seat.places.acquire()).await.ok()?.ok()
    }
}

// === impl Seat ===

impl Seat {
    /// What is heard of it; an error where nobody was asked to settle it.
    async fn ask(&self, question: Question<'_>) -> Result<Heard, Unknown> {
        let facilitator = &self.member.facilitator;
        match facilitator.verify(question.signed).await {
            Ok(Verified::Valid) => {}
            Ok(Verified::Invalid(reason)) => return Ok(Heard::Invalid(reason)),
            Err(unknown) => return Err(unknown),
        }
        match facilitator.settle(question.settled).await {
            Ok(Settled::Moved { transaction }) => Ok(Heard::Moved(transaction)),
            Ok(Settled::Refused(reason)) => Ok(Heard::Refused(reason)),
            Err(unknown) if unknown.was_not_asked() => Err(unknown),
            Err(unknown) => Ok(Heard::Unknown(unknown)),
        }
    }

    /// What it answered, or why that is no answer, and whose payment alone may be why.
    fn note(&self, failure: Option<&Unknown>, of: Option<Party>, Watched { clock, observer }: Watched<'_>) {
        let (answered, mut breaker) = (failure.is_none(), self.breaker.lock());
        let mut in_a_row = self.in_a_row.lock();
        let changed = match (failure, of) {
            (None, _) => {
                in_a_row.clear();
                breaker.succeeded()
            }
            (Some(unknown), _) if unknown.is_silence() => breaker.failed(clock.now()),
            // However many they are, they have one payer.
            (Some(_), Some(payer)) if in_a_row.contains(&payer) => false,
            (Some(_), _) => {
                let has_room = in_a_row.len() < IN_A_ROW_MAX;
                in_a_row.extend(of.filter(|_| has_room));
                breaker.failed_for(clock.now(), ANSWERED_PAUSE_MS_MAX)
            }
        };
        drop((breaker, in_a_row));
        if changed {
            let name = &*self.member.name;
            if answered {
                tracing::info!(facilitator = name, "the facilitator answers again");
            } else {
                tracing::warn!(
                    facilitator = name,
                    "the facilitator failed again and again: it is left alone for a while"
                );
            }
            observer.facilitator(name, answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facilitator::{Configuration, Headers};

    fn pool(weights: &[u32]) -> Pool {
        // Fails where another test was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let member = |weight: &u32| {
            let (verify_timeout, settle_timeout) = (Duration::from_secs(1), Duration::from_secs(1));
            let (url, headers) = (String::new(), Headers::default());
            let configuration = Configuration { url, headers, verify_timeout, settle_timeout };
            let facilitator = Facilitator::new(configuration).unwrap();
            Member { name: "one".into(), facilitator, weight: *weight, running_max: 1 }
        };
        Pool::new(weights.iter().map(member).collect(), Duration::from_secs(1))
    }

    #[test]
    fn each_is_the_first_as_often_as_its_weight_says_and_the_others_follow() {
        let pool = pool(&[3, 1, 0]);
        let orders: Vec<_> = (0..8).map(|_| pool.order()).collect();
        let firsts = |index| orders.iter().filter(|order| order[0] == index).count();
        assert_eq!((firsts(0), firsts(1), firsts(2)), (6, 2, 0));
        assert!(orders.iter().all(|order| order[2] == 2 && order[0] + order[1] == 1), "{orders:?}");
        // Whoever is full comes last.
        let _place = pool.seats[0].places.try_acquire().unwrap();
        assert_eq!(pool.order(), [1, 2, 0]);
        assert_eq!(super::tests::pool(&[0, 0]).order(), [0, 1]);
        assert!(super::tests::pool(&[]).order().is_empty());
    }
}
