//! Who asked for what moved.

use std::sync::Arc;

/// A row of `mover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MoverRow {
    /// The name of the refund, the transfer or the settlement.
    pub(crate) moved: [u8; 16],
    pub(crate) who: Arc<str>,
}
