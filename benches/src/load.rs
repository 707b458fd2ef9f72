//! [`Load`]: the load generator, one thread, many connections, closed or open loop.
//!
//! A closed loop sends when an answer has come: it finds the highest rate. An open loop sends when a request is due
//! and counts latency from there, so that a slow answer is not hidden by the requests it held up. Any answer with
//! another status than the expected one ends the run: a fast refusal is not a fast payment. Only where the plan has patience it is
//! counted as failed, beside what was never answered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::connection::{Connection, Received};
use crate::cpu;
use crate::plan::{Measured, Pace, Plan};
use crate::poller::{Interest, Poller};
use crate::requests::Requests;

/// How long answers are waited for after the last request.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// How often is looked for requests that are to be given up.
const LOOK: Duration = Duration::from_millis(100);

/// A run under way.
pub(crate) struct Load<'a> {
    plan: &'a Plan,
    requests: &'a mut Requests,
    poller: Poller,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    next_due: Instant,
    opens: Instant,
    closes: Instant,
    measured: Measured,
}

// === impl Load ===

impl<'a> Load<'a> {
    /// Sends, measures, waits for the last answer.
    ///
    /// # Errors
    /// An unexpected status, a broken connection, or a server that falls behind for good.
    pub(crate) fn run(plan: &'a Plan, requests: &'a mut Requests) -> Result<Measured> {
        let mut load = Self::prepare(plan, requests)?;
        load.until(load.opens)?;
        let (cpu, own) = (cpu::of(plan.pid)?, cpu::of(std::process::id())?);
        load.opens = Instant::now();
        let before = load.measured.total;
        load.until(load.closes)?;
        let end = Instant::now();
        load.measured.window = end - load.opens;
        load.measured.cpu = cpu::of(plan.pid)?.saturating_sub(cpu);
        load.measured.generator_cpu = cpu::of(std::process::id())?.saturating_sub(own);
        load.measured.answers = load.measured.total - before;
        load.drain(end)?;
        ensure!(load.measured.window > plan.window / 2, "there were too few payments for half of the window");
        Ok(load.measured)
    }

    fn prepare(plan: &'a Plan, requests: &'a mut Requests) -> Result<Self> {
        let poller = Poller::new()?;
        let mut connections = Vec::new();
        for token in 0..plan.connections {
            let connection = Connection::open(plan.target)?;
            poller.add(&connection, token, Interest::Read)?;
            connections.push(connection);
        }
        let now = Instant::now();
        let opens = now + plan.warmup;
        Ok(Self {
            plan,
            requests,
            poller,
            idle: (0..connections.len()).collect(),
            connections,
            next_due: now,
            opens,
            closes: opens + plan.window,
            measured: Measured::default(),
        })
    }

    /// Sends and receives until then, or until no request is left.
    fn until(&mut self, end: Instant) -> Result<()> {
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            if now >= end.min(self.closes) {
                return Ok(());
            }
            self.send_due(now)?;
            let wake = match self.plan.pace {
                Pace::Open(_) if !self.idle.is_empty() => self.next_due.min(end),
                _ => end,
            };
            let wake = if self.plan.patience.is_some() { wake.min(now + LOOK) } else { wake };
            let wake = if self.plan.is_awake { now } else { wake };
            self.poller.wait(Some(wake.saturating_duration_since(Instant::now())), &mut ready)?;
            for token in ready.drain(..) {
                self.receive(token)?;
                self.send_due(Instant::now())?;
            }
            self.give_up(Instant::now())?;
        }
    }

    /// Receives what is under way. In an open loop, what was due before the end is sent too: leaving out what the
    /// server had no time for would flatter it.
    fn drain(&mut self, end: Instant) -> Result<()> {
        let mut ready = Vec::new();
        loop {
            let now = Instant::now();
            let owed = matches!(self.plan.pace, Pace::Open(_)) && self.next_due < self.closes;
            if !owed && !self.connections.iter().any(Connection::is_busy) {
                return Ok(());
            }
            if now > end + DRAIN_MAX {
                bail!("no answer for {DRAIN_MAX:?}, or the rate is far above what this machine can do");
            }
            if owed {
                self.send_due(now)?;
            }
            self.poller.wait(Some(Duration::from_millis(1)), &mut ready)?;
            for token in ready.drain(..) {
                self.receive(token)?;
            }
            self.give_up(now)?;
        }
    }

    /// Sends every request that is due and has a free connection.
    fn send_due(&mut self, now: Instant) -> Result<()> {
        while let Some(&token) = self.idle.front() {
            let due = match self.plan.pace {
                Pace::Closed => now,
                Pace::Open(_) if self.next_due > now || self.next_due >= self.closes => return Ok(()),
                Pace::Open(_) => self.next_due,
            };
            let Some(connection) = self.connections.get_mut(token) else { return Ok(()) };
            if !self.requests.write_next(connection.output()) {
                self.closes = self.closes.min(now);
                return Ok(());
            }
            self.idle.pop_front();
            if let Pace::Open(rate) = self.plan.pace {
                self.next_due += Duration::from_secs(1) / rate;
            }
            if !connection.send(due)? {
                self.poller.change(&*connection, token, Interest::ReadWrite)?;
            }
        }
        Ok(())
    }

    /// One connection has something to read, or room to write. What is wrong with it ends the run, or is counted.
    fn receive(&mut self, token: usize) -> Result<()> {
        match self.received(token) {
            Err(_) if self.plan.patience.is_some() => self.fail(token),
            received => received,
        }
    }

    /// Gives up what was sent too long ago.
    fn give_up(&mut self, now: Instant) -> Result<()> {
        let Some(patience) = self.plan.patience else { return Ok(()) };
        let is_late = |connection: &Connection| connection.due().is_some_and(|due| now > due + patience);
        let late = self.connections.iter().enumerate().filter(|(_, connection)| is_late(connection));
        let late: Vec<usize> = late.map(|(token, _)| token).collect();
        late.into_iter().try_for_each(|token| self.fail(token))
    }

    /// Counts a request without its answer; the next one goes out on a new connection.
    fn fail(&mut self, token: usize) -> Result<()> {
        self.measured.failed += 1;
        self.reopen(token)?;
        if !self.idle.contains(&token) {
            self.idle.push_back(token);
        }
        Ok(())
    }

    fn received(&mut self, token: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(token) else { return Ok(()) };
        if connection.is_sending() && connection.flush()? {
            self.poller.change(&*connection, token, Interest::Read)?;
        }
        match connection.receive()? {
            Received::Nothing => {}
            Received::Closed => {
                self.reopen(token)?;
            }
            Received::Answer { response, due } => {
                let (expected, status) = (self.plan.expected, response.status);
                let is_refused = self.plan.refused == Some(status);
                ensure!(
                    status == expected || is_refused,
                    "{status} instead of {expected}:\n{}",
                    connection.text()
                );
                if is_refused {
                    self.measured.refused += 1;
                } else {
                    self.record(due);
                }
                if response.closes {
                    self.reopen(token)?;
                }
                self.idle.push_back(token);
            }
        }
        Ok(())
    }

    fn record(&mut self, due: Instant) {
        let now = Instant::now();
        self.measured.total += 1;
        let counted = match self.plan.pace {
            Pace::Closed => now >= self.opens && now < self.closes,
            Pace::Open(_) => due >= self.opens && due < self.closes,
        };
        if counted {
            self.measured.latencies.add(now - due);
        }
    }

    fn reopen(&mut self, token: usize) -> Result<()> {
        let connection = Connection::open(self.plan.target)?;
        self.poller.add(&connection, token, Interest::Read)?;
        if let Some(place) = self.connections.get_mut(token) {
            *place = connection;
            self.measured.reconnects += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
