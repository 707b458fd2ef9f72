//! [`Scan`]: numbers at some places of a JSON document, read byte by byte. It keeps where it is and nothing of what has passed, so
//! that a document may be of any size.

use domain::meter::{Count, Pointer};

/// Containers within each other; a deeper document is not understood.
const DEPTH_MAX: usize = 64;

/// Longest name of a member and longest number that are kept; a longer one is none that is looked for.
const TOKEN_BYTES_MAX: usize = 6 * 128;

/// One document.
#[derive(Debug)]
pub(super) struct Scan {
    tracks: Vec<Track>,
    levels: Vec<Level>,
    state: State,
    /// A name or a number as far as it has come.
    token: Vec<u8>,
}

/// One place that is looked for.
#[derive(Debug)]
struct Track {
    steps: Vec<Step>,
    /// So many of the open containers, from the outermost on, are on its way.
    open: usize,
    /// The next value is, inside of them.
    is_next: bool,
    found: Option<Count>,
}

#[derive(Debug)]
struct Step {
    name: Box<[u8]>,
    place: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Level {
    Object,
    /// With the place of its next value.
    Array(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value comes; or the container ends, where it is still empty.
    Value {
        may_end: bool,
    },
    /// The same for a member.
    Member {
        may_end: bool,
    },
    Colon,
    /// After a value inside a container.
    Next,
    Text {
        is_name: bool,
        escaped: bool,
    },
    Number,
    Word,
    /// The document is whole.
    End,
    /// It is no JSON.
    Broken,
}

// === impl Scan ===

impl Scan {
    pub(super) fn new<'a>(pointers: impl Iterator<Item = &'a Pointer>) -> Self {
        let tracks = pointers.map(Track::new).collect();
        let state = State::Value { may_end: false };
        Self { tracks, levels: Vec::new(), state, token: Vec::new() }
    }

    /// Reads on.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            if let State::Text { is_name: false, escaped: false } = self.state {
                // Most of most documents.
                let plain = |byte: &u8| !matches!(byte, b'"' | b'\\') && *byte >= 0x20;
                let end = bytes.iter().position(|byte| !plain(byte)).unwrap_or(bytes.len());
                if end > 0 {
                    bytes = &bytes[end..];
                    continue;
                }
            }
            if self.state == State::Broken {
                return;
            }
            self.step(*byte);
            bytes = rest;
        }
    }

    /// Bytes of what is kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.token.capacity() + self.levels.capacity() * size_of::<Level>()
    }

    /// What was found, in the order of the pointers, and the next document begins. None where this one was not whole.
    pub(super) fn finish(&mut self) -> Option<Vec<Option<Count>>> {
        let is_whole = self.state == State::End;
        let found = self.tracks.iter_mut().map(Track::restart).collect();
        self.levels.clear();
        self.state = State::Value { may_end: false };
        is_whole.then_some(found)
    }

    fn step(&mut self, byte: u8) {
        match self.state {
            State::Text { is_name, escaped } => self.text(byte, is_name, escaped),
            State::Number if byte.is_ascii_digit() || b".eE+-".contains(&byte) => self.keep(byte),
            State::Word if byte.is_ascii_lowercase() => self.keep(byte),
            State::Number | State::Word => {
                self.scalar();
                if self.state != State::Broken {
                    self.step(byte);
                }
            }
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            State::Value { may_end } => match byte {
                b'{' => self.open(Level::Object, State::Member { may_end: true }),
                b'[' => self.open(Level::Array(0), State::Value { may_end: true }),
                b'"' => self.state = State::Text { is_name: false, escaped: false },
                b'-' | b'0'..=b'9' => self.token(State::Number, byte),
                b't' | b'f' | b'n' => self.token(State::Word, byte),
                b']' if may_end => self.close(),
                _ => self.state = State::Broken,
            },
            State::Member { may_end } => match byte {
                b'"' => {
                    self.token.clear();
                    self.state = State::Text { is_name: true, escaped: false };
                }
                b'}' if may_end => self.close(),
                _ => self.state = State::Broken,
            },
            State::Colon if byte == b':' => self.state = State::Value { may_end: false },
            State::Next => self.next(byte),
            State::Colon | State::End | State::Broken => self.state = State::Broken,
        }
    }

    fn text(&mut self, byte: u8, is_name: bool, escaped: bool) {
        match byte {
            _ if byte < 0x20 => self.state = State::Broken,
            b'"' if !escaped && is_name => self.named(),
            b'"' if !escaped => self.value_ended(None),
            _ => {
                if is_name {
                    self.keep(byte);
                }
                let escaped = byte == b'\\' && !escaped;
                self.state = State::Text { is_name, escaped };
            }
        }
    }

    fn named(&mut self) {
        let depth = self.levels.len();
        if self.token.contains(&b'\\') {
            let quoted = [b"\"", self.token.as_slice(), b"\""].concat();
            self.token = serde_json::from_slice::<String>(&quoted).unwrap_or_default().into_bytes();
        }
        for track in &mut self.tracks {
            track.is_next = track.step_at(depth).is_some_and(|step| *step.name == *self.token);
        }
        self.state = State::Colon;
    }

    fn next(&mut self, byte: u8) {
        self.state = match (byte, self.levels.last_mut()) {
            (b',', Some(Level::Object)) => State::Member { may_end: false },
            (b',', Some(Level::Array(place))) => {
                *place += 1;
                State::Value { may_end: false }
            }
            (b'}', Some(Level::Object)) | (b']', Some(Level::Array(_))) => return self.close(),
            _ => State::Broken,
        };
        self.placed();
    }

    /// Whether the next value of a list is looked for.
    fn placed(&mut self) {
        let (depth, level) = (self.levels.len(), self.levels.last());
        let place = match level {
            Some(Level::Array(place)) => Some(*place),
            _ => None,
        };
        for track in &mut self.tracks {
            let is_there = |step: &Step| place.is_some() && step.place == place;
            track.is_next = track.step_at(depth).is_some_and(is_there);
        }
    }

    fn open(&mut self, level: Level, state: State) {
        let depth = self.levels.len();
        if depth == DEPTH_MAX {
            self.state = State::Broken;
            return;
        }
        for track in &mut self.tracks {
            if track.is_on_way(depth) && depth < track.steps.len() {
                track.open = depth + 1;
            }
        }
        self.levels.push(level);
        self.state = state;
        self.placed();
    }

    fn close(&mut self) {
        self.levels.pop();
        let depth = self.levels.len();
        for track in &mut self.tracks {
            track.open = track.open.min(depth);
            track.is_next = false;
        }
        self.state = if depth == 0 { State::End } else { State::Next };
    }

    fn token(&mut self, state: State, byte: u8) {
        self.token.clear();
        self.token.push(byte);
        self.state = state;
    }

    /// One more byte than what is kept tells that it was too long.
    fn keep(&mut self, byte: u8) {
        if self.token.len() <= TOKEN_BYTES_MAX {
            self.token.push(byte);
        }
    }

    fn scalar(&mut self) {
        let is_word = self.state == State::Word;
        if is_word && !matches!(self.token.as_slice(), b"true" | b"false" | b"null") {
            self.state = State::Broken;
            return;
        }
        let number = std::str::from_utf8(&self.token).ok().filter(|_| !is_word).and_then(Count::parse);
        self.value_ended(number);
    }

    /// A value that is no container has passed.
    fn value_ended(&mut self, number: Option<Count>) {
        let depth = self.levels.len();
        for track in &mut self.tracks {
            if track.is_on_way(depth) && depth == track.steps.len() {
                track.found = number;
            }
            track.is_next = false;
        }
        self.state = if depth == 0 { State::End } else { State::Next };
    }
}

// === impl Track ===

impl Track {
    fn new(pointer: &Pointer) -> Self {
        let step = |step: &std::sync::Arc<str>| {
            let place = step.parse().ok().filter(|place: &u64| place.to_string() == **step);
            Step { name: step.as_bytes().into(), place }
        };
        Self { steps: pointer.steps().iter().map(step).collect(), open: 0, is_next: true, found: None }
    }

    fn restart(&mut self) -> Option<Count> {
        (self.open, self.is_next) = (0, true);
        self.found.take()
    }

    /// The step that leads to a value inside so many containers, where all of them are on the way.
    fn step_at(&self, depth: usize) -> Option<&Step> {
        self.steps.get(depth.checked_sub(1)?).filter(|_| self.open == depth)
    }

    /// Whether a value inside so many containers that begins now is on the way, or at its end.
    fn is_on_way(&self, depth: usize) -> bool {
        self.open == depth && self.is_next
    }
}
