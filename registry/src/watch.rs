//! [`Watch`]: looks after the configuration file and says when there is another one to put in force.
//!
//! It reads the file's content every second instead of listening for notices of the file system: a rename, an
//! edit in place and a swapped link (H5) all look the same then. It puts nothing in force itself, and owns no
//! task: the caller runs [`Watch::run`] and takes the [`Event`]s.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time;

use crate::config::{self, Config, ConfigErrors, Environment, Loaded};

/// Events that wait for their receiver; the watch waits with them.
const EVENTS_MAX: usize = 8;

/// What is watched, and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file, or a link to it.
    pub path: PathBuf,
    /// What stands in front of its settings.
    pub environment: Environment,
    /// Between two looks at it.
    pub interval: Duration,
    /// Between the two readings that must be equal before a change counts: half-written files are not
    /// applied.
    pub settle: Duration,
    /// Before a file is tried again that could not be put in force for no mistake of its own.
    pub again: Duration,
}

/// The watch itself. Runs until its receiver is gone.
#[derive(Debug)]
pub struct Watch {
    settings: Settings,
    asked: Arc<Notify>,
    events: mpsc::Sender<Event>,
    /// The text last applied or refused, by its hash; none where the file could not be read.
    seen: Option<[u8; 32]>,
    /// Names of the routes of the file in force.
    routes: HashSet<Arc<str>>,
    /// Set while the file last read is to be tried again: whether somebody asked for it.
    again: Option<bool>,
}

/// Asks for a reload at once; for SIGHUP.
#[derive(Clone, Debug)]
pub struct Reload {
    asked: Arc<Notify>,
}

/// A file that passed every check here, and whether somebody asked for it.
#[derive(Debug)]
pub struct Found {
    /// What it says.
    pub loaded: Box<Loaded>,
    /// Somebody asked for it: what it takes away is meant.
    pub explicit: bool,
}

/// What became of a file that passed every check of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in force.
    InForce,
    /// It does not go with what came through the API: another file is waited for.
    Refused,
    /// Something else did not work, as the database: it is tried again.
    Again,
}

/// What came of a change. Count both for the metrics of reloads.
#[derive(Debug)]
pub enum Event {
    /// A file that passed every check, to be put in force. The watch waits until it is told what became of it.
    Loaded(Found, oneshot::Sender<Verdict>),
    /// A file that must not be put in force: keep the last good one, say why. Told once for each content.
    Refused(Refusal),
}

/// Why a changed file is not put in force.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is wrong.
    #[error("{0}")]
    Invalid(ConfigErrors),
    /// More than half of the routes are gone, as after an accident. An explicit reload puts it in force.
    #[error("the file lost {lost} of {before} routes; send SIGHUP to the process if this is meant")]
    LostRoutes {
        /// Routes that are gone.
        lost: usize,
        /// Routes there were.
        before: usize,
    },
}

// === impl Settings ===

impl Settings {
    /// Looks every second, counts a change after 200 ms, and tries again after 5 s.
    #[must_use]
    pub fn new(path: PathBuf, environment: Environment) -> Self {
        let (interval, settle, again) =
            (Duration::from_secs(1), Duration::from_millis(200), Duration::from_secs(5));
        Self { path, environment, interval, settle, again }
    }
}

// === impl Watch ===

impl Watch {
    /// A watch over a file that was loaded before; what it said is what is in force. A change made in between
    /// is seen.
    #[must_use]
    pub fn new(settings: Settings, in_force: &Loaded) -> (Self, Reload, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let asked = Arc::new(Notify::new());
        let reload = Reload { asked: Arc::clone(&asked) };
        let seen = Some(in_force.text_hash);
        let watch =
            Self { settings, asked, events, seen, routes: route_names(&in_force.config), again: None };
        (watch, reload, receiver)
    }

    /// Watches until the receiver of the events is dropped.
    pub async fn run(mut self) {
        loop {
            let pause = self.again.map_or(self.settings.interval, |_| self.settings.again);
            let explicit = tokio::select! {
                () = self.asked.notified() => true,
                () = time::sleep(pause) => false,
                () = self.events.closed() => return,
            };
            let found = if explicit { Some(self.reload().await) } else { self.look().await };
            if let Some(found) = found
                && self.offer(found).await.is_err()
            {
                return;
            }
        }
    }

    /// Gives what was found away, and waits for what becomes of it: the next file is compared with what is in force then.
    async fn offer(&mut self, found: Result<Found, Refusal>) -> Result<(), mpsc::error::SendError<Event>> {
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return self.events.send(Event::Refused(refusal)).await,
        };
        let (routes, explicit) = (route_names(&found.loaded.config), found.explicit);
        let (verdict, told) = oneshot::channel();
        self.events.send(Event::Loaded(found, verdict)).await?;
        match told.await {
            Ok(Verdict::InForce) => self.routes = routes,
            Ok(Verdict::Again) => self.again = Some(explicit),
            Ok(Verdict::Refused) | Err(_) => {}
        }
        Ok(())
    }

    /// The file as it is, whatever it lost; also where only the files it names have changed.
    async fn reload(&mut self) -> Result<Found, Refusal> {
        match self.read().await {
            Ok(text) => self.load(&text, true),
            Err(refusal) => Err(self.unseen(refusal)),
        }
    }

    /// The file if it has changed and then stayed the same for a moment, or is to be tried again.
    async fn look(&mut self) -> Option<Result<Found, Refusal>> {
        let first = self.read().await;
        if first.as_deref().ok().map(hash) == self.seen && self.again.is_none() {
            return None;
        }
        time::sleep(self.settings.settle).await;
        let second = self.read().await;
        self.judge(first, second)
    }

    /// What two readings a moment apart say.
    fn judge(
        &mut self,
        first: Result<String, Refusal>,
        second: Result<String, Refusal>,
    ) -> Option<Result<Found, Refusal>> {
        match (first, second) {
            (Ok(first), Ok(second)) if first == second => {
                let explicit = self.again == Some(true) && self.seen == Some(hash(&second));
                Some(self.load(&second, explicit))
            }
            (Err(_), Err(refusal)) => Some(Err(self.unseen(refusal))),
            // Still being written: the next look will see.
            _ => None,
        }
    }

    fn unseen(&mut self, refusal: Refusal) -> Refusal {
        (self.seen, self.again) = (None, None);
        refusal
    }

    fn load(&mut self, text: &str, explicit: bool) -> Result<Found, Refusal> {
        (self.seen, self.again) = (Some(hash(text)), None);
        let loaded =
            Config::parse(&self.settings.path, text, &self.settings.environment).map_err(Refusal::Invalid)?;
        let routes = route_names(&loaded.config);
        let (lost, before) = (self.routes.difference(&routes).count(), self.routes.len());
        if !explicit && lost * 2 > before {
            return Err(Refusal::LostRoutes { lost, before });
        }
        Ok(Found { loaded: Box::new(loaded), explicit })
    }

    async fn read(&self) -> Result<String, Refusal> {
        let path = self.settings.path.clone();
        let text = tokio::task::spawn_blocking(move || config::read(&path)).await;
        let text = text.unwrap_or_else(|error| Err(error.to_string()));
        text.map_err(|reason| Refusal::Unreadable { path: self.path().to_owned(), reason })
    }

    fn path(&self) -> &Path {
        &self.settings.path
    }
}

// === impl Reload ===

impl Reload {
    /// Asks. Asking several times before it is done asks once.
    pub fn now(&self) {
        self.asked.notify_one();
    }
}

fn route_names(config: &Config) -> HashSet<Arc<str>> {
    config.catalog.routes.iter().map(|route| Arc::clone(&route.name)).collect()
}

fn hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests;
