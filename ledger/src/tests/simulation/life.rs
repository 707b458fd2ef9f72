//! The life of a process in the [`World`]: its start, the writer's work, the stop in order, the crash, and the end of the run,
//! when nothing goes wrong any more and everything has to close.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::actor::{Stage, Waiting, ready};
use super::audit;
use super::call::{WALLETS, wallet};
use super::disk::{Rates, Shelf};
use super::event::{Act, Event};
use super::model::{Attempt, Delivery, Response, State};
use super::store::{Shelves, Store};
use super::world::{Hands, Pause, World};
use crate::shared::Phase;
use crate::writer::prepare;
use crate::{Health, Ledger, Settings, Unobserved};

/// Rounds after which everything must have closed once nothing goes wrong.
const ROUNDS: u32 = 40;

/// Ticks after which a writer that was told to close has closed.
const CLOSING_TICKS: u32 = 200;

type Process = (Ledger, Waiting<Option<Store>>, mpsc::Sender<()>);

/// A process begins on what the disk has.
pub(super) fn start(settings: &Settings, hands: &Arc<Hands>, disk: &Shelf) -> Process {
    use domain::Clock;
    let begin = disk.lock().start(hands.now());
    let (beat, ticks) = mpsc::channel(1);
    let store = (Store(Arc::clone(disk)), begin);
    let reads = Box::new(Shelves(Arc::clone(disk)));
    let seams: (Arc<dyn Clock>, _) = (Arc::clone(hands) as _, Arc::new(Unobserved) as _);
    let (shared, mut run) = prepare(settings.clone(), seams, store, reads, ticks);
    let work = async move {
        // The real one refuses to open where the facts cannot be read; here it begins with the holds unclosed.
        let _ = run.close_found().await;
        run.until_closed().await
    };
    (Ledger::new(shared), Box::pin(work), beat)
}

// === impl World ===

impl World {
    /// Wallets with money in them; then things begin to go wrong.
    pub(super) fn begin(&mut self) {
        for number in 0..WALLETS {
            let ledger = self.ledger.clone();
            let mut created = Box::pin(async move { ledger.create_wallet(wallet(number)).await });
            assert!(ready(created.as_mut()).is_none());
            self.write();
            ready(created.as_mut()).unwrap().unwrap();
            let units = if self.is_poor { 60 } else { 2_000 };
            self.fund(number, units - i64::from(number), number);
        }
        self.look();
        self.write();
        self.look();
        let random = &mut self.random;
        self.disk.lock().rates = Rates {
            commit: random.pick(&[0, 3, 10, 30]),
            slow: random.pick(&[0, 5, 20]),
            load: random.pick(&[0, 0, 5]),
            read: random.pick(&[0, 0, 5]),
            slow_read: random.pick(&[0, 10, 40]),
            resolve: random.pick(&[0, 30, 80]),
        };
    }

    /// The writer works as far as it gets.
    pub(super) fn write(&mut self) {
        let mut actors = std::mem::take(&mut self.actors);
        actors.iter_mut().for_each(|actor| self.note_short(actor));
        self.actors = actors;
        if ready(self.writer.as_mut()).is_some() {
            panic!("the writer ended by itself");
        }
        self.take_over();
        if self.disk.lock().fatal {
            // The binary ends the process when it is told so.
            self.count("disk failed for good");
            return self.crash();
        }
        if let Some(mut asked) = self.pause.asked.take() {
            match asked.try_recv() {
                Ok(resume) => {
                    audit::memory(&self.ledger.shared.memory.lock(), &self.disk.lock().tables);
                    self.pause.resume = Some(resume);
                }
                Err(_) => self.pause.asked = Some(asked),
            }
        }
        if self.is_idle() {
            self.settle();
        }
    }

    /// Whether the writer has done all that it was given.
    fn is_idle(&self) -> bool {
        let disk = self.disk.lock();
        !disk.stalled && !disk.unresolved && self.pause.resume.is_none()
    }

    /// What the ledger knows to stand, the model learns; then those who wait for it are told.
    fn take_over(&mut self) {
        let notes = std::mem::take(&mut self.disk.lock().notes);
        for note in notes {
            self.log.say(format_args!("     {note}"));
        }
        let known = self.ledger.shared.memory.lock().facts.marker.batch;
        {
            let disk = self.disk.lock();
            let standing = disk.journal.iter().filter(|batch| batch.marker.batch <= known);
            standing.for_each(|batch| self.model.take_over(batch));
        }
        self.look_at(|actor| actor.is_queued());
        // Whoever left before the answer leaves the delivery to the next.
        let waits = |index: usize| {
            self.actors.iter().any(|actor| match &actor.stage {
                Stage::Paid(other, _) | Stage::Redelivering(other, _) | Stage::Capturing(other, _) => {
                    *other == index
                }
                _ => false,
            })
        };
        let left: Vec<usize> = self
            .model
            .attempts
            .iter()
            .enumerate()
            .filter(|(_, attempt)| {
                attempt.delivery == Delivery::Running && attempt.response != Response::Queued
            })
            .map(|(index, _)| index)
            .filter(|index| !waits(*index))
            .collect();
        for index in left {
            self.model.attempts[index].delivery = Delivery::Open;
        }
    }

    /// The writer is idle: what it was given and does not stand, failed.
    fn settle(&mut self) {
        let mut disk = self.disk.lock();
        disk.split = false;
        for attempt in &mut self.model.attempts {
            // A person is told to refund; until then it is owed.
            if attempt.delivery == Delivery::Refunding && disk.refused_refunds.contains(&attempt.id) {
                attempt.delivery = Delivery::Open;
            }
            let row = disk.tables.holds.iter().any(|row| row.request.payment == attempt.id);
            match attempt.state {
                State::Queued(_) if !row => attempt.state = State::Over,
                State::Abandoned => attempt.state = if row { State::Voiding } else { State::Over },
                _ => {}
            }
            if attempt.response == Response::Queued {
                (attempt.response, attempt.delivery) = (Response::None, Delivery::Over);
            }
        }
    }

    /// Stops in order: requests end first, then what is queued is committed.
    pub(super) fn close(&mut self) {
        self.count("closed");
        self.pause = Pause::default();
        let mut cut = false;
        for index in 0..self.actors.len() {
            // Some are cut off with their hold in hand.
            let holds = matches!(self.actors[index].stage, Stage::Holding(..));
            if holds && self.random.chance(30) {
                cut = true;
            } else if !self.actors[index].is_queued() {
                let act = self.random.pick(&[Act::Void, Act::Deliver, Act::GiveBack]);
                self.perform(Event::Act(index, act));
            }
        }
        let fired = self.disk.lock().fired;
        self.ledger.shared.enter(Phase::Closing);
        let mut closed = false;
        for _ in 0..CLOSING_TICKS {
            self.disk.lock().stalled = false;
            let _ = self.beat.try_send(());
            if let Some(store) = ready(self.writer.as_mut()) {
                closed = store.is_some();
                break;
            }
        }
        let fatal = self.disk.lock().fatal;
        assert!(closed || fatal, "the writer did not close");
        let exact = closed && !fatal && self.disk.lock().fired == fired;
        self.take_over();
        if exact {
            self.settle();
            assert!(self.disk.lock().tables.holds.is_empty(), "a hold was left on disk");
            assert!(cut || self.ledger.shared.memory.lock().holds.is_empty(), "something is still held");
        }
        self.restart(exact);
    }

    /// The process ends at once: everything but the disk is lost.
    pub(super) fn crash(&mut self) {
        self.count("crashed");
        self.restart(false);
    }

    fn restart(&mut self, exact: bool) {
        let (mut told, was) = (0, self.actors.len());
        self.actors.clear();
        self.pause = Pause::default();
        self.given_back.clear();
        self.model.crash();
        // The old writer is dropped here, and with it what it had in hand.
        (self.ledger, self.writer, self.beat) = start(&self.settings, &self.hands, &self.disk);
        for batch in &self.disk.lock().journal {
            told += batch.payments.len();
            self.model.take_over(batch);
        }
        self.log.say(format_args!("     a new process: {told} payments stand, {was} actors are gone"));
        let disk = self.disk.lock();
        let rows = disk.tables.holds.iter().map(|row| (row.held_at, row.request.payment));
        let rows: Vec<_> = rows.collect();
        self.model.find_holds(&rows, self.next + 1);
        self.next += rows.len() as u64;
        *self.seen.entry("captured by a start").or_default() += rows.len() as u64;
        self.model.restart(&disk.tables.open, exact);
        audit::books(&disk.tables);
        let latest = &mut self.model.latest;
        *latest = (*latest).max(self.ledger.time());
    }

    /// Nothing goes wrong any more: everything has to close (P7).
    pub(super) fn finish(&mut self) {
        self.log.say("nothing goes wrong from here on");
        self.disk.lock().rates = Rates::default();
        self.perform(Event::Clock(self.ledger.time().0));
        for _ in 0..ROUNDS {
            self.perform(Event::LetGo);
            self.perform(Event::Resume);
            self.perform(Event::Ticks(1));
            self.look();
            for index in 0..self.actors.len() {
                match self.actors[index].stage {
                    Stage::Holding(..) => self.perform(Event::Act(index, Act::Capture)),
                    Stage::Paid(..) | Stage::Redelivering(..) => {
                        self.perform(Event::Act(index, Act::Deliver))
                    }
                    _ => {}
                }
            }
        }
        self.write();
        self.look();
        assert!(self.actors.is_empty(), "somebody still waits");
        assert_eq!(self.ledger.health(), Health::Ok);
        assert_eq!(self.ledger.queue_depth(), 0, "a place in the queue was not given back");
        assert!(self.ledger.shared.memory.lock().holds.is_empty(), "something is still held");
        for attempt in &self.given_back {
            let Attempt { id, state, .. } = &self.model.attempts[*attempt];
            let refunded = matches!(state, State::Paid(paid) if paid.refunded);
            // What a wall refuses is left to a person, who is told.
            let refused = self.disk.lock().refused_refunds.contains(id);
            assert!(refunded || refused, "the refund of payment {attempt} is lost");
        }
        self.compare();
        let keyed = self.model.attempts.iter().map(|attempt| attempt.call).filter(|call| call.is_keyed());
        for call in keyed.collect::<Vec<_>>() {
            self.perform(Event::Look(call));
            self.look();
            if let [_] = &self.actors[..] {
                self.perform(Event::Act(0, Act::Deliver));
                self.look();
            }
        }
        audit::memory(&self.ledger.shared.memory.lock(), &self.disk.lock().tables);
        self.close();
    }
}
