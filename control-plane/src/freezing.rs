//! As whom an agent or a wallet is frozen, which says who may thaw it.

use registry::Freezer;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::call::caller::Caller;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FreezeQuery {
    /// Freeze it as its owner would, who may then thaw it. What the operator froze before stays the operator's.
    as_owner: Option<bool>,
}

// === impl FreezeQuery ===

impl FreezeQuery {
    /// The operator may step back; nobody else has a choice.
    pub(crate) fn freezer(&self, caller: &Caller) -> Freezer {
        if self.as_owner == Some(true) { Freezer::Owner } else { caller.freezer() }
    }
}
