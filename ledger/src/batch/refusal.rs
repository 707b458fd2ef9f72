//! [`Refusal`]: why one operation of a batch does nothing.

use domain::Amount;

/// Why one operation of a batch does nothing. The others do not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The replay key was captured before.
    Duplicate,
    Funds,
    Limit,
    UnknownWallet,
    UnknownProvider,
    UnknownPayment,
    UnknownPayout,
    /// Nothing is left of the payment.
    RefundedBefore,
    /// Less is left of it than was asked for.
    RefundExceeds,
    /// So small a part, or one part more: the next is at least `least` of the `left` that are left.
    RefundPart {
        least: Amount,
        left: Amount,
    },
    /// The provider was settled with for it.
    Earnings,
    PaidBefore,
    /// Somebody settled with the provider in the meantime.
    Stale,
    /// The idempotency key says something else.
    Conflict,
    /// What a public network moved to a provider's own address is its provider's to give back.
    OnChain,
    /// What was deposited is a wallet's: nobody earned it, and it is not given back as a payment.
    Deposit,
    /// What was booked out of suspense went where a person said.
    OutOfSuspense,
    /// Nothing of it is still to come, so that nothing is written off.
    NotOpen,
    /// Nothing can be sent from our treasury on that network.
    NoOutlet,
    /// People gave back as much there today as they may.
    RefundLimit,
    UnknownOutgoing,
    UnknownDifference,
    /// So much is not in suspense of it.
    NotInSuspense,
    /// It is missing, or the provider has earned it already: only the operator has it or bears it.
    OperatorOnly,
    /// Nobody knows any more who paid.
    NoPayer,
    /// It is not where it could go on so.
    Step,
    /// It is on its way, and nobody pays it in another way meanwhile.
    OnItsWay,
    /// Another transfer left by that transaction.
    TransactionUsed,
    /// The transaction paid for another payment, on a network on which one pays once. The hold stands.
    TransactionSpent,
    /// Zero, or past the ledger's 63 bits.
    Amount,
}
