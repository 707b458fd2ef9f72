//! [`Model`]: what the ledger promises, written down as an accountant would: a list of attempts, and nothing summed.
//!
//! It learns of commits by evidence alone (the disk's journal, as far as the ledger has taken it over), because only
//! then an unknown outcome is known. It decides for itself what each commit had to cost, and what each question has to be
//! answered. Next: [`super::answers`] for the questions.

use domain::{PaymentId, UnixMillis};

use super::call::{Call, WALLET_OF, WALLETS};
use super::disk::{Batch, moved};
use super::kind::Kind;

#[derive(Default)]
pub(super) struct Model {
    pub(super) attempts: Vec<Attempt>,
    /// Wallet, units and key of what came in; what went out is negative.
    fundings: Vec<(u8, i64, u8)>,
    /// Refunds on their way: ticket, attempt, and how much; none is all that is left.
    pub(super) refunding: Vec<(u64, usize, Option<i64>)>,
    /// Fundings and withdrawals on their way: wallet, units and key.
    pub(super) funding: Vec<(u8, i64, u8)>,
    /// What withdrawals on their way hold of each wallet.
    pub(super) covered: [i64; WALLETS as usize],
    /// The last batch that was taken over.
    batch: i64,
    /// The latest time that a clock or a batch ever showed.
    pub(super) latest: UnixMillis,
}

/// One request, from its hold on.
pub(super) struct Attempt {
    pub(super) id: PaymentId,
    pub(super) call: Call,
    /// When its payment got its name.
    pub(super) named_at: UnixMillis,
    pub(super) held_at: UnixMillis,
    /// Held as one of the day's free calls.
    pub(super) free: bool,
    pub(super) state: State,
    pub(super) delivery: Delivery,
    pub(super) response: Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for its hold; may have its keys.
    Asking,
    /// Held in memory; waits for its row.
    Recording,
    /// The same, and nobody waits.
    Abandoned,
    Held,
    /// Handed to the writer, as this ticket. Its hold on disk is captured however often that fails.
    Queued(u64),
    /// Its row is to be deleted, however often that fails.
    Voiding,
    /// Handed to a writer that is no more.
    Unknown(u64),
    Paid(Paid),
    /// Not charged, and never will be.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) units: i64,
    pub(super) at: UnixMillis,
    /// What was given back.
    pub(super) back: i64,
    /// All of it.
    pub(super) refunded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Running,
    /// Nobody delivers, nobody did: owed.
    Open,
    /// To be given back; owed until that stands.
    Refunding,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Response {
    None,
    Queued,
    Stands(UnixMillis),
}

// === impl Model ===

impl Model {
    pub(super) fn paid(&self) -> impl Iterator<Item = (&Attempt, Paid)> {
        self.attempts.iter().filter_map(|attempt| match attempt.state {
            State::Paid(paid) => Some((attempt, paid)),
            _ => None,
        })
    }

    pub(super) fn charged(&self) -> impl Iterator<Item = (&Attempt, i64)> {
        self.paid()
            .filter(|(_, paid)| !paid.refunded)
            .map(|(attempt, paid)| (attempt, paid.units - paid.back))
    }

    pub(super) fn holding(&self) -> impl Iterator<Item = &Attempt> {
        let holds = |state: State| state.is_running() && state != State::Asking;
        self.attempts.iter().filter(move |attempt| holds(attempt.state))
    }

    pub(super) fn balance(&self, wallet: u8) -> i64 {
        let funded: i64 =
            self.fundings.iter().filter(|(other, ..)| *other == wallet).map(|(_, units, _)| units).sum();
        let charged = self.charged().filter(|(attempt, _)| attempt.call.wallet() == wallet);
        funded - charged.map(|(_, units)| units).sum::<i64>()
    }

    pub(super) fn held(&self, wallet: u8) -> i64 {
        let holding = self.holding().filter(|attempt| attempt.call.wallet() == wallet);
        holding.map(Attempt::most).sum()
    }

    pub(super) fn holds_of(&self, agent: u8) -> usize {
        self.holding().filter(|attempt| attempt.call.agent == agent).count()
    }

    /// Spent in the window that `at` lies in.
    pub(super) fn spent(&self, agent: u8, kind: Kind, at: UnixMillis) -> i64 {
        self.charged().filter(|(attempt, _)| attempt.is_in(agent, kind, at)).map(|(_, units)| units).sum()
    }

    /// Held in the window that `at` lies in.
    pub(super) fn held_in(&self, agent: u8, kind: Kind, at: UnixMillis) -> i64 {
        self.holding().filter(|attempt| attempt.is_in(agent, kind, at)).map(Attempt::most).sum()
    }

    pub(super) fn find(&self, id: PaymentId) -> usize {
        self.attempts.iter().position(|attempt| attempt.id == id).expect("nobody asked for this payment")
    }

    pub(super) fn is_refunded(&self, index: usize) -> bool {
        matches!(self.attempts[index].state, State::Paid(paid) if paid.refunded)
    }

    pub(super) fn funded(&self, key: u8) -> Option<(u8, i64)> {
        self.fundings.iter().find(|(.., other)| *other == key).map(|(wallet, units, _)| (*wallet, *units))
    }

    /// Takes over what stands, in the order in which it was handed to the writer.
    pub(super) fn take_over(&mut self, batch: &Batch) {
        if batch.marker.batch <= self.batch {
            return;
        }
        self.batch = batch.marker.batch;
        self.latest = self.latest.max(batch.marker.at);
        let mut order = Vec::new();
        for (id, units, number) in &batch.payments {
            let index = self.find(*id);
            match self.attempts[index].state {
                State::Queued(ticket) | State::Unknown(ticket) => {
                    order.push((ticket, index, Some((*units, *number))));
                }
                other => panic!("payment {index} was captured, it was {other:?}"),
            }
        }
        self.end_holds(batch);
        let mut refunds = Vec::new();
        for refunded in &batch.refunds {
            let index = self.find(refunded.payment);
            // A part that somebody asks for always leaves something.
            let units = Some(refunded.amount.atomic()).filter(|_| !refunded.is_whole());
            let asked = self.refunding.iter().find(|(_, other, much)| (*other, *much) == (index, units));
            let ticket = asked.expect("nobody asked for this refund").0;
            order.push((ticket, index, None));
            refunds.push((ticket, refunded));
        }
        order.sort_by_key(|(ticket, ..)| *ticket);
        for (ticket, index, took) in order {
            match took {
                Some(took) => self.pay(index, took, batch.marker.at),
                None => {
                    let refunded = refunds.iter().find(|(other, _)| *other == ticket);
                    self.give_back(index, refunded.expect("it is there").1);
                }
            }
        }
        for row in &batch.transfers {
            let key = row.idempotency_key.as_ref().unwrap().parse().unwrap();
            let (wallet, units) = moved(row);
            assert!(self.funding.contains(&(wallet, units, key)), "nobody moved {units} of {wallet}");
            assert_eq!(self.funded(key), None, "a transfer was taken twice");
            self.fundings.push((wallet, units, key));
        }
        for id in &batch.responses {
            let index = self.find(*id);
            let attempt = &mut self.attempts[index];
            assert_eq!(attempt.response, Response::Queued, "nobody stored a response of payment {index}");
            (attempt.response, attempt.delivery) = (Response::Stands(batch.marker.at), Delivery::Over);
        }
        for wallet in 0..WALLETS {
            assert!(self.balance(wallet) >= 0, "wallet {wallet} is overdrawn");
        }
    }

    /// Rows that a batch wrote and deleted. What is deleted unpaid is over.
    fn end_holds(&mut self, batch: &Batch) {
        for (id, free) in &batch.holds {
            let index = self.find(*id);
            let attempt = &mut self.attempts[index];
            assert!(attempt.call.durable, "payment {index} needs no row");
            // Of a process that is gone nobody heard how it decided.
            assert!(
                attempt.free == *free || attempt.state == State::Asking,
                "payment {index} is free: {free}"
            );
            attempt.free = *free;
            match attempt.state {
                State::Recording => attempt.state = State::Held,
                State::Abandoned => attempt.state = State::Voiding,
                // The process that asked is gone.
                State::Asking => {}
                other => panic!("payment {index} got its row, it was {other:?}"),
            }
        }
        for id in &batch.ended {
            let index = self.find(*id);
            if batch.payments.iter().any(|(paid, ..)| paid == id) {
                continue;
            }
            let attempt = &mut self.attempts[index];
            // What was handed over to be captured, or found by a start, is voided only where it cannot be captured.
            let may_end = match attempt.state {
                State::Held | State::Voiding => true,
                State::Queued(_) => batch.refused.contains(id),
                _ => false,
            };
            assert!(may_end, "payment {index} was voided, it was {:?}", attempt.state);
            attempt.state = State::Over;
        }
    }

    fn pay(&mut self, index: usize, took: (i64, u64), at: UnixMillis) {
        let Attempt { call, held_at, free, .. } = &self.attempts[index];
        let twice =
            self.paid().any(|(other, _)| call.signed.is_some() && other.call.replay() == call.replay());
        assert!(!twice, "the signed payment of payment {index} was captured before");
        let this_month = |other: &Attempt| {
            (other.call.agent, other.call.provider) == (call.agent, call.provider)
                && month(other.held_at) == month(*held_at)
        };
        let number = self.charged().filter(|(other, _)| this_month(other)).count() as u64 + 1;
        let units = if *free { 0 } else { call.cost.of(number) };
        assert_eq!(took, (units, number), "what payment {index} takes, as which call of the month");
        self.check_limits(index, units);
        let paid = Paid { units, at, back: 0, refunded: false };
        let attempt = &mut self.attempts[index];
        attempt.state = State::Paid(paid);
        attempt.delivery = if attempt.call.is_keyed() { Delivery::Running } else { Delivery::Over };
    }

    /// No window goes beyond the highest limit that one of its payments was accepted under.
    fn check_limits(&self, index: usize, units: i64) {
        let this = &self.attempts[index];
        let (agent, at) = (this.call.agent, this.held_at);
        for kind in Kind::of(&this.call) {
            let others = self.paid().map(|(other, _)| other).filter(|other| other.is_in(agent, kind, at));
            let limits = others.chain([this]).map(|other| kind.limit(&other.call).unwrap_or(i64::MAX));
            let spent = self.spent(agent, kind, at);
            assert!(spent + units <= limits.max().unwrap(), "payment {index} goes beyond its limit");
        }
    }

    /// The process ends: what is not on disk is no more, what was handed over is unknown. What has a row, the disk tells.
    pub(super) fn crash(&mut self) {
        for attempt in self.attempts.iter_mut().filter(|attempt| !attempt.call.durable) {
            attempt.state = match attempt.state {
                State::Asking | State::Held => State::Over,
                State::Queued(ticket) => State::Unknown(ticket),
                other => other,
            };
        }
    }

    /// The rows that a start finds, with when each was held: these are captured, in that order. Every hold that was given and
    /// did not end is among them, and none that ended. `next` is the first of so many tickets.
    pub(super) fn find_holds(&mut self, rows: &[(UnixMillis, PaymentId)], next: u64) {
        let mut rows = rows.to_vec();
        rows.sort();
        let mut tickets =
            rows.iter().zip(next..).map(|((_, id), ticket)| (self.find(*id), ticket)).collect::<Vec<_>>();
        for (index, attempt) in
            self.attempts.iter_mut().enumerate().filter(|(_, attempt)| attempt.call.durable)
        {
            let at = tickets.iter().position(|(other, _)| *other == index);
            let ticket = at.map(|at| tickets.swap_remove(at).1);
            attempt.state = match (attempt.state, ticket) {
                (State::Paid(_) | State::Over, Some(_)) => {
                    panic!("payment {index} is over, and its hold is on disk")
                }
                (_, Some(ticket)) => State::Queued(ticket),
                (State::Held | State::Voiding | State::Queued(_), None) => {
                    panic!("the hold of payment {index} is lost: {:?}", attempt.state)
                }
                (State::Asking | State::Recording | State::Abandoned, None) => State::Over,
                (other, None) => other,
            };
        }
    }

    /// After the evidence was taken over: `open` are the deliveries that the disk calls owed. `exact` after a stop in
    /// order, when the disk was not disturbed.
    pub(super) fn restart(&mut self, open: &[PaymentId], exact: bool) {
        self.refunding.clear();
        self.funding.clear();
        self.covered = Default::default();
        for (index, attempt) in self.attempts.iter_mut().enumerate() {
            if let State::Unknown(_) = attempt.state {
                attempt.state = State::Over;
            }
            // The client has the whole of it, whether or not it was kept.
            let sent = attempt.response == Response::Queued;
            if sent {
                attempt.response = Response::None;
            }
            let State::Paid(paid) = attempt.state else { continue };
            let listed = open.contains(&attempt.id);
            let over = sent || paid.refunded || matches!(attempt.response, Response::Stands(_));
            let owed = attempt.delivery != Delivery::Over && !over;
            let forgotten = attempt.is_old(self.latest);
            assert!(listed || !owed || forgotten, "payment {index} is owed, and the disk does not know");
            assert!(!exact || !listed || owed || over, "payment {index} was delivered, and may come again");
            attempt.delivery = if listed { Delivery::Open } else { Delivery::Over };
        }
    }
}

// === impl State ===

impl State {
    /// Whether its end is still to come in this process.
    pub(super) const fn is_running(self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::Paid(_) | Self::Over)
    }
}

// === impl Attempt ===

impl Attempt {
    /// The most that it can cost.
    pub(super) const fn most(&self) -> i64 {
        if self.free { 0 } else { self.call.cost.most() }
    }

    /// Whether it counts in this agent's window of this kind and time.
    fn is_in(&self, agent: u8, kind: Kind, at: UnixMillis) -> bool {
        self.call.agent == agent && kind.counts(&self.call) && kind.start(self.held_at) == kind.start(at)
    }

    /// Whether what it is owed may have been forgotten: a day after its payment's name was made.
    pub(super) fn is_old(&self, latest: UnixMillis) -> bool {
        latest.0 - self.named_at.0 > DAY - 2 * HOUR
    }
}

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// 2026-11-01T00:00:00Z.
const NOVEMBER: i64 = 1_793_491_200_000;

/// Start of the hour.
pub(super) const fn hour(at: UnixMillis) -> i64 {
    at.0 - at.0 % HOUR
}

/// Start of the day.
pub(super) const fn day(at: UnixMillis) -> i64 {
    at.0 - at.0 % DAY
}

/// Start of the month, counted from November 2026 on.
pub(super) fn month(at: UnixMillis) -> i64 {
    let mut start = NOVEMBER;
    for days in [30, 31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31].into_iter().cycle() {
        if at.0 < start + days * DAY {
            break;
        }
        start += days * DAY;
    }
    start
}

/// The agents that there are.
pub(super) fn agents() -> impl Iterator<Item = u8> {
    0..WALLET_OF.len() as u8
}
