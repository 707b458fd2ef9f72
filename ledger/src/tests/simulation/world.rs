//! [`World`]: the real ledger over the simulated disk, everyone who uses it, and the model beside them. One thread: an
//! event, the writer perhaps, then a look at everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::policy::{Spending, SpendingPolicy};
use domain::{Clock, PaymentId, Sold, UnixMillis};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::actor::{Actor, Excuse, Stage, Waiting};
use super::call::{Call, amount, wallet};
use super::disk::{Disk, Rates, Shelf};
use super::event::{Act, Event, Policy, Weights};
use super::log::Log;
use super::model::{Attempt, Delivery, Model, Response, State};
use super::planted::Planted;
use super::random::Random;
use super::store::Store;
use crate::command::Command;
use crate::database::Database;
use crate::{Funding, Ledger, RefundReason, RefundRequest, Settings, StoredResponse, Withdrawal};

/// 2026-11-29T22:00:00Z: the day and the month end soon.
const BEGIN: i64 = 1_795_989_600_000;

pub(super) struct World {
    pub(super) random: Random,
    pub(super) log: Log,
    pub(super) planted: Planted,
    pub(super) disk: Shelf,
    pub(super) hands: Arc<Hands>,
    pub(super) settings: Settings,
    pub(super) ledger: Ledger,
    pub(super) writer: Waiting<Option<Store>>,
    pub(super) beat: mpsc::Sender<()>,
    pub(super) actors: Vec<Actor>,
    pub(super) model: Model,
    pub(super) policies: [Policy; 4],
    pub(super) weights: Weights,
    /// Wallets are almost empty.
    pub(super) is_poor: bool,
    /// How many nonces and identifiers there are: few, so that they meet.
    pub(super) names: u8,
    /// Calls a day that each agent has for nothing.
    pub(super) free_per_day: u32,
    /// Percent of the calls whose hold is to outlive the process.
    pub(super) durable: u64,
    /// Percent of the events after which the writer does not get to work.
    pub(super) lag: u64,
    pub(super) pause: Pause,
    /// Payments that a receipt gave back in this process.
    pub(super) given_back: Vec<usize>,
    /// How often what came to pass: the simulation is to see all of it.
    pub(super) seen: BTreeMap<&'static str, u64>,
    pub(super) next: u64,
}

/// An audit that keeps the writer waiting.
#[derive(Default)]
pub(super) struct Pause {
    pub(super) asked: Option<oneshot::Receiver<oneshot::Sender<()>>>,
    pub(super) resume: Option<oneshot::Sender<()>>,
}

/// The wall clock.
pub(super) struct Hands(AtomicI64);

const SOLD: Sold<'static> = Sold { route: "route", provider: "acme", category: None };

// === impl World ===

impl World {
    pub(super) fn new(seed: u64, planted: Planted, log: Log) -> Self {
        let mut random = Random::new(seed);
        let mut settings = Settings::new(Database::Sqlite { directory: std::path::PathBuf::new() });
        settings.queue_max = random.pick(&[6, 24, 1_000]);
        settings.agent_holds_max = random.pick(&[2, 4, 1_000]);
        settings.batch_max = random.pick(&[1, 2, 1_000]);
        settings.accounts_max = random.pick(&[2, 1_000]);
        settings.gather_from = usize::MAX;
        // Of the real clock, which has no say here.
        settings.commit_age_max = std::time::Duration::from_secs(3_600);
        let weights = Weights::draw(&mut random);
        let hands = Arc::new(Hands(AtomicI64::new(BEGIN)));
        let disk = Disk::new(Random::new(random.next()), Rates::default(), planted);
        let disk = Arc::new(Mutex::new(disk));
        let (ledger, writer, beat) = super::life::start(&settings, &hands, &disk);
        let mut world = Self {
            is_poor: random.chance(40),
            names: random.pick(&[3, 6, 40]),
            durable: random.pick(&[0, 20, 60]),
            free_per_day: random.pick(&[0, 0, 1, 4]),
            lag: random.pick(&[0, 30, 70]),
            random,
            log,
            planted,
            disk,
            hands,
            settings,
            ledger,
            writer,
            beat,
            actors: Vec::new(),
            model: Model::default(),
            policies: Default::default(),
            weights,
            pause: Pause::default(),
            given_back: Vec::new(),
            seen: BTreeMap::new(),
            next: 0,
        };
        world.begin();
        world
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// One event, and a look at everything.
    pub(super) fn step(&mut self) {
        let event = self.choose();
        self.log.say(format_args!("{event:?}"));
        self.perform(event);
        if !self.random.chance(self.lag) {
            self.write();
        }
        self.look();
        self.compare();
    }

    pub(super) fn perform(&mut self, event: Event) {
        match event {
            Event::Ask(call) => self.ask(call),
            Event::Look(call) => {
                let (ledger, fingerprint) = (self.ledger.clone(), call.fingerprint());
                let (replay, word) = (call.replay(), call.identifier());
                let answer = async move { ledger.prior(replay, word, fingerprint).await };
                self.enter(Stage::Looking(call, Box::pin(answer)));
            }
            Event::Act(index, act) => self.act_on(index, act),
            Event::Fund { wallet, units, key } => self.fund(wallet, units, key),
            Event::Refund(attempt, part) => self.refund(attempt, part),
            Event::Write => self.write(),
            Event::Ticks(number) => {
                for _ in 0..number {
                    // One that waits already is enough.
                    let _ = self.beat.try_send(());
                    self.write();
                }
            }
            Event::Clock(at) => {
                self.hands.0.store(at, Ordering::SeqCst);
                self.model.latest = self.model.latest.max(UnixMillis(at));
            }
            Event::Policy(policy) => self.policies[usize::from(policy.agent)] = policy,
            Event::LetGo => self.disk.lock().stalled = false,
            Event::Pause => self.pause(),
            Event::Resume => drop(self.pause.resume.take()),
            Event::Close => self.close(),
            Event::Crash => self.crash(),
        }
    }

    fn enter(&mut self, stage: Stage) {
        let number = self.number();
        let since = self.disk.lock().fired;
        let (allowed, named, over, excuse) = (Vec::new(), Vec::new(), Vec::new(), Excuse::default());
        self.actors.push(Actor {
            number,
            stage,
            allowed,
            named,
            over,
            since,
            excuse,
            records: false,
            looks: 0,
        });
    }

    fn ask(&mut self, call: Call) {
        let per_request = self.policies[usize::from(call.agent)].per_request;
        let policy = SpendingPolicy { per_request: per_request.map(amount), ..SpendingPolicy::default() };
        let most = call.cost.most();
        let spending = Spending { amount: amount(most), sold: SOLD, at: self.hands.now() };
        let allowed = policy.check(spending).is_ok();
        assert_eq!(allowed, per_request.is_none_or(|limit| most <= limit), "the limit of one request");
        if !allowed {
            return self.count("refused by the limit of one request");
        }
        let number = self.number();
        let mut name = [0; 10];
        name[2..].copy_from_slice(&number.to_be_bytes());
        let id = PaymentId::generate(self.hands.now(), name);
        let mut request = call.request(id);
        if self.planted == Planted::LimitOffByOne {
            let more = |limit: i64| amount(limit + 1);
            (request.per_day, request.per_month) = (call.per_day.map(more), call.per_month.map(more));
        }
        if self.planted == Planted::FreeOffByOne && call.free_per_day > 0 {
            request.free_per_day += 1;
        }
        let (named_at, held_at) = (self.hands.now(), self.ledger.time());
        let (state, delivery, response) = (State::Asking, Delivery::Over, Response::None);
        let free = false;
        self.model.attempts.push(Attempt { id, call, named_at, held_at, free, state, delivery, response });
        let ledger = self.ledger.clone();
        let answer = async move { ledger.hold(request).await };
        self.enter(Stage::Asking(self.model.attempts.len() - 1, Box::pin(answer)));
    }

    /// Out of the wallet where the units are negative.
    pub(super) fn fund(&mut self, number: u8, units: i64, key: u8) {
        let (wallet, amount) = (wallet(number), amount(units.abs()));
        let (idempotency_key, external_reference) = (key.to_string(), "wire".to_owned());
        self.model.funding.push((number, units, key));
        let ledger = self.ledger.clone();
        let answer: Waiting<_> = if units < 0 {
            let withdrawal = Withdrawal { wallet, amount, idempotency_key, external_reference };
            Box::pin(async move { ledger.withdraw(withdrawal).await })
        } else {
            let funding = Funding { wallet, amount, idempotency_key, external_reference };
            Box::pin(async move { ledger.fund(funding).await })
        };
        self.enter(Stage::Funding((number, units, key), answer));
    }

    /// An operator gives an attempt's payment back, or a part of it.
    fn refund(&mut self, attempt: usize, part: bool) {
        let Some(Attempt { id, state, .. }) = self.model.attempts.get(attempt) else { return };
        let (id, paid) = (
            *id,
            match state {
                State::Paid(paid) => Some(*paid),
                _ => None,
            },
        );
        // Which of several refunds it was must be known: no second one beside one that came before its payment stood, and
        // one part at a time, which leaves something.
        let early = self.actors.iter().any(|actor| {
            matches!(actor.stage, Stage::Refunding(other, ..) if other == attempt) && actor.allowed.is_empty()
        });
        if early || self.given_back.contains(&attempt) {
            return;
        }
        let mut units = None;
        if part {
            let left = paid.map_or(0, |paid| paid.units - paid.back);
            let least = paid.map_or(1, |paid| (paid.units / 100).max(1));
            let another =
                self.model.refunding.iter().any(|(_, other, much)| *other == attempt && much.is_some());
            if left <= least || another {
                return;
            }
            units = Some(self.random.between(least, left - 1));
        }
        let ticket = self.number();
        self.model.refunding.push((ticket, attempt, units));
        let (ledger, reason) = (self.ledger.clone(), RefundReason::Operator);
        let answer: Waiting<_> = match units {
            None => Box::pin(async move { ledger.refund(id, reason).await }),
            Some(units) => {
                let idempotency_key = ticket.to_string();
                let request =
                    RefundRequest { payment: id, amount: Some(amount(units)), reason, idempotency_key };
                Box::pin(async move { ledger.refund_part(request).await })
            }
        };
        self.enter(Stage::Refunding(attempt, ticket, answer));
        if let Some(actor) = self.actors.last_mut().filter(|_| paid.is_some()) {
            actor.allowed.push(super::answers::Answer::Prior(attempt));
        }
    }

    fn act_on(&mut self, index: usize, act: Act) {
        let stage = std::mem::replace(&mut self.actors[index].stage, Stage::Gone);
        self.log.say(format_args!("     actor {}", self.actors[index].number));
        match (stage, act) {
            (Stage::Holding(attempt, hold), Act::Capture) => {
                self.model.attempts[attempt].state = State::Queued(self.number());
                self.actors[index].stage = Stage::Capturing(attempt, hold.capture());
                self.actors[index].since = self.disk.lock().fired;
            }
            (Stage::Holding(attempt, hold), act) if self.model.attempts[attempt].call.durable => {
                self.model.attempts[attempt].state = State::Voiding;
                if self.planted == Planted::SkippedVoid {
                    std::mem::forget(hold);
                } else if act == Act::Void {
                    self.actors[index].stage = Stage::Voiding(attempt, hold.void());
                    self.actors[index].since = self.disk.lock().fired;
                }
            }
            (Stage::Holding(attempt, hold), _) => {
                self.model.attempts[attempt].state = State::Over;
                if self.planted == Planted::SkippedVoid { std::mem::forget(hold) } else { drop(hold.void()) }
            }
            (Stage::Asking(attempt, _), _) => {
                let state = &mut self.model.attempts[attempt].state;
                *state = match *state {
                    State::Recording => State::Abandoned,
                    // Its answer is there, and not looked at.
                    State::Held => State::Voiding,
                    _ => State::Over,
                };
            }
            (Stage::Paid(attempt, receipt), Act::Deliver) => {
                receipt.delivered();
                self.model.attempts[attempt].end(Delivery::Over);
            }
            (Stage::Paid(attempt, receipt), Act::Store) if self.model.attempts[attempt].call.is_keyed() => {
                receipt.store(response(attempt));
                self.model.attempts[attempt].response = Response::Queued;
            }
            (Stage::Paid(attempt, receipt), Act::GiveBack) => {
                receipt.refund(RefundReason::BrokenOff);
                let ticket = self.number();
                self.model.refunding.push((ticket, attempt, None));
                self.model.attempts[attempt].end(Delivery::Refunding);
                self.given_back.push(attempt);
            }
            (Stage::Paid(attempt, _), _) => self.model.attempts[attempt].end(Delivery::Open),
            (Stage::Redelivering(attempt, redelivery), Act::Deliver) => {
                redelivery.delivered();
                self.model.attempts[attempt].end(Delivery::Over);
            }
            (Stage::Redelivering(attempt, _), _) => self.model.attempts[attempt].end(Delivery::Open),
            // Nobody waits any more for what goes on, or nothing goes on.
            _ => {}
        }
    }

    fn pause(&mut self) {
        if self.pause.asked.is_none() && self.pause.resume.is_none() {
            let (pause, paused) = oneshot::channel();
            self.ledger.shared.send(Command::Pause(pause)).unwrap();
            self.pause.asked = Some(paused);
        }
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }
}

/// The response of an attempt; every one differs.
pub(super) fn response(attempt: usize) -> StoredResponse {
    StoredResponse { status: 200, headers: Vec::new(), body: attempt.to_string().into() }
}

// === impl Attempt ===

impl Attempt {
    /// Its delivery ends, unless it was over before.
    fn end(&mut self, how: Delivery) {
        if self.delivery == Delivery::Running {
            self.delivery = how;
        }
    }
}

// === impl Hands ===

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}
