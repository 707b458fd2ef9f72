//! [`Meter`]: what a call of a metered route used, read from its answer: from the header, or from the body as it passes.
//!
//! It reads and decides no money: what comes out is an amount, or that there is none to be read. Next: [`crate::stage::capture`] for
//! the answers whose amount is known by their header, [`crate::payment::counting`] for the others.

mod frames;
mod scan;

use domain::meter::{Count, Reading};
use domain::{Amount, Metered};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use pingora::http::ResponseHeader;
use protocol::overrides;

use crate::limits::METERED_BODY_BYTES_MAX;
use frames::{Frames, Framing};

/// What one call used, as far as is known.
#[derive(Debug)]
pub(crate) struct Meter {
    price: Metered,
    counts: Vec<Option<Count>>,
    /// None where the body says nothing, or nothing that can be understood.
    frames: Option<Frames>,
    /// Of the body; none where it has none that ends, such as a connection that speaks another protocol from here on.
    bytes: Option<u64>,
    said: Option<Amount>,
    mistaken: Option<Mistake>,
}

/// When an amount is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Now.
    Now,
    /// With the body, which has an announced length and can wait for it.
    WithBody,
    /// When the body has passed.
    AfterBody,
}

/// Who said an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The upstream, in `Settlement-Overrides`.
    Override,
    /// Counts and their prices.
    Units,
    /// Nobody: what the route says for that.
    Unread,
}

/// A `Settlement-Overrides` that is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// It names no amount.
    Unreadable,
    /// It names more than what is held: that is taken.
    AboveMaximum,
}

// === impl Meter ===

impl Meter {
    pub(crate) fn new(price: Metered) -> Self {
        let counts = vec![None; price.units().len()];
        Self { price, counts, frames: None, bytes: None, said: None, mistaken: None }
    }

    /// Whether the upstream is to answer without compression.
    pub(crate) fn reads_text(&self) -> bool {
        self.price.units().iter().any(|unit| unit.from.is_in_text())
    }

    /// Reads the header. An answer that `has_no_body` has its amount in it.
    pub(crate) fn begin(&mut self, response: &ResponseHeader, has_no_body: bool) -> Known {
        self.read_override(response);
        self.bytes = (response.status.as_u16() != 101).then_some(0);
        for (unit, count) in self.price.units().iter().zip(&mut self.counts) {
            if let Reading::Header(name) = &unit.from {
                *count = single(response, name).and_then(Count::parse);
            }
        }
        let reads_body = self.price.units().iter().any(|unit| unit.from.is_in_body());
        if self.said.is_some() || has_no_body || !reads_body {
            return Known::Now;
        }
        let reads_text = self.reads_text() && is_plain(response);
        let framing = framing(response);
        if reads_text {
            self.frames = Some(Frames::new(framing, self.price.units()));
        }
        let length = single(response, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        let can_wait = length.is_some_and(|length: u64| length <= METERED_BODY_BYTES_MAX);
        if can_wait && framing == Framing::Whole { Known::WithBody } else { Known::AfterBody }
    }

    /// A piece of the body has come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.map(|before| before.saturating_add(bytes.len() as u64));
        if let Some(frames) = &mut self.frames {
            frames.push(bytes);
        }
    }

    /// The whole body has come. What ends without this has no last document.
    pub(crate) fn end(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.end();
        }
    }

    /// What the call costs by what is known now, and by whose word.
    pub(crate) fn amount(&self) -> (Amount, Source) {
        if let Some(said) = self.said {
            return (said, Source::Override);
        }
        match self.price.amount(&self.counts()) {
            Some(amount) => (amount, Source::Units),
            None => (self.price.unread(), Source::Unread),
        }
    }

    /// Whether something that its text says at last was not read yet: who leaves before that has not seen the dear part counted.
    pub(crate) fn lacks_a_count(&self) -> bool {
        let mut counted = self.price.units().iter().zip(self.counts());
        self.said.is_none()
            && counted.any(|(unit, count)| {
                matches!(unit.from, Reading::Last(_) | Reading::Sum(_)) && count.is_none()
            })
    }

    /// What it costs where nothing can be read.
    pub(crate) const fn unread(&self) -> Amount {
        self.price.unread()
    }

    /// What is wrong with the upstream's own word, where something is.
    pub(crate) const fn mistake(&self) -> Option<Mistake> {
        self.mistaken
    }

    fn counts(&self) -> Vec<Option<Count>> {
        let units = self.price.units().iter().enumerate();
        let count = |(at, reading): (usize, &Reading)| match reading {
            Reading::Header(_) => self.counts[at],
            Reading::Bytes => self.bytes.map(Count::of),
            Reading::Events => self.frames.as_ref().map(|frames| Count::of(frames.frames())),
            Reading::Last(_) | Reading::Sum(_) => self.frames.as_ref().and_then(|frames| frames.counts()[at]),
        };
        units.map(|(at, unit)| count((at, &unit.from))).collect()
    }

    fn read_override(&mut self, response: &ResponseHeader) {
        if !response.headers.contains_key(overrides::FIELD) {
            return;
        }
        let maximum = self.price.maximum();
        let named = single(response, overrides::FIELD);
        self.said = named.and_then(|value| overrides::amount(value.as_bytes(), maximum));
        self.mistaken = match self.said {
            None => Some(Mistake::Unreadable),
            Some(amount) if amount > maximum => Some(Mistake::AboveMaximum),
            Some(_) => None,
        };
        self.said = self.said.map(|amount| amount.min(maximum));
    }
}

/// The value of a field that stands there once.
fn single<'a>(response: &'a ResponseHeader, name: &str) -> Option<&'a str> {
    let mut values = response.headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok().map(str::trim)
}

/// Whether the body stands there as it is.
fn is_plain(response: &ResponseHeader) -> bool {
    let identity = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    response.headers.get_all(CONTENT_ENCODING).iter().all(identity)
}

fn framing(response: &ResponseHeader) -> Framing {
    let kind = single(response, CONTENT_TYPE.as_str()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "text/event-stream" => Framing::Events,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Framing::Lines
        }
        _ => Framing::Whole,
    }
}

// === impl Source ===

impl Source {
    /// Its label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Units => "units",
            Self::Unread => "unread",
        }
    }
}

// === impl Mistake ===

impl Mistake {
    /// Its label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::AboveMaximum => "above_maximum",
        }
    }
}

#[cfg(test)]
mod tests;
