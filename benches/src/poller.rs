//! [`Poller`]: many sockets and one clock, waited for in one place (epoll and timerfd).
//!
//! Level-triggered, so that whoever reads less than there is gets told again. The clock is a descriptor of its own
//! because epoll's timeout counts in milliseconds, and an open loop at 5,000/s has a request due every 200 us.

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Most events of one wake-up.
const EVENTS_MAX: usize = 256;

/// The clock's token; no socket has it.
const CLOCK: u64 = u64::MAX;

/// What a socket is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read.
    Read,
    /// Something to read, or room to write.
    ReadWrite,
}

/// The sockets that are waited for.
pub(crate) struct Poller {
    epoll: Epoll,
    clock: TimerFd,
    events: Vec<EpollEvent>,
}

// === impl Poller ===

impl Poller {
    pub(crate) fn new() -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll")?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let clock = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).context("timerfd")?;
        epoll.add(&clock, EpollEvent::new(EpollFlags::EPOLLIN, CLOCK)).context("epoll")?;
        Ok(Self { epoll, clock, events: vec![EpollEvent::empty(); EVENTS_MAX] })
    }

    /// Waits for a socket from now on; its events carry `token`.
    pub(crate) fn add(&self, socket: impl AsFd, token: usize, interest: Interest) -> Result<()> {
        self.epoll.add(socket, EpollEvent::new(interest.flags(), token as u64)).context("epoll")
    }

    /// Changes what a socket is waited for.
    pub(crate) fn change(&self, socket: impl AsFd, token: usize, interest: Interest) -> Result<()> {
        let mut event = EpollEvent::new(interest.flags(), token as u64);
        self.epoll.modify(socket, &mut event).context("epoll")
    }

    /// Sleeps until a socket is ready or `timeout` is over, then fills `ready` with tokens.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<usize>) -> Result<()> {
        ready.clear();
        let limit = match timeout {
            Some(Duration::ZERO) => EpollTimeout::ZERO,
            Some(timeout) => {
                let once = Expiration::OneShot(TimeSpec::from_duration(timeout));
                self.clock.set(once, TimerSetTimeFlags::empty()).context("timerfd")?;
                EpollTimeout::NONE
            }
            None => EpollTimeout::NONE,
        };
        let count = match self.epoll.wait(&mut self.events, limit) {
            Ok(count) => count,
            Err(nix::Error::EINTR) => 0,
            Err(error) => return Err(error).context("epoll"),
        };
        for event in self.events.iter().take(count) {
            match usize::try_from(event.data()) {
                Ok(token) if event.data() != CLOCK => ready.push(token),
                // Setting the clock again clears it; until then it must not wake anybody.
                _ => self.clock.unset().context("timerfd")?,
            }
        }
        Ok(())
    }
}

// === impl Interest ===

impl Interest {
    fn flags(self) -> EpollFlags {
        match self {
            Self::Read => EpollFlags::EPOLLIN,
            Self::ReadWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        }
    }
}
