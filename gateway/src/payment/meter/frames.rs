//! [`Frames`]: the JSON documents of a response's body, as it passes: one, one a line, or one an event of a stream (SSE). Memory is
//! bounded whatever comes; a document is counted once it is whole.

use domain::meter::{Count, Reading, Unit};

use super::scan::Scan;

/// How documents follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The body is one.
    Whole,
    /// Each line is one (NDJSON).
    Lines,
    /// The data of each event is one (`text/event-stream`).
    Events,
}

/// What was counted in the documents of a body.
#[derive(Debug)]
pub(super) struct Frames {
    framing: Framing,
    scan: Scan,
    /// The units that are looked for in documents, in the order of the scan's pointers: which, and whether they add up.
    looked_for: Vec<(usize, bool)>,
    counts: Vec<Option<Count>>,
    frames: u64,
    line: Line,
    /// The last byte was a CR, which a LF may follow.
    after_return: bool,
    /// How the document of now begins.
    head: Vec<u8>,
    has_data: bool,
}

/// Where in a line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// In the name of its field, of which so many bytes are those of `data`; none where it is another.
    Name(Option<usize>),
    /// Right behind the colon.
    Colon,
    Value,
    /// Of no concern.
    Other,
}

const DATA: &[u8] = b"data";

/// What ends the stream of some APIs, and is no event.
const DONE: &[u8] = b"[DONE]";

// === impl Frames ===

impl Frames {
    pub(super) fn new(framing: Framing, units: &[Unit]) -> Self {
        let pointers = units.iter().enumerate().filter_map(|(at, unit)| match &unit.from {
            Reading::Last(pointer) => Some((at, false, pointer)),
            Reading::Sum(pointer) => Some((at, true, pointer)),
            Reading::Header(_) | Reading::Events | Reading::Bytes => None,
        });
        let looked_for: Vec<_> = pointers.collect();
        Self {
            framing,
            scan: Scan::new(looked_for.iter().map(|(_, _, pointer)| *pointer)),
            looked_for: looked_for.iter().map(|(at, adds_up, _)| (*at, *adds_up)).collect(),
            counts: vec![None; units.len()],
            frames: 0,
            line: Line::Name(Some(0)),
            after_return: false,
            head: Vec::with_capacity(DONE.len() + 1),
            has_data: false,
        }
    }

    /// Reads on.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self.framing {
            Framing::Whole => self.data(bytes),
            Framing::Lines => {
                for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                    self.data(piece);
                    if piece.ends_with(b"\n") {
                        self.frame_ended();
                    }
                }
            }
            Framing::Events => self.events(bytes),
        }
    }

    /// The body has ended; a document that needs nothing more is whole.
    pub(super) fn end(&mut self) {
        self.frame_ended();
    }

    /// One for each unit.
    pub(super) fn counts(&self) -> &[Option<Count>] {
        &self.counts
    }

    /// Documents that carried something.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    fn data(&mut self, bytes: &[u8]) {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.has_data |= !bytes.iter().all(blank);
        let room = (DONE.len() + 1).saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.scan.push(bytes);
    }

    fn events(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            let is_second = *byte == b'\n' && std::mem::take(&mut self.after_return);
            if is_second {
                rest = after;
                continue;
            }
            self.after_return = *byte == b'\r';
            if matches!(byte, b'\n' | b'\r') {
                self.line_ended();
                rest = after;
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            self.within_line(piece);
            rest = after;
        }
    }

    fn within_line(&mut self, mut piece: &[u8]) {
        while let Some((byte, after)) = piece.split_first() {
            self.line = match self.line {
                Line::Name(Some(4)) if *byte == b':' => Line::Colon,
                Line::Name(Some(matched)) if DATA.get(matched) == Some(byte) => Line::Name(Some(matched + 1)),
                Line::Colon if *byte == b' ' => Line::Value,
                Line::Colon | Line::Value => {
                    self.data(piece);
                    self.line = Line::Value;
                    return;
                }
                Line::Name(_) | Line::Other => {
                    self.line = Line::Other;
                    return;
                }
            };
            piece = after;
        }
    }

    fn line_ended(&mut self) {
        match std::mem::replace(&mut self.line, Line::Name(Some(0))) {
            Line::Name(Some(0)) => self.frame_ended(),
            // Lines of data are one text, a line each.
            Line::Colon | Line::Value => self.data(b"\n"),
            Line::Name(_) | Line::Other => {}
        }
    }

    fn frame_ended(&mut self) {
        let found = self.scan.finish();
        let is_done = self.framing == Framing::Events && self.head.trim_ascii() == DONE;
        self.head.clear();
        if !std::mem::take(&mut self.has_data) || is_done {
            return;
        }
        self.frames += 1;
        for ((at, adds_up), found) in self.looked_for.iter().zip(found.into_iter().flatten()) {
            let Some(found) = found else { continue };
            let count = &mut self.counts[*at];
            *count = Some(match count {
                Some(earlier) if *adds_up => earlier.plus(found),
                _ => found,
            });
        }
    }
}

#[cfg(test)]
mod tests;
