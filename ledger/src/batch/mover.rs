//! Who asked for what moved.

use std::sync::Arc;

/// A row of `mover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MoverRow {
    /// The name of the refund, the transfer, the settlement, the decision or the step; of a verdict that of its payment.
    pub(crate) moved: [u8; 16],
    pub(crate) who: Arc<str>,
}
