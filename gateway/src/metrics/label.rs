//! Labels of metrics that are closed lists.

/// How a request ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// Forwarded without a price.
    Free,
    /// Forwarded and charged.
    Paid,
    /// Answered with 402 because no payment came.
    Challenged,
    /// Refused for another reason, nothing charged.
    Refused,
    /// Forwarded, and not charged because it failed or the client left.
    Voided,
    /// Answered again without a charge.
    Replayed,
    /// Answered here: preflights, the payer's own view.
    Answered,
    /// The gateway or a free upstream failed.
    Error,
}

/// A part of a paid request's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Reading and checking the payment.
    Verify,
    /// Holding funds, limits and the replay key.
    Hold,
    /// From the request going out to the upstream's header.
    Upstream,
    /// From the capture to its durable commit.
    Commit,
    /// The same on a public network, with the settlement before it.
    Settle,
}

// === impl Outcome ===

impl Outcome {
    /// All of them, each at the place of its number.
    pub(crate) const ALL: [Self; 8] = [
        Self::Free,
        Self::Paid,
        Self::Challenged,
        Self::Refused,
        Self::Voided,
        Self::Replayed,
        Self::Answered,
        Self::Error,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Paid => "paid",
            Self::Challenged => "challenged",
            Self::Refused => "refused",
            Self::Voided => "voided",
            Self::Replayed => "replayed",
            Self::Answered => "answered",
            Self::Error => "error",
        }
    }
}

// === impl Stage ===

impl Stage {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Hold => "hold",
            Self::Upstream => "upstream",
            Self::Commit => "commit",
            Self::Settle => "settle",
        }
    }
}
