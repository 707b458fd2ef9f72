//! [`Event`]: what may happen next, and the draw.

use domain::{Clock, Window};

use super::actor::Stage;
use super::call::{Call, Cost, PROVIDERS, Signed, WALLET_OF, WALLETS};
use super::model::{Attempt, DAY, HOUR, State};
use super::world::World;

#[derive(Clone, Debug)]
pub(super) enum Event {
    Ask(Call),
    Look(Call),
    /// By the actor's place in the list.
    Act(usize, Act),
    /// Out of the wallet where the units are negative.
    Fund {
        wallet: u8,
        units: i64,
        key: u8,
    },
    /// An operator gives an attempt's payment back, or a part of it.
    Refund(usize, bool),
    /// The writer works.
    Write,
    Ticks(u32),
    /// The wall clock shows this.
    Clock(i64),
    Policy(Policy),
    /// A commit that waits goes on.
    LetGo,
    Pause,
    Resume,
    Close,
    Crash,
}

/// What a gateway or its client does with what it has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Capture,
    Void,
    /// The client is gone; what it waited for is dropped.
    Leave,
    Deliver,
    Store,
    GiveBack,
}

/// An agent's limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Policy {
    pub(super) agent: u8,
    pub(super) per_request: Option<i64>,
    pub(super) per_day: Option<i64>,
    pub(super) per_month: Option<i64>,
    pub(super) per_hour: Option<i64>,
    /// A day, on each provider.
    pub(super) on_provider: Option<i64>,
}

/// How often each kind of event comes in this run: some runs never crash, some do little else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights([u64; 14]);

const USUAL: [u64; 14] = [30, 14, 40, 6, 4, 25, 5, 8, 3, 8, 2, 6, 1, 2];

// === impl Weights ===

impl Weights {
    pub(super) fn draw(random: &mut super::random::Random) -> Self {
        let mut weights = USUAL;
        for (index, weight) in weights.iter_mut().enumerate() {
            // Asking, acting and writing never cease.
            *weight *= if [0, 2, 5].contains(&index) { 1 } else { random.pick(&[0, 1, 1, 3]) };
        }
        Self(weights)
    }
}

// === impl World ===

impl World {
    pub(super) fn choose(&mut self) -> Event {
        loop {
            let weights = self.weights.0;
            let mut left = self.random.below(weights.iter().sum::<u64>() as usize) as u64;
            let mut kind = 0;
            while left >= weights[kind] {
                left -= weights[kind];
                kind += 1;
            }
            if let Some(event) = self.draw(kind) {
                return event;
            }
        }
    }

    fn draw(&mut self, kind: usize) -> Option<Event> {
        Some(match kind {
            0 => self.new_call(),
            1 => self.again()?,
            2 => self.act()?,
            3 if self.random.chance(35) => {
                let key = 6 + self.random.number(6);
                let most = if self.is_poor { 20 } else { 700 };
                let units =
                    if self.random.chance(80) { most - i64::from(key) } else { self.random.between(1, most) };
                Event::Fund { wallet: self.random.number(WALLETS), units: -units, key }
            }
            3 => {
                let key = self.random.number(6);
                let (wallet, most) = (self.random.number(WALLETS), if self.is_poor { 60 } else { 2_000 });
                // The same word usually says the same thing.
                let units =
                    if self.random.chance(80) { most - i64::from(key) } else { self.random.between(0, most) };
                Event::Fund { wallet, units, key }
            }
            4 => {
                let attempt = self.random.below(self.model.attempts.len().max(1));
                Event::Refund(attempt, self.random.chance(40))
            }
            5 => Event::Write,
            6 => Event::Ticks(if self.random.chance(10) { 240 } else { 1 }),
            7 => Event::Clock(self.time()?),
            8 => Event::Policy(self.policy()),
            9 => Event::LetGo,
            10 => Event::Pause,
            11 => Event::Resume,
            12 => Event::Close,
            _ => Event::Crash,
        })
    }

    fn new_call(&mut self) -> Event {
        let agent = if self.random.chance(2) { WALLET_OF.len() as u8 - 1 } else { self.random.number(3) };
        let units = self.random.between(1, 30);
        let cost = if self.random.chance(40) { Cost::Falling(units) } else { Cost::Fixed(units) };
        let now = self.hands.now().seconds();
        let nonce = self.random.number(self.names);
        let until = now - now % 60 + self.random.pick(&[60, 120, 600]);
        let signed = self.random.chance(50).then_some(Signed { nonce, until });
        let word = self.random.chance(30).then(|| self.random.number(self.names));
        let Policy { per_day, per_month, per_hour, on_provider, .. } = self.policies[usize::from(agent)];
        let provider = self.random.number(PROVIDERS.len() as u8);
        let durable = self.random.chance(self.durable);
        Event::Ask(Call {
            agent,
            provider,
            cost,
            durable,
            signed,
            word,
            body: self.random.number(2),
            per_day,
            per_month,
            per_hour,
            on_provider,
            free_per_day: self.free_per_day,
        })
    }

    /// A client comes again: with the same request, or with another under the same keys.
    fn again(&mut self) -> Option<Event> {
        let keyed: Vec<Call> =
            self.model.attempts.iter().map(|attempt| attempt.call).filter(Call::is_keyed).collect();
        if keyed.is_empty() {
            return None;
        }
        // Most come soon.
        let back = self.random.pick(&[1, 1, 2, 3, keyed.len()]).min(keyed.len());
        let mut call = keyed[keyed.len() - 1 - self.random.below(back)];
        let Policy { per_day, per_month, per_hour, on_provider, .. } = self.policies[usize::from(call.agent)];
        (call.per_day, call.per_month) = (per_day, per_month);
        (call.per_hour, call.on_provider) = (per_hour, on_provider);
        if self.random.chance(15) {
            call.body = 1 - call.body;
        }
        if self.random.chance(5)
            && let Some(signed) = &mut call.signed
        {
            signed.until += 60;
        }
        // A gateway does not hold for what has expired; it asks what became of it.
        let expired = call.signed.is_some_and(|signed| signed.until <= self.hands.now().seconds());
        let look = if expired { 90 } else { 20 };
        Some(if self.random.chance(look) { Event::Look(call) } else { Event::Ask(call) })
    }

    fn act(&mut self) -> Option<Event> {
        if self.actors.is_empty() {
            return None;
        }
        let index = self.random.below(self.actors.len());
        let acts: &[Act] = match &self.actors[index].stage {
            Stage::Holding(..) => &[Act::Capture, Act::Capture, Act::Capture, Act::Void, Act::Leave],
            Stage::Paid(..) => &[Act::Deliver, Act::Deliver, Act::Store, Act::GiveBack, Act::Leave],
            Stage::Redelivering(..) => &[Act::Deliver, Act::Leave],
            // An operator waits.
            Stage::Refunding(..) | Stage::Gone => return None,
            _ if self.random.chance(20) => &[Act::Leave],
            _ => return None,
        };
        Some(Event::Act(index, self.random.pick(acts)))
    }

    /// The wall clock runs on, is set forward, or back.
    fn time(&mut self) -> Option<i64> {
        let now = self.hands.now();
        let edge = self.random.pick(&[-1_000, -1, 0, 1, 1_000]);
        let far = match self.random.below(11) {
            0..=3 => now.0 + self.random.between(1, 90_000),
            4 => return Some(now.0 - self.random.pick(&[1, 1_000, 31_000, HOUR])),
            5 | 6 => {
                let signed = |call: &Call| Some(call.signed?.until * 1_000);
                let last = self.model.attempts.iter().rev().find_map(|attempt| signed(&attempt.call))?;
                last + self.random.pick(&[0, 0, 120_000]) + edge
            }
            7 => Window::Day.end(now).0 + edge,
            8 => Window::Month.end(now).0 + edge,
            9 => Window::Hour.end(now).0 + edge,
            _ => now.0 + DAY + edge,
        };
        // No request lives for days, and none waits for hours to be held: each is over before the second window after its own.
        let open = self.model.attempts.iter().filter(|attempt| attempt.state.is_running());
        let longest = |attempt: &Attempt| {
            if attempt.state == State::Asking { Window::Hour } else { Window::Day }
        };
        let end = |attempt: &Attempt| {
            let window = longest(attempt);
            window.end(window.end(attempt.held_at)).0
        };
        let oldest = open.map(end).min();
        (far > now.0 && oldest.is_none_or(|end| far < end)).then_some(far)
    }

    fn policy(&mut self) -> Policy {
        let agent = self.random.number(3);
        let mut limit = |percent, most| self.random.chance(percent).then(|| self.random.between(0, most));
        Policy {
            agent,
            per_request: limit(60, 40),
            per_day: limit(60, 90),
            per_month: limit(60, 240),
            per_hour: limit(30, 70),
            on_provider: limit(30, 70),
        }
    }
}
