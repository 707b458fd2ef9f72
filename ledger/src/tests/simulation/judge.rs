//! Every answer of the ledger before a commit, and its memory after every event, against the model. Next: [`super::outcomes`]
//! for what is answered after one.

use domain::{PolicyViolation, UnixMillis};

use super::actor::{Actor, Stage, Told};
use super::answers::Answer;
use super::call::{WALLETS, agent, wallet};
use super::kind::Kind;
use super::model::{DAY, Delivery, Response, State, agents};
use super::world::{World, response};
use crate::health::Cause;
use crate::shared::Phase;
use crate::{Health, Held, HoldError, Prior};

// === impl World ===

impl World {
    /// Everyone who waits looks for an answer.
    pub(super) fn look(&mut self) {
        self.look_at(Actor::is_queued);
        // Whoever left before a batch failed is not told so: nobody can say what is held.
        if !self.disk.lock().split {
            self.look_at(|actor| !actor.is_queued());
        }
        self.actors.retain(|actor| !matches!(actor.stage, Stage::Gone));
        let notes = std::mem::take(&mut self.disk.lock().notes);
        for note in notes {
            self.log.say(format_args!("     {note}"));
        }
    }

    pub(super) fn look_at(&mut self, who: impl Fn(&Actor) -> bool) {
        let mut actors = std::mem::take(&mut self.actors);
        let early = self.early();
        for actor in actors.iter_mut().filter(|actor| who(actor)) {
            let now = self.ledger.time();
            self.allow(actor, &early, now);
            actor.excuse.closed |= self.ledger.health() != Health::Ok;
            actor.excuse.ahead |= self.ledger.is_ahead();
            // A hold may need a second place, to open its provider's accounts.
            actor.excuse.full |= self.ledger.queue_depth() + 2 > self.settings.queue_max;
            let held = self.held_for(actor);
            self.note_covered();
            self.note_short(actor);
            match actor.poll() {
                Some(told) => self.hear(actor, told),
                None if held < self.held_for(actor) => {
                    actor.records = true;
                    self.records(actor);
                }
                None => {}
            }
        }
        actors.append(&mut self.actors);
        self.actors = actors;
    }

    /// Holds of the agent that asks.
    fn held_for(&self, actor: &Actor) -> u32 {
        let Stage::Asking(attempt, _) = actor.stage else { return 0 };
        let number = self.model.attempts[attempt].call.agent;
        self.ledger.shared.memory.lock().holds.of_agent(&agent(number))
    }

    /// Funds and limits are held, and the row is on its way to the disk.
    fn records(&mut self, actor: &Actor) {
        let Stage::Asking(attempt, _) = actor.stage else { return };
        assert!(self.model.attempts[attempt].call.durable, "a hold in memory was waited for");
        self.expect_now(actor, attempt, Answer::Hold);
        self.model.attempts[attempt].state = State::Recording;
    }

    /// What may be answered now. Once a look has found a payment, it goes on with that one, whatever becomes of the key that
    /// named it.
    fn allow(&mut self, actor: &mut Actor, early: &[Answer], now: UnixMillis) {
        let named = match &actor.stage {
            Stage::Asking(attempt, _) => {
                if actor.looks == 0 {
                    self.model.attempts[*attempt].held_at = now;
                }
                actor.allowed.extend(self.model.hold(*attempt, now, self.settings.agent_holds_max));
                self.model.named(&self.model.attempts[*attempt].call, Some(*attempt), now)
            }
            Stage::Looking(call, _) => {
                actor.allowed.extend(self.model.prior(call, now));
                self.model.named(call, None, now)
            }
            _ => return,
        };
        actor.allowed.extend(early);
        actor.named.extend(named);
        actor.named.dedup();
        for index in &actor.named {
            let answers = self.model.captured(*index, now);
            if answers.contains(&Answer::Prior(*index)) && !self.model.is_refunded(*index) {
                actor.over.push(*index);
            }
            actor.allowed.extend(answers);
        }
    }

    /// What may be answered because the disk has it, though the ledger does not know yet that it stands: a refund, which
    /// frees an identifier, or a stored response.
    fn early(&self) -> Vec<Answer> {
        let known = self.ledger.shared.memory.lock().facts.marker.batch;
        let disk = self.disk.lock();
        let early = disk.journal.iter().rev().take_while(|batch| batch.marker.batch > known);
        let payments = early.flat_map(|batch| {
            let whole = batch.refunds.iter().filter(|refunded| refunded.is_whole());
            whole.map(|refunded| &refunded.payment).chain(&batch.responses)
        });
        payments.flat_map(|id| [Answer::Prior(self.model.find(*id)), Answer::Nothing]).collect()
    }

    fn hear(&mut self, actor: &mut Actor, told: Told) {
        (actor.stage, actor.records) = (Stage::Gone, false);
        match told {
            Told::Held(attempt, held) => self.hear_held(actor, attempt, held),
            Told::Prior(Ok(None)) => self.expect(actor, Answer::Nothing),
            Told::Prior(Ok(Some(held))) => self.hear_earlier(actor, held),
            Told::Prior(Err(error)) => self.hear_error(actor, &error, None),
            Told::Captured(attempt, captured) => self.hear_captured(actor, attempt, captured),
            Told::Voided(attempt, voided) => self.hear_voided(actor, attempt, voided),
            Told::Moved(funds, moved) => self.hear_moved(actor, funds, moved),
            Told::Refunded(attempt, ticket, refunded) => {
                self.hear_refunded(actor, attempt, refunded);
                let known = self.ledger.shared.gate.cause() != Some(Cause::Disk);
                self.model.refunding.retain(|(other, ..)| !known || *other != ticket);
            }
        }
    }

    pub(super) fn say(&mut self, actor: &Actor, what: &'static str) {
        self.count(what);
        self.log.say(format_args!("     actor {}: {what}", actor.number));
    }

    fn expect(&mut self, actor: &Actor, answer: Answer) {
        self.log.say(format_args!("     actor {}: {answer:?}", actor.number));
        let allowed = &actor.allowed;
        assert!(allowed.contains(&answer), "actor {}: {answer:?}, not one of {allowed:?}", actor.number);
    }

    /// Funds and limits are judged at the end, at one moment: this one.
    fn expect_now(&mut self, actor: &Actor, attempt: usize, answer: Answer) {
        self.log.say(format_args!("     actor {}: {answer:?}", actor.number));
        let fresh = actor.allowed.iter().any(|allowed| allowed.is_fresh());
        assert!(fresh, "actor {}: {answer:?}, not one of {:?}", actor.number, actor.allowed);
        let expected = self.model.funds(attempt, self.settings.agent_holds_max);
        assert_eq!(answer, expected, "what actor {} is told of funds and limits", actor.number);
        if answer == Answer::Hold {
            self.model.attempts[attempt].free = self.model.is_free_now(attempt);
        }
    }

    fn hear_held(&mut self, actor: &mut Actor, attempt: usize, held: Result<Held, HoldError>) {
        match held {
            // Written, given, and ended by the writer's close, before anybody looked.
            Ok(Held::Hold(hold)) if self.is_cut(attempt) => {
                self.count("held too late");
                drop(hold);
                return;
            }
            Ok(Held::Hold(hold)) if self.model.attempts[attempt].call.durable => {
                self.say(actor, "held on disk");
                let state = self.model.attempts[attempt].state;
                assert_eq!(state, State::Held, "the hold of payment {attempt}, whose row was written");
                let id = self.model.attempts[attempt].id;
                let rows = &self.disk.lock().tables.holds;
                assert!(rows.iter().any(|row| row.request.payment == id), "a hold without its row");
                actor.stage = Stage::Holding(attempt, hold);
                return;
            }
            Ok(Held::Hold(hold)) => {
                self.expect_now(actor, attempt, Answer::Hold);
                self.count("held");
                self.model.attempts[attempt].state = State::Held;
                actor.stage = Stage::Holding(attempt, hold);
                return;
            }
            _ if self.model.attempts[attempt].state == State::Held => {
                panic!("the hold of {attempt} is kept back")
            }
            Ok(earlier) => self.hear_earlier(actor, earlier),
            Err(HoldError::Unknown(id)) => {
                self.say(actor, "hold unknown");
                assert_eq!(id, self.model.attempts[attempt].id, "whose hold is unknown");
                assert!(self.disk.lock().fired > actor.since, "a hold is unknown without a fault");
                self.model.attempts[attempt].state = State::Abandoned;
                return;
            }
            Err(error) => self.hear_error(actor, &error, Some(attempt)),
        }
        self.model.attempts[attempt].state = State::Over;
    }

    fn is_cut(&self, attempt: usize) -> bool {
        self.model.attempts[attempt].call.durable && self.ledger.shared.phase() == Phase::Closing
    }

    fn hear_earlier(&mut self, actor: &mut Actor, earlier: Held) {
        match earlier {
            Held::Hold(_) => panic!("a look gave a hold"),
            Held::Redelivery(redelivery) => {
                let index = self.model.find(redelivery.record().payment);
                self.expect(actor, Answer::Redelivery(index));
                self.count("redelivered");
                self.model.attempts[index].delivery = Delivery::Running;
                actor.stage = Stage::Redelivering(index, redelivery);
            }
            Held::Prior(prior) => self.hear_prior(actor, &prior),
        }
    }

    fn hear_prior(&mut self, actor: &Actor, prior: &Prior) {
        let index = self.model.find(prior.receipt.payment);
        self.expect(actor, Answer::Prior(index));
        self.count("told of a prior payment");
        let attempt = &mut self.model.attempts[index];
        let State::Paid(paid) = attempt.state else { panic!("told of a payment that does not stand") };
        assert_eq!(prior.receipt.amount.atomic(), paid.units, "what the prior payment took");
        if let Some(kept) = &prior.response {
            assert_eq!(*kept, response(index), "the response of the prior payment");
        }
        let kept = matches!(attempt.response, Response::Stands(at) if at.0 + DAY > self.model.latest.0);
        assert!(!kept || actor.looks > 1 || prior.response.is_some(), "the stored response is missing");
        // A slow look may have seen it before it was given back, but only as one that was delivered: a stored response may be
        // read before the ledger knows that it stands.
        let delivered = actor.over.contains(&index) || prior.response.is_some();
        let seen = delivered || !paid.refunded;
        let stands = self.disk.lock().refunded(prior.receipt.payment);
        let right = if prior.refunded { stands } else { seen };
        assert!(right, "whether the prior payment was refunded");
        if attempt.delivery != Delivery::Refunding {
            attempt.delivery = Delivery::Over;
        }
        let (stored, refunded) = (prior.response.is_some(), prior.refunded);
        if stored {
            self.count("answered with the stored response");
        }
        if refunded {
            self.count("told of a refunded payment");
        }
    }

    fn hear_error(&mut self, actor: &Actor, error: &HoldError, attempt: Option<usize>) {
        let fresh = actor.allowed.iter().any(|answer| answer.is_fresh());
        let faulty = self.disk.lock().fired > actor.since;
        match (error, attempt) {
            (HoldError::InProgress, _) => {
                self.count("in progress");
                self.expect(actor, Answer::Running);
            }
            (HoldError::Reused, _) => {
                self.count("reused");
                self.expect(actor, Answer::Reused);
            }
            (HoldError::Unavailable, _) => {
                self.say(actor, "unavailable");
                assert!(faulty || (actor.excuse.closed && fresh), "unavailable without a fault");
            }
            (HoldError::ClockAhead, Some(attempt)) => {
                self.say(actor, "clock ahead");
                let signed = self.model.attempts[attempt].call.signed.is_some();
                assert!(signed && actor.excuse.ahead && fresh, "the clock is not ahead, or nobody asked");
            }
            (HoldError::Overloaded, Some(attempt)) => {
                self.say(actor, "overloaded");
                let many = self.model.funds(attempt, self.settings.agent_holds_max) == Answer::TooMany;
                // With so little memory accounts may push each other out for ever.
                let tiny = self.settings.accounts_max < WALLETS.into() || self.settings.accounts_max < 3;
                assert!(fresh && (many || actor.excuse.full || tiny), "overloaded with room left");
            }
            (HoldError::UnknownWallet, Some(attempt)) => {
                self.count("unknown wallet");
                self.expect_now(actor, attempt, Answer::UnknownWallet);
            }
            (HoldError::InsufficientFunds { available, .. }, Some(attempt)) => {
                self.count("insufficient funds");
                self.expect_now(actor, attempt, Answer::Funds(available.atomic()));
            }
            (
                HoldError::SpendingLimit(PolicyViolation::Window { window, scope, remaining, .. }),
                Some(attempt),
            ) => {
                self.count("over a limit");
                let left = remaining.atomic();
                let kind = Kind::find(*window, scope.as_ref());
                self.expect_now(actor, attempt, Answer::Limit(kind, left));
            }
            (other, _) => panic!("actor {} was told {other:?}", actor.number),
        }
    }

    /// Balances, holds and windows in memory are those of the model, after every event.
    pub(super) fn compare(&self) {
        if self.disk.lock().split {
            return;
        }
        let memory = self.ledger.shared.memory.lock();
        for number in 0..WALLETS {
            let Some((balance, held)) = memory.wallet(&wallet(number)) else { continue };
            assert_eq!(balance, self.model.balance(number), "the balance of wallet {number}");
            let covered = held - self.model.held(number);
            assert!((0..=self.model.leaving(number)).contains(&covered), "what wallet {number} holds");
            assert!(held <= balance, "wallet {number} holds more than it has");
        }
        let held_at = self.ledger.shared.held_at();
        for number in agents() {
            for kind in Kind::ALL {
                let key = held_at.key(agent(number), kind.window(), kind.scope());
                let (spent, held) = memory.window(&key);
                let expected = self.model.held_in(number, kind, held_at.at);
                assert_eq!(held, expected, "what agent {number} holds in its {kind:?}");
                let Some(spent) = spent else { continue };
                let expected = self.model.spent(number, kind, held_at.at);
                assert_eq!(spent, expected, "what agent {number} spent in its {kind:?}");
            }
        }
        let waiting = |attempt: &super::model::Attempt| attempt.response == Response::Queued;
        assert!(
            memory.holds.is_empty()
                || !self.actors.is_empty()
                || (0..WALLETS).any(|number| self.model.leaving(number) > 0)
                || self
                    .model
                    .attempts
                    .iter()
                    .any(|attempt| { waiting(attempt) || attempt.state.is_running() }),
            "something is held by nobody"
        );
    }
}
