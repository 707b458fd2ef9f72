//! [`Role`]: which of the two planes a process serves.

use std::fmt;

/// What a process serves beside metrics and health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both planes: `faregate run`.
    Both,
    /// What agents call.
    Gateway,
    /// The management API.
    ControlPlane,
}

// === impl Role ===

impl Role {
    pub(super) fn serves_data(self) -> bool {
        self != Self::ControlPlane
    }

    pub(super) fn serves_control(self) -> bool {
        self != Self::Gateway
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Both => "run",
            Self::Gateway => "gateway",
            Self::ControlPlane => "control-plane",
        })
    }
}
