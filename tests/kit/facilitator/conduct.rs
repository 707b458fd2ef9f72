//! [`Conduct`]: how a [`super::Facilitator`] deals with one call: whether it is carried out, and what is said of it.

use domain::B256;

use crate::gate::Gate;

/// More than anyone should read.
const HUGE_BYTES: usize = 8 * 1024 * 1024;

/// Deeper than anyone should follow.
const DEEP_LEVELS: usize = 10_000;

/// What is done, and what is said.
#[derive(Clone, Debug)]
pub struct Conduct {
    pub(super) gate: Option<Gate>,
    pub(super) is_done: bool,
    /// All that was signed is taken, whatever is asked for.
    pub(super) is_greedy: bool,
    pub(super) say: Say,
}

/// What the one who asked gets to hear.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// What the one behind answered.
    Answer,
    /// What the one behind answered to another call.
    Other,
    /// A status and an empty object.
    Status(u16),
    /// 200 and this.
    Body(Vec<u8>),
    /// Valid, or settled by this transaction.
    Yes(Option<String>),
    /// Invalid, or not settled.
    No,
    /// Nothing, ever.
    Nothing,
    /// The end of the connection.
    End,
}

// === impl Conduct ===

impl Conduct {
    const fn saying(say: Say) -> Self {
        Self { gate: None, is_done: false, is_greedy: false, say }
    }

    /// Hands on what the one behind says.
    #[must_use]
    pub const fn honest() -> Self {
        Self { gate: None, is_done: true, is_greedy: false, say: Say::Answer }
    }

    /// Takes all that its payer signed, whatever it is asked for, and hands on what the one behind says.
    #[must_use]
    pub const fn greedy() -> Self {
        Self { gate: None, is_done: true, is_greedy: true, say: Say::Answer }
    }

    /// Not there: the connection ends without an answer.
    #[must_use]
    pub const fn down() -> Self {
        Self::saying(Say::End)
    }

    /// This status and no more.
    #[must_use]
    pub const fn failing(status: u16) -> Self {
        Self::saying(Say::Status(status))
    }

    /// Never an answer.
    #[must_use]
    pub const fn silent() -> Self {
        Self::saying(Say::Nothing)
    }

    /// Yes to anything: valid, or settled by a transaction that it makes up or, for `None`, does not name.
    #[must_use]
    pub fn agreeing(transaction: Option<B256>) -> Self {
        Self::saying(Say::Yes(transaction.map(|transaction| transaction.to_string())))
    }

    /// No to anything.
    #[must_use]
    pub const fn denying() -> Self {
        Self::saying(Say::No)
    }

    /// Two calls are carried out, and each one is given the answer of the other.
    #[must_use]
    pub const fn swapped() -> Self {
        Self { gate: None, is_done: true, is_greedy: false, say: Say::Other }
    }

    /// 200 and these bytes.
    #[must_use]
    pub fn saying_bytes(body: impl Into<Vec<u8>>) -> Self {
        Self::saying(Say::Body(body.into()))
    }

    /// JSON of 8 MiB that begins like a yes.
    #[must_use]
    pub fn huge() -> Self {
        let filler = "x".repeat(HUGE_BYTES);
        Self::saying_bytes(format!(r#"{{"isValid":true,"success":true,"filler":"{filler}"}}"#))
    }

    /// JSON of ten thousand levels.
    #[must_use]
    pub fn deep() -> Self {
        Self::saying_bytes(format!("{}{}", r#"{"a":"#.repeat(DEEP_LEVELS), "}".repeat(DEEP_LEVELS)))
    }

    /// The call is carried out first, and this is said of it all the same.
    #[must_use]
    pub const fn after_doing(mut self) -> Self {
        self.is_done = true;
        self
    }

    /// Nothing happens until the gate opens.
    #[must_use]
    pub fn at(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }
}
