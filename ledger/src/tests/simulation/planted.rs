//! [`Planted`]: bugs that are put in on purpose, at the seams, to see that the simulation finds them. A simulation
//! that finds nothing proves nothing until it finds these.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    Nothing,
    /// The driver forgets a hold instead of voiding it.
    SkippedVoid,
    /// The store says that it was busy after it wrote, and has no walls: the writer writes the batch twice.
    DoubleCapture,
    /// The driver hands the ledger a limit that is one too high.
    LimitOffByOne,
    /// The driver hands the ledger an allowance that is one call too high.
    FreeOffByOne,
    /// The store does not keep the replay key of a payment.
    DroppedReplayKey,
    /// The store does not keep which deliveries are open.
    ForgottenDeliveries,
    /// The store acknowledges a batch that it did not write.
    FalseAcknowledgement,
    /// The store does not free the identifier of a refunded payment.
    KeptIdentifier,
    /// The store does not tell a start which holds it keeps: none is closed.
    ForgottenHolds,
    /// The store keeps a hold that is over: the next start closes it again.
    KeptHold,
}
